"""The outbox in the warehouse: messages are reserved, begun and recorded, each by an owner's function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import starmap
from typing import Any

import psycopg

from evbilling.evidence import Stored
from evbilling.period import Period
from evbilling.warehouse import fetch_all, fetch_one, select_value

# After this many temporary refusals, about a day, a message counts as failed.
MAX_TRIES = 10
_FIRST_WAIT = timedelta(minutes=5)
_MAX_WAIT = timedelta(hours=6)
# A message whose document lacks a font: the next run of mail_delivery, each hour, looks again.
FONT_WAIT = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class MailSelection:
    """Which of the waiting messages to send; None: any."""

    kinds: tuple[str, ...] | None = None
    period: str | None = None
    accounts: tuple[str, ...] | None = None

    def as_parameters(self) -> dict[str, object]:
        """The kinds, the period and the accounts as queries take them."""
        return {
            "kinds": list(self.kinds) if self.kinds else None,
            "period": self.period,
            "accounts": None if self.accounts is None else list(self.accounts),
        }


EVERYTHING = MailSelection()
# How the ids of the statements begin that a message comes with, for those that each statement has one of.
_LETTERS = {"connector_statement": "A", "account_statement": "S"}


@dataclass(frozen=True, slots=True)
class ReservedMail:
    """A message that the caller may prepare and send until the lease ends, after `tries` before."""

    mail_id: int
    kind: str
    statement_id: str
    attempt_no: int | None
    account_id: str
    financial_admin_id: str
    tries: int


def give_up_lapsed(connection: psycopg.Connection[Any], lease_seconds: float) -> int:
    """Mark as unknown the messages begun longer ago whose outcome was never recorded; returns their number."""
    return int(select_value(connection, "select billing.give_up_mail(%s)", timedelta(seconds=lease_seconds)))


def waiting(connection: psycopg.Connection[Any], selection: MailSelection) -> tuple[int, int]:
    """The number of waiting messages, and of those that are due now."""
    count, due = fetch_one(connection, "mail/waiting", **selection.as_parameters())
    return count, due


def settled(connection: psycopg.Connection[Any], selection: MailSelection) -> tuple[int, int]:
    """How many of a month's statements of one kind were mailed, or can't be; and how many of these weren't sent.

    None of any other selection: it has no beginning.
    """
    letters = [_LETTERS[kind] for kind in selection.kinds or () if kind in _LETTERS]
    if selection.period is None or len(letters) != 1:
        return 0, 0
    period = Period.parse(selection.period)
    first, following = (f"{letters[0]}-{str(month).replace('-', '')}-" for month in (period, period.shifted(1)))
    done, failed = fetch_one(connection, "mail/settled", first_id=first, next_id=following, **selection.as_parameters())
    return done, failed


def recipient_ids(connection: psycopg.Connection[Any], selection: MailSelection) -> tuple[set[str], set[str]]:
    """The financial admins and the accounts of all messages that wait."""
    rows = fetch_all(connection, "mail/waiting_recipients", **selection.as_parameters())
    return {user for user, _ in rows}, {account for _, account in rows}


def reserve(
    connection: psycopg.Connection[Any], sender: str, most: int, lease_seconds: float, selection: MailSelection
) -> list[ReservedMail]:
    """Up to `most` messages that are due, in order, reserved for this sender until the lease ends."""
    wanted = selection.as_parameters()
    rows = connection.execute(
        "select * from billing.reserve_mail(%s, %s, %s, %s, %s, %s)",
        (sender, most, timedelta(seconds=lease_seconds), wanted["kinds"], wanted["period"], wanted["accounts"]),
    )
    return list(starmap(ReservedMail, rows.fetchall()))


def release(connection: psycopg.Connection[Any], sender: str) -> None:
    """Release what the sender reserved and did not begin."""
    connection.execute("select billing.release_mail(%s)", (sender,))


def begin(
    connection: psycopg.Connection[Any], mail_id: int, sender: str, recipient: str, message_id: str, kept: Stored
) -> bool:
    """Mark a message as being sent, with the file that keeps its bytes; False if the sender no longer has it."""
    query = "select billing.begin_mail(%s, %s, %s, %s, %s, %s)"
    return bool(select_value(connection, query, mail_id, sender, recipient, message_id, kept.key, kept.size))


def record_outcome(
    connection: psycopg.Connection[Any],
    mail_id: int,
    sender: str,
    state: str,
    detail: str | None,
    wait: timedelta | None,
) -> bool:
    """Record the outcome of a message; False, with nothing written, if the sender no longer has it."""
    query = "select billing.settle_mail(%s, %s, %s, %s, %s)"
    return bool(select_value(connection, query, mail_id, sender, state, detail or None, wait))


def wait_after(tries: int) -> timedelta:
    """The wait after a temporary refusal, by the number of tries: 5 minutes, 10, … 6 hours."""
    doubled: int = 2 ** min(max(tries, 1) - 1, 10)
    return min(_MAX_WAIT, _FIRST_WAIT * doubled)
