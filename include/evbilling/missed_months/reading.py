"""Reads the missed months, of all accounts or of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.period import Period
from evbilling.warehouse import fetch_all

NEVER_BILLED = "NEVER-BILLED"

# Why a month is missed, as finance.missed_months has it.
REASONS = {
    NEVER_BILLED: "No run has billed the month, or only its canary: DAGs were paused, failed or didn't run, or a person"
    " rejected the plan",
    "ENABLED-LATE": "A setting that charges the account for the month was recorded after the month was billed",
    "LEFT-OUT": "It was forgiven when the month was billed, and that was taken back",
}


@dataclass(frozen=True, slots=True)
class MissedMonth:
    """A month missed by one account, or by `accounts` if no run has billed the whole month: `account_id` is None then.

    `name` is the account's when it was last billed; `days_late` are whole days since it was due. `decision` is what
    the policies decide (bill, forgive, ask), and `why` the reason where that isn't what the policy says; None where
    only one account is looked at.
    """

    period: Period
    account_id: str | None
    name: str | None
    accounts: int
    reason_id: str
    reason: str
    due_at: datetime
    days_late: int
    decision: str | None = None
    why: str | None = None

    @property
    def is_whole(self) -> bool:
        """No run has billed the whole month."""
        return self.reason_id == NEVER_BILLED


@dataclass(frozen=True, slots=True)
class MissedMonths:
    """The missed months, oldest first; `left_out` is how many more single accounts have one."""

    shown: Sequence[MissedMonth] = ()
    left_out: int = 0


def missed_months(
    connection: psycopg.Connection[Any], now: datetime, *, account_id: str | None = None, limit: int = 50
) -> MissedMonths:
    """What was missed by `now`: each month that was never billed, and single accounts of others, at most `limit`."""
    rows = fetch_all(connection, "missed_months/lines", now=now, account_id=account_id, limit=limit)
    found = [MissedMonth(Period.parse(row[0]), *row[1:-1]) for row in rows]
    single = sum(not one.is_whole for one in found)
    return MissedMonths(found, max((row[-1] for row in rows), default=0) - single)
