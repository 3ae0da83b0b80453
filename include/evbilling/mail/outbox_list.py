"""The outbox as people see it: messages by state, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.paging import make_page
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
    "held": "On hold",
    "sent": "Sent",
}
STATE_HINTS = {
    "failed": "couldn't be sent: see the reason, fix it and send it again",
    "unknown": "sending was interrupted, so it may or may not have arrived; it isn't sent again automatically",
    "pending": "waits to be sent",
    "sending": "it is being handed to the mail server",
    "held": "not sent unless somebody asks for it",
    "sent": "the mail server accepted it",
}


@dataclass(frozen=True, slots=True)
class MailFilter:
    """Which messages to list; None or empty: any."""

    period: Period | None = None
    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    account: str | None = None
    statement: str | None = None
    mail_id: int | None = None


@dataclass(frozen=True, slots=True)
class MailRow:
    """One message. `reason` is why it isn't sent, or not yet; `kept_try` the last try whose bytes are kept, if any."""

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
    again_of: int | None
    kept_try: int | None

    @property
    def can_be_sent(self) -> bool:
        """True if a person may send it now; waiting messages are sent without being asked for."""
        return self.state not in {"pending", "sending"} and self.sent_again_as is None


def mail_page(
    connection: psycopg.Connection[Any], wanted: MailFilter, *, before: int | None = None, most: int = PAGE_SIZE
) -> tuple[list[MailRow], int | None]:
    """A page of messages, newest first, from below the message `before`, and the `before` of the next page."""
    values = _of_period(wanted.period) | {
        "kinds": list(wanted.kinds) or None,
        "states": list(wanted.states) or None,
        "account": wanted.account or None,
        "statement": wanted.statement,
        "mail_id": wanted.mail_id,
        "before": before,
        "most": most + 1,
    }
    page = make_page(fetch_as(connection, MailRow, "mail/list", **values), most, is_first=before is None)
    return page.rows, page.rows[-1].mail_id if page.has_later else None


def counts_by_state(connection: psycopg.Connection[Any], wanted: MailFilter) -> dict[str, int]:
    """The number of messages of the period, account and kinds, by state; states without any are left out."""
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
