"""The policy of when a service level is due: time limits by the day from which they apply. They are only added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import decimals, parse_decimal
from evbilling.service_levels.levels import LEVELS
from evbilling.typed_text import require_text
from evbilling.warehouse import connected, fetch_dicts, select_value

# From when on the hours of each are counted. A plan's own deadline is in the approval policy.
COUNTED_FROM = {
    "connector_statements": "00:00 UTC on the month's first day",
    "account_statements": "00:00 UTC on the month's last day",
    "charges": "the issue of the statements",
    "payment_retries": "00:00 UTC of each day",
    "payment_reconciliation": "00:00 UTC of each day",
    "missed_months": "00:00 UTC of each day",
    "mail_delivery": "the time when the oldest message that waits was queued",
    "gateway": "the gateway's first refusal",
}
NOT_EXPECTED = "none"
_MOST_HOURS = 744
_PLACES = 2


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """From the day `effective_from` on, `service_level` is due so many hours after what they are counted from.

    `hours` is None for what isn't expected.
    """

    service_level: str
    effective_from: date
    hours: Decimal | None


@dataclass(frozen=True, slots=True)
class RecordedTimeLimit:
    """A time limit as recorded, with who, when (UTC) and why; `is_in_force` today, by the warehouse's clock."""

    limit: TimeLimit
    is_in_force: bool
    actor: str
    reason: str
    recorded_at: datetime

    @property
    def label(self) -> str:
        """The service level as the page Service levels names it."""
        words = LEVELS[self.limit.service_level]
        return f"{words[:1].upper()}{words[1:]}"

    @property
    def text(self) -> str:
        """`18 hours after 00:00 UTC on the month's first day`, or that it isn't expected."""
        if self.limit.hours is None:
            return "not expected"
        noun = "hour" if self.limit.hours == 1 else "hours"
        return f"{self.limit.hours:f} {noun} after {COUNTED_FROM[self.limit.service_level]}"


def parse_time_limit(texts: Mapping[str, str], today: date) -> tuple[TimeLimit | None, dict[str, str]]:
    """The time limit that the fields' texts give, or None, and what is wrong by field."""
    errors: dict[str, str] = {}
    level, hours = texts.get("service_level", "").strip(), texts.get("hours", "").strip()
    if level not in COUNTED_FROM:
        errors["service_level"] = f"{level!r} is none of {', '.join(COUNTED_FROM)}"
    effective_from, amount = today, None
    try:
        effective_from = date.fromisoformat(texts.get("effective_from", "").strip())
    except ValueError:
        errors["effective_from"] = f"{texts.get('effective_from', '')!r} is no day such as {today}"
    if effective_from < today:
        errors["effective_from"] = f"{effective_from} is over; the days before today ({today}) keep their time limits"
    if hours != NOT_EXPECTED:
        try:
            amount = parse_decimal(hours)
        except BadInput as error:
            errors["hours"] = f"{error.what}; give hours, or {NOT_EXPECTED}"
        else:
            if not 0 <= amount <= _MOST_HOURS or decimals(amount) > _PLACES:
                errors["hours"] = f"{hours} is no number from 0 to {_MOST_HOURS} with up to {_PLACES} decimals"
    return (None if errors else TimeLimit(level, effective_from, amount)), errors


def time_limits(connection: psycopg.Connection[Any]) -> list[RecordedTimeLimit]:
    """Every time limit ever recorded: those in force today first, then the newest first."""
    return [
        RecordedTimeLimit(
            TimeLimit(row["service_level"], row["effective_from"], _shortest(row["hours"])),
            row["is_in_force"],
            row["actor"],
            row["reason"],
            row["recorded_at"],
        )
        for row in fetch_dicts(connection, "service_levels/time_limits")
    ]


def set_time_limit(warehouse_url: str, limit: TimeLimit, actor: str, reason: str) -> bool:
    """Record a time limit, with an audit event; False if it is the newest one of its day already.

    Raises `BadInput` without who and why.
    """
    if not actor.strip():
        raise BadInput("a time limit is recorded with who and why", fix="say who sets it")
    require_text("reason", reason, "time limit", missing="say why it is set")
    due_after = None if limit.hours is None else timedelta(hours=float(limit.hours))
    with connected(warehouse_url, what="warehouse") as connection:
        # The first of those that apply from that day on is the one recorded last.
        newest = next((row.limit for row in time_limits(connection) if _is_of(row.limit, limit)), None)
        if newest == limit:
            return False
        given = limit.service_level, limit.effective_from, due_after, actor, reason.strip()
        select_value(connection, "select billing.set_service_level(%s, %s, %s, %s, %s)", *given)
    return True


def _is_of(one: TimeLimit, other: TimeLimit) -> bool:
    return (one.service_level, one.effective_from) == (other.service_level, other.effective_from)


def _shortest(number: Decimal | None) -> Decimal | None:
    return None if number is None else Decimal(f"{number.normalize():f}")
