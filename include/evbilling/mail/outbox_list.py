"""The outbox as people look at it: what waits, what went, what didn't and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.period import Period
from evbilling.warehouse.query import fetch_all, fetch_as

PAGE_SIZE = 50
# In the order in which somebody should look at them.
STATES = ("failed", "unknown", "pending", "sending", "held", "sent")
STATE_LABELS = {
    "failed": "Failed",
    "unknown": "Unknown",
    "pending": "Waiting",
    "sending": "Being sent",
    "held": "Held",
    "sent": "Sent",
}
STATE_HINTS = {
    "failed": "can't be sent: see why, mend it, send it again",
    "unknown": "its sender was cut off, so it may have arrived or not; it isn't sent again by itself",
    "pending": "waits to be sent",
    "sending": "the mail server is being told",
    "held": "not sent unless somebody asks for it",
    "sent": "the mail server took it",
}


@dataclass(frozen=True, slots=True)
class MailFilter:
    """Which messages to look at; None or empty: any."""

    period: Period | None = None
    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    account: str | None = None


@dataclass(frozen=True, slots=True)
class MailRow:
    """One message. `recipient` is masked, `reason` says in plain words why it isn't sent, or not yet."""

    mail_id: int
    kind: str
    statement_id: str
    account_id: str
    account_name: str | None
    period: str
    state: str
    reason: str | None
    tries: int
    recipient: str | None
    requested_by: str
    created_at: datetime
    due_at: datetime
    begun_at: datetime | None
    sent_at: datetime | None
    sent_again_as: int | None

    @property
    def can_be_sent(self) -> bool:
        """True if a person may ask for it now; what waits or is being sent needs nobody's word."""
        return self.state not in {"pending", "sending"} and self.sent_again_as is None


def mail_page(
    connection: psycopg.Connection[Any], wanted: MailFilter, *, before: int | None = None, most: int = PAGE_SIZE
) -> tuple[list[MailRow], int | None]:
    """A page of messages, the newest first, below the message `before`; and below which one the next page begins."""
    values = _of_period(wanted.period) | {
        "kinds": list(wanted.kinds) or None,
        "states": list(wanted.states) or None,
        "account": wanted.account or None,
        "before": before,
        "most": most + 1,
    }
    rows = fetch_as(connection, MailRow, "mail/list", **values)
    return rows[:most], rows[most - 1].mail_id if len(rows) > most else None


def counts_by_state(connection: psycopg.Connection[Any], wanted: MailFilter) -> dict[str, int]:
    """How many messages of the period, account and kinds are in each state; states without any are left out."""
    values = _of_period(wanted.period) | {"account": wanted.account or None}
    counts: dict[str, int] = {}
    for kind, state, count in fetch_all(connection, "mail/counts", **values):
        if not wanted.kinds or kind in wanted.kinds:
            counts[state] = counts.get(state, 0) + count
    return {state: counts[state] for state in STATES if state in counts}


def periods(connection: psycopg.Connection[Any]) -> list[Period]:
    """The months in which statements were issued, the newest first."""
    rows = connection.execute("select distinct period::text from billing.run where state = 'issued' order by 1 desc")
    return [Period.parse(row[0]) for row in rows]


def _of_period(period: Period | None) -> dict[str, Any]:
    """The period, and the ranges of its statements' ids, by which the outbox is partitioned."""
    values: dict[str, Any] = {"period": str(period) if period else None}
    for letter in "asc":
        for name, months in ((letter, 0), (f"next_{letter}", 1)):
            month = str(period.shifted(months)).replace("-", "") if period else None
            values[name] = f"{letter.upper()}-{month}-" if month else None
    return values
