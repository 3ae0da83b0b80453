"""The approval policy: when a month is issued at once and when a person is asked. Values and their text forms; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from evbilling.errors import BadInput
from evbilling.money import decimals, parse_decimal
from evbilling.period import Period

# Longer than this no run of a month may wait: the next month's tick comes, and Airflow's limit of a run is set by it.
MOST_HOURS = 240
# A canary is charged, mailed and looked at while the rest waits.
MOST_CANARY = 1000


class Mode(StrEnum):
    """Who lets a month be issued."""

    AT_ONCE = "at_once"
    WITHIN_LIMITS = "within_limits"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy from `effective_from` on. A limit of None is none; money is in major units, of each currency alone.

    Changes are against the last month billed. An account's change of up to `account_change_floor` is never too large.
    `canary_statements` are issued, charged and mailed first; a person decides on the rest then, whatever the mode.
    `four_eyes`: whoever approves must not have changed the policy or settings that the plan goes by.
    """

    effective_from: Period
    mode: Mode = Mode.AT_ONCE
    max_connector_change_percent: Decimal | None = None
    max_money_change_percent: Decimal | None = None
    max_account_change_percent: Decimal | None = None
    account_change_floor: Decimal = Decimal(0)
    max_accounts_on_hold: int | None = None
    max_expected_on_hold: Decimal | None = None
    ask_first_month_of_account: bool = False
    ask_first_month: bool = False
    four_eyes: bool = False
    deadline_hours: int = 48
    remind_hours: int = 12
    late_after_hours: int = 6
    canary_statements: int = 0

    def values(self) -> dict[str, Any]:
        """The fields by name, with the period as text."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return named | {"effective_from": str(self.effective_from), "mode": str(self.mode)}


@dataclass(frozen=True, slots=True)
class RecordedPolicy:
    """A policy as recorded, with who, when (UTC) and why. The higher `policy_id` was recorded later."""

    policy_id: int
    policy: Policy
    actor: str
    reason: str
    recorded_at: datetime


# In the order of the form and of the file.
LABELS = {
    "effective_from": "From period",
    "mode": "A month is issued",
    "max_connector_change_percent": "Connectors in all change by at most (%)",
    "max_money_change_percent": "Money in all changes by at most (%)",
    "max_account_change_percent": "Money of one account changes by at most (%)",
    "account_change_floor": "… or by no more than this amount",
    "max_accounts_on_hold": "Accounts on hold, at most",
    "max_expected_on_hold": "Money expected of accounts on hold, at most",
    "ask_first_month_of_account": "Ask for an account's first month",
    "ask_first_month": "Ask for the first month ever",
    "four_eyes": "Four eyes",
    "deadline_hours": "Hours until a plan is rejected",
    "remind_hours": "Reminder, so many hours before that",
    "late_after_hours": "Hours late from which a scheduled run waits",
    "canary_statements": "Statements that are issued first, as a canary",
}
COLUMNS = tuple(LABELS)

MODE_WORDS = {
    Mode.AT_ONCE: "at once",
    Mode.WITHIN_LIMITS: "at once within the limits below, otherwise when a person approves it",
    Mode.ALWAYS: "when a person approves it",
}


def parse_policy(texts: Mapping[str, str]) -> tuple[Policy | None, dict[str, str]]:
    """The policy that the fields' texts give, or None, and what is wrong by field. A missing field is empty."""
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, parse in _PARSERS.items():
        try:
            found[name] = parse(texts.get(name, "").strip())
        except BadInput as error:
            errors[name] = error.what
    deadline, remind = found.get("deadline_hours", MOST_HOURS), found.get("remind_hours", 0)
    if remind >= deadline:
        errors.setdefault("remind_hours", f"{remind} is not less than the {deadline} hours of the deadline")
    return (None if errors else Policy(**found)), errors


def texts_of(policy: Policy) -> dict[str, str]:
    """The policy's fields as `parse_policy` reads them."""
    return {name: _text(value) for name, value in policy.values().items()}


def policy_for(recorded: list[RecordedPolicy], period: Period) -> RecordedPolicy | None:
    """The one in force in `period`: the latest that is effective by then, of several the last recorded."""
    by_then = [row for row in recorded if row.policy.effective_from <= period]
    return max(by_then, key=lambda row: (row.policy.effective_from, row.policy_id), default=None)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _period(text: str) -> Period:
    try:
        return Period.parse(text)
    except BadInput as error:
        raise BadInput(f"{error.what}; {error.fix}") from None


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise BadInput(f"{text!r} is none of {', '.join(Mode)}") from None


def _limit(places: int, most: int) -> Callable[[str], Decimal | None]:
    def parse(text: str) -> Decimal | None:
        if not text:
            return None
        try:
            number = parse_decimal(text)
        except BadInput as error:
            raise BadInput(f"{error.what}; {error.fix}") from None
        if not 0 <= number <= most:
            raise BadInput(f"{text} is not a number from 0 to {most:,}")
        if decimals(number) > places:
            raise BadInput(f"{text} has more than {places} decimals")
        return Decimal(f"{number.normalize():f}")

    return parse


def _count(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise BadInput(f"{text!r} is not a whole number from {least} to {most:,}")
        return int(text)

    return parse


def _flag(text: str) -> bool:
    if text not in {"", "true", "false"}:
        raise BadInput(f"{text!r} is not true or false")
    return text == "true"


_percent, _amount = _limit(2, 1_000_000), _limit(4, 1_000_000_000)

_PARSERS: dict[str, Callable[[str], Any]] = {
    "effective_from": _period,
    "mode": _mode,
    "max_connector_change_percent": _percent,
    "max_money_change_percent": _percent,
    "max_account_change_percent": _percent,
    "account_change_floor": lambda text: _amount(text) or Decimal(0),
    "max_accounts_on_hold": lambda text: _count(0, 999_999_999)(text) if text else None,
    "max_expected_on_hold": _amount,
    "ask_first_month_of_account": _flag,
    "ask_first_month": _flag,
    "four_eyes": _flag,
    "deadline_hours": lambda text: _count(1, MOST_HOURS)(text or "48"),
    "remind_hours": lambda text: _count(0, MOST_HOURS)(text or "12"),
    "late_after_hours": lambda text: _count(1, MOST_HOURS)(text or "6"),
    "canary_statements": lambda text: _count(0, MOST_CANARY)(text or "0"),
}
