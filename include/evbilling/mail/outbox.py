"""The outbox in the warehouse: messages reserved, begun, settled, each by an owner's function (migration 0014)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import starmap
from typing import Any

import psycopg

# After so many refusals for now a message counts as failed: a day has passed by then.
MOST_TRIES = 10
_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the waiting messages to send; None: whatever it is."""

    kinds: tuple[str, ...] | None = None
    period: str | None = None

    def as_parameters(self) -> tuple[list[str] | None, str | None]:
        """The kinds and the period as the warehouse takes them."""
        return list(self.kinds) if self.kinds else None, self.period


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Reserved:
    """A message that is the caller's to prepare and send for a while. `tries` were made before."""

    mail_id: int
    kind: str
    statement_id: str
    attempt_no: int | None
    account_id: str
    financial_admin_id: str
    tries: int


def give_up_lapsed(connection: psycopg.Connection[Any], lease_seconds: float) -> int:
    """Mark as unknown what was begun longer ago and never settled; returns how many."""
    return int(_one(connection, "select billing.give_up_mail(%s)", timedelta(seconds=lease_seconds)))


def waiting(connection: psycopg.Connection[Any], wanted: Wanted) -> tuple[int, int]:
    """How many messages wait, and how many of them are due now."""
    row = connection.execute(
        """select count(*), count(*) filter (where not_before <= clock_timestamp()) from billing.mail
           where state = 'pending' and (%s::text[] is null or kind = any(%s)) and (%s::text is null or period = %s)""",
        _twice(wanted),
    ).fetchone()
    return row or (0, 0)


def concerned(connection: psycopg.Connection[Any], wanted: Wanted) -> tuple[set[str], set[str]]:
    """The financial admins and the accounts of all messages that wait."""
    rows = connection.execute(
        """select distinct financial_admin_id, account_id from billing.mail
           where state = 'pending' and (%s::text[] is null or kind = any(%s)) and (%s::text is null or period = %s)""",
        _twice(wanted),
    ).fetchall()
    return {user for user, _ in rows}, {account for _, account in rows}


def reserve(
    connection: psycopg.Connection[Any], sender: str, most: int, lease_seconds: float, wanted: Wanted
) -> list[Reserved]:
    """Up to `most` messages that are due, in order, and nobody else's until the lease is over."""
    rows = connection.execute(
        "select * from billing.reserve_mail(%s, %s, %s, %s, %s)",
        (sender, most, timedelta(seconds=lease_seconds), *wanted.as_parameters()),
    )
    return list(starmap(Reserved, rows.fetchall()))


def release(connection: psycopg.Connection[Any], sender: str) -> None:
    """Let go of what the sender reserved and did not begin."""
    connection.execute("select billing.release_mail(%s)", (sender,))


def begin(connection: psycopg.Connection[Any], mail_id: int, sender: str, recipient: str, message_id: str) -> bool:
    """Mark a message as being sent; False if it isn't the sender's any more."""
    return bool(_one(connection, "select billing.begin_mail(%s, %s, %s, %s)", mail_id, sender, recipient, message_id))


def settle(
    connection: psycopg.Connection[Any], mail_id: int, sender: str, state: str, says: str | None, wait: timedelta | None
) -> bool:
    """Record what became of a message; False if it isn't the sender's any more, and nothing was written."""
    query = "select billing.settle_mail(%s, %s, %s, %s, %s)"
    return bool(_one(connection, query, mail_id, sender, state, says or None, wait))


def wait_after(tries: int) -> timedelta:
    """How long a message waits that was refused for now, at the end of so many tries: 5 minutes, 10, … 6 hours."""
    doubled: int = 2 ** min(max(tries, 1) - 1, 10)
    return min(_LONGEST_WAIT, _FIRST_WAIT * doubled)


def _twice(wanted: Wanted) -> tuple[Any, ...]:
    kinds, period = wanted.as_parameters()
    return kinds, kinds, period, period


def _one(connection: psycopg.Connection[Any], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    return row[0] if row else None
