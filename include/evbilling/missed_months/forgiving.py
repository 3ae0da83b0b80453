"""Forgives missed months and takes that back: a record with who, when, why and how much; no statement changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import as_price
from evbilling.period import Period
from evbilling.typed_text import require_text
from evbilling.warehouse import fetch_all, select_value

# By what an amount is found that somebody looks at before he decides.
BASIS = "the platform's inventory at the month's count, and the settings in force for it"


@dataclass(frozen=True, slots=True)
class MonthToForgive:
    """An account's missed month, with what it would have cost in major units, tax included; None if it isn't known."""

    account_id: str
    period: Period
    connectors: int | None = None
    amount: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class ForgivenMonth:
    """A month of an account that is forgiven. `amount` in major units; None if it wasn't known."""

    period: Period
    amount: Decimal | None
    currency: str | None
    actor: str
    reason: str
    forgiven_at: datetime


def forgive(
    connection: psycopg.Connection[Any],
    months: Sequence[MonthToForgive],
    *,
    actor: str,
    reason: str,
    basis: str = BASIS,
) -> int:
    """Forgive all these months, or none; returns their number.

    Raises `BadInput` if one isn't missed any more, as when it was billed or forgiven meanwhile, or without a reason.
    """
    require_text("reason", reason, "missed months", missing="say why they are forgiven")
    if not months:
        raise BadInput("no missed month is named", where="missed months", fix="choose one from the list")
    forgiven: int = select_value(
        connection,
        "select billing.forgive_months(%s, %s, %s, %s, %s, %s, %s, %s)",
        [one.account_id for one in months],
        [str(one.period) for one in months],
        [one.connectors for one in months],
        [one.amount for one in months],
        [one.currency for one in months],
        basis,
        actor,
        reason.strip(),
    )
    return forgiven


def take_back(connection: psycopg.Connection[Any], account_id: str, period: Period, *, actor: str, reason: str) -> None:
    """Make a forgiven month a missed one again; raises `BadInput` if it isn't forgiven, or without a reason."""
    require_text("reason", reason, "missed months", missing="say why it is taken back")
    select_value(
        connection,
        "select billing.take_back_forgiveness(%s, %s, %s, %s)",
        account_id,
        str(period),
        actor,
        reason.strip(),
    )


def open_months(
    connection: psycopg.Connection[Any],
    now: datetime,
    *,
    account_id: str | None,
    period: Period | None,
    limit: int,
) -> list[tuple[str, Period]]:
    """Account and period of each missed month that isn't forgiven, oldest first: of an account, a month, or both."""
    rows = fetch_all(
        connection,
        "missed_months/open",
        now=now,
        account_id=account_id,
        period=str(period) if period else None,
        limit=limit,
    )
    return [(account, Period.parse(month)) for account, month in rows]


def forgiven_accounts(connection: psycopg.Connection[Any], period: Period) -> dict[str, tuple[str, str, str]]:
    """The accounts to which a month is forgiven, each with by whom, on which day (YYYY-MM-DD, UTC), and why."""
    rows = fetch_all(connection, "missed_months/forgiven", period=str(period))
    return {account: (actor, day, reason) for account, actor, day, reason in rows}


def forgiven_months(connection: psycopg.Connection[Any], account_id: str) -> list[ForgivenMonth]:
    """The months that are forgiven to an account, the newest first."""
    rows = fetch_all(connection, "missed_months/forgiven_to", account_id=account_id)
    return [
        # Without the zeros that the column's scale adds.
        ForgivenMonth(
            Period.parse(period),
            None if amount is None else as_price(amount.normalize(), currency),
            currency,
            *record,
        )
        for period, amount, currency, *record in rows
    ]
