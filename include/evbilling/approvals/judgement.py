"""Whether a plan may be issued at once: the policy's limits against the plan's figures. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from evbilling.approvals.policy import Mode, Policy
from evbilling.money import from_minor

# In force where no policy was ever recorded: nothing but a late start waits.
LATE_AFTER = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Money:
    """A currency of a plan, in minor units: the last month billed, this one, and what accounts on hold would bring."""

    currency: str
    minor_unit: int
    before: int
    now: int
    expected: int


@dataclass(frozen=True, slots=True)
class Example:
    """The account that changes most of those beyond the limits for one account; minor units."""

    account_id: str
    account_name: str | None
    currency: str
    minor_unit: int
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the limits are about. `accounts_beyond` are those that change by more than the limits for one account.

    `not_compared` says why there is no month to compare with; None if there is one. `statements` is what would be
    issued: none of those that are issued already.
    """

    statements: int
    not_compared: str | None
    connectors_before: int
    connectors_now: int
    money: Sequence[Money]
    accounts_on_hold: int
    first_accounts: int
    accounts_beyond: int
    example: Example | None


@dataclass(frozen=True, slots=True)
class Question:
    """Why a person is asked: an id of docs/rules.md, and the sentence with its figures."""

    reason_id: str
    text: str


# Each id with when it applies, for docs/rules.md.
QUESTIONS = {
    "ALWAYS-ASK": "the policy has every month approved by a person",
    "LATE-START": "a scheduled run began later than the policy allows, as when a paused DAG is un-paused",
    "FOUR-EYES-DROPPED": "the policy asks for four eyes no more, and did when the last month was issued",
    "PARTLY-ISSUED": "the canary of the month is issued, by an earlier plan, and the rest never was",
    "NO-FIGURES": "the plan doesn't say what accounts were and are billed, so no limit can be looked at",
    "FIRST-MONTH": "no earlier month can be compared with, and the policy asks for the first month ever",
    "CONNECTORS-CHANGED": "the number of connectors changes by more than the limit",
    "MONEY-CHANGED": "the money of a currency changes by more than the limit, or it had none before",
    "ACCOUNT-CHANGED": "one account's money changes by more than the limit and its floor",
    "ACCOUNTS-ON-HOLD": "more accounts are on hold than the limit",
    "EXPECTED-ON-HOLD": "accounts on hold are expected to bring more of a currency than the limit",
    "CANARY-ISSUED": "the canary of the plan is issued, charged and mailed, and the rest waits",
    "FIRST-MONTH-OF-ACCOUNT": "an account is billed for the first time, and the policy asks for that",
}

# The rest of a plan waits for a second word, whatever the policy says.
CANARY_ISSUED = "the canary is issued, charged and mailed, and the rest waits for a second word"


def late_by(due_at: datetime | None, opened_at: datetime, policy: Policy | None) -> timedelta | None:
    """How late a scheduled run was opened; None if it wasn't late, or no tick but a person's word began it.

    `due_at` is the schedule's tick, None for a run that was asked for: a trigger, a backfill, a call of the API.
    """
    allowed = timedelta(hours=policy.late_after_hours) if policy else LATE_AFTER
    if due_at is None or opened_at - due_at <= allowed:
        return None
    return opened_at - due_at


def judge(
    policy: Policy | None,
    figures: Figures,
    late: timedelta | None,
    *,
    lost_four_eyes: bool = False,
    is_partly_issued: bool = False,
) -> list[Question]:
    """Why a person is asked before this plan is issued, in the order of `QUESTIONS`; empty: it is issued at once.

    A plan that would issue nothing is never asked about. Without a policy only a late start is, and the
    rest of a month whose canary alone was issued. `lost_four_eyes`: the policy dropped four eyes since the last month.
    """
    if figures.statements == 0:
        return []
    found: list[Question] = []
    if policy and policy.mode is Mode.ALWAYS:
        found.append(Question("ALWAYS-ASK", f"from {policy.effective_from} on every month is approved by a person"))
    if late is not None:
        found.append(
            Question("LATE-START", f"the scheduled run began {_span(late)} after its time, so nobody expects it")
        )
    if lost_four_eyes:
        found.append(Question("FOUR-EYES-DROPPED", "four eyes were switched off since the last month was issued"))
    if is_partly_issued:
        found.append(Question("PARTLY-ISSUED", "only the canary of an earlier plan of the month was issued"))
    if policy and policy.mode is Mode.WITHIN_LIMITS:
        # Never within limits because nothing is known.
        found += _beyond(policy, figures) if figures.money else [Question("NO-FIGURES", "the plan has no figures")]
    return found


def _beyond(policy: Policy, figures: Figures) -> Iterator[Question]:
    if figures.not_compared:
        if policy.ask_first_month:
            yield Question("FIRST-MONTH", f"there is no month to compare with: {figures.not_compared}")
    else:
        yield from _changes(policy, figures)
    if policy.max_accounts_on_hold is not None and figures.accounts_on_hold > policy.max_accounts_on_hold:
        yield Question(
            "ACCOUNTS-ON-HOLD",
            f"{figures.accounts_on_hold:,} accounts are on hold; the limit is {policy.max_accounts_on_hold:,}",
        )
    if policy.max_expected_on_hold is not None:
        for money in figures.money:
            expected = from_minor(money.expected, money.minor_unit)
            if expected > policy.max_expected_on_hold:
                yield Question(
                    "EXPECTED-ON-HOLD",
                    f"accounts on hold are expected to bring {money.currency} {expected:,}; the limit is"
                    f" {policy.max_expected_on_hold:,f}",
                )
    if policy.ask_first_month_of_account and figures.first_accounts:
        yield Question("FIRST-MONTH-OF-ACCOUNT", f"{_accounts(figures.first_accounts)} billed for the first time")


def _changes(policy: Policy, figures: Figures) -> Iterator[Question]:
    before, now = figures.connectors_before, figures.connectors_now
    if _is_beyond(before, now, policy.max_connector_change_percent):
        yield Question(
            "CONNECTORS-CHANGED",
            f"{now:,} connectors, and {before:,} last month{_percent(before, now)};"
            f" the limit is {policy.max_connector_change_percent:f} %",
        )
    for money in figures.money:
        if _is_beyond(money.before, money.now, policy.max_money_change_percent):
            amounts = (from_minor(minor, money.minor_unit) for minor in (money.now, money.before))
            yield Question(
                "MONEY-CHANGED",
                "{} {:,}, and {:,} last month".format(money.currency, *amounts)
                + f"{_percent(money.before, money.now)}; the limit is {policy.max_money_change_percent:f} %",
            )
    if policy.max_account_change_percent is not None and figures.accounts_beyond and figures.example:
        one = figures.example
        amounts = (from_minor(minor, one.minor_unit) for minor in (one.now, one.before))
        more = f"; so do {figures.accounts_beyond - 1:,} more" if figures.accounts_beyond > 1 else ""
        yield Question(
            "ACCOUNT-CHANGED",
            f"{one.account_name or one.account_id} changes by more than {policy.max_account_change_percent:f} %: "
            + "{} {:,}, and {:,} last month".format(one.currency, *amounts)
            + f"{_percent(one.before, one.now)}{more}",
        )


def _is_beyond(before: int, now: int, limit: Decimal | None) -> bool:
    """True if the change is more than `limit` percent; from nothing any change is."""
    return limit is not None and abs(now - before) * 100 > limit * before


def _percent(before: int, now: int) -> str:
    if not before:
        return ""
    return f" ({Decimal(now - before) * 100 / before:+,.1f} %)"


def _accounts(number: int) -> str:
    return "1 account is" if number == 1 else f"{number:,} accounts are"


def _span(late: timedelta) -> str:
    hours = int(late.total_seconds() // 3600)
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"
