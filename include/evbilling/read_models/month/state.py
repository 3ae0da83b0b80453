"""How a month stands, in a sentence or two. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from evbilling.read_models.month.figures import MonthOverview, MonthRun


@dataclass(frozen=True, slots=True)
class MonthState:
    """How a month stands; `kind` is good, warn (something to mend), bad (something is wrong) or plain (nothing yet)."""

    kind: str
    sentence: str


def month_state(month: MonthOverview) -> MonthState:
    """The state of a month: whether it is issued, who is held, what differs, and what stopped."""
    said = [_issued(month)]
    kind = "good" if month.issued_at or month.this_month.statements else "plain"
    newest = next((run for run in month.runs if run.dag_id == "connector_statements"), None)
    if newest and newest.state == "open":
        said.append(f"Run {newest.run_id} is under way since {_instant(newest.opened_at)}.")
    if month.of_kind("account"):
        said.append(_stated(month))
    for dag_id in ("connector_statements", "account_statements", "correct_statements"):
        if stopped := _stopped(month, dag_id):
            said.append(stopped)
            kind = "bad"
    if month.not_ok:
        said.append(f"{_count(len(month.not_ok), 'pair')} of figures that must agree {_verb(len(month.not_ok))} not.")
        kind = "bad"
    if held := _held(month):
        said.append(held)
        kind = "warn" if kind == "good" else kind
    if newest and newest.state == "differs" and newest.differing:
        said.append(
            f"By run {newest.run_id}, {_count(newest.differing, 'issued statement')} would be issued otherwise now;"
            " correct_statements notes by how much."
        )
        kind = "warn" if kind == "good" else kind
    return MonthState(kind, " ".join(said))


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
    return f"The last run of {dag_id} ({newest.run_id}) stopped on {_day(newest.opened_at)}; see below why."


def _held(month: MonthOverview) -> str | None:
    parts = []
    if month.quarantined.accounts:
        parts.append(f"{_count(month.quarantined.accounts, 'account')} held")
    if month.withheld.accounts:
        parts.append(f"{_count(month.withheld.accounts, 'account statement')} withheld")
    return f"{', '.join(parts)}: mend what is named below, then run the month again." if parts else None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _verb(number: int) -> str:
    return "does" if number == 1 else "do"


def _day(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}"


def _instant(instant: datetime) -> str:
    return f"{_day(instant)}, {instant.astimezone(UTC):%H:%M} UTC"
