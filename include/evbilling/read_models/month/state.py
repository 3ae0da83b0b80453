"""The state of a month, in a sentence or two. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from evbilling.read_models.month.figures import MonthOverview, MonthRun


@dataclass(frozen=True, slots=True)
class MonthState:
    """A month's state; `kind` is good, warn (something to fix), bad (something is wrong) or plain (nothing yet)."""

    kind: str
    sentence: str


def month_state(month: MonthOverview, waits: tuple[datetime, datetime] | None = None) -> MonthState:
    """The state of a month: what is issued, which accounts are on hold, what differs, and which run stopped.

    `waits`: since when its plan waits for a person, and until when.
    """
    sentences = [_issued(month)]
    kind = "good" if month.issued_at or month.this_month.statements else "plain"
    if month.overdue:
        sentences.append(f"It is {month.overdue}.")
        kind = "bad"
    newest = next((run for run in month.runs if run.dag_id == "connector_statements"), None)
    if waits and newest:
        since, until = map(_instant, waits)
        sentences.append(
            f"Run {newest.run_id} waits since {since} for a person to approve its plan; without an answer until {until}"
            " it is rejected."
        )
        kind = "warn" if kind != "bad" else kind
    elif newest and newest.state == "open":
        sentences.append(f"Run {newest.run_id} has been running since {_instant(newest.opened_at)}.")
    if month.of_kind("account"):
        sentences.append(_stated(month))
    if month.statements_overdue:
        sentences.append(f"The account statements are {month.statements_overdue}.")
        kind = "bad"
    for dag_id in ("connector_statements", "account_statements", "correct_statements"):
        if stopped := _stopped(month, dag_id):
            sentences.append(stopped)
            kind = "bad"
    if month.on_hold_since:
        sentences.append(
            f"Charging is on hold since {_instant(month.on_hold_since)}, because the warehouse was restored from a"
            " backup: run payment_reconciliation, which compares all payments and lifts the hold."
        )
        kind = "bad"
    if month.not_ok:
        verb = _verb(len(month.not_ok), "differs", "differ")
        sentences.append(f"{_count(len(month.not_ok), 'pair')} of figures that must agree {verb}.")
        kind = "bad"
    if held := _held(month):
        sentences.append(held)
        kind = "warn" if kind == "good" else kind
    if month.doubts:
        verb = _verb(len(month.doubts), "looks", "look")
        sentences.append(f"{_count(len(month.doubts), 'thing')} in the inventory {verb} doubtful; see below.")
    if newest and newest.state == "differs" and newest.differing:
        sentences.append(
            f"According to run {newest.run_id}, {_count(newest.differing, 'issued statement')} would now be different;"
            " Correct, in the list of statements, shows and issues the differences."
        )
        kind = "warn" if kind == "good" else kind
    return MonthState(kind, " ".join(sentences))


def _issued(month: MonthOverview) -> str:
    counted = _count(month.this_month.statements, "connector statement")
    counted += f" for {_count(month.this_month.connectors, 'connector')}"
    if month.issued_at:
        return f"Issued on {_day(month.issued_at)}: {counted}."
    return f"{counted} issued." if month.this_month.statements else "Not billed yet."


def _stated(month: MonthOverview) -> str:
    counted = _count(month.of_kind("account"), "account statement")
    return f"{counted[0].upper()}{counted[1:]} issued on {_day(month.stated_at)}." if month.stated_at else f"{counted}."


def _stopped(month: MonthOverview, dag_id: str) -> str | None:
    newest: MonthRun | None = next((run for run in month.runs if run.dag_id == dag_id), None)
    if newest is None or newest.state != "failed":
        return None
    return f"The last run of {dag_id} ({newest.run_id}) stopped on {_day(newest.opened_at)}; the reason is below."


def _held(month: MonthOverview) -> str | None:
    on_hold, withheld = month.quarantined.accounts, month.withheld.accounts
    parts = []
    if on_hold:
        parts.append(f"{_count(on_hold, 'account')} {_verb(on_hold, 'is', 'are')} on hold")
    if withheld:
        parts.append(f"{_count(withheld, 'account statement')} {_verb(withheld, 'is', 'are')} withheld")
    if not parts:
        return None
    return f"{' and '.join(parts)}. Fix the problems below, then issue the missing statements."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _verb(number: int, singular: str, plural: str) -> str:
    return singular if number == 1 else plural


def _day(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}"


def _instant(instant: datetime) -> str:
    return f"{_day(instant)}, {instant.astimezone(UTC):%H:%M} UTC"
