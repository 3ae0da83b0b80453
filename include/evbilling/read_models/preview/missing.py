"""What a month would still issue: to accounts that are missing a statement, or as a whole if it was never billed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.missed_months import forgiven_accounts
from evbilling.money import from_minor
from evbilling.period import Period
from evbilling.platform import PlatformLookup
from evbilling.read_models.preview.preview import Preview
from evbilling.read_models.preview.reading import preview_terms
from evbilling.warehouse import fetch_all, fetch_one


@dataclass(frozen=True, slots=True)
class MonthPlan:
    """A plan of a month that isn't issued: its hash, what it has, and its money in major units by currency."""

    plan_hash: str
    made_at: datetime
    statements: int
    connectors: int
    on_hold: int
    money: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class MonthToBill:
    """Whether a month is billed, its plan if one was made that isn't issued, and the first of its accounts on hold.

    `is_partly_issued`: its canary is issued and the rest isn't, so it isn't billed.
    """

    period: Period
    is_billed: bool
    is_partly_issued: bool
    plan: MonthPlan | None
    on_hold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MissingStatement:
    """An account in a month that is billed: the month as it would be billed now, under the settings in force.

    `statement_id`: the statement that it has already. `name`: the account's on the platform. `forgiven_by`: who forgave
    it the month, which isn't billed then.
    """

    account_id: str
    name: str | None
    statement_id: str | None
    preview: Preview
    forgiven_by: str | None = None


def month_to_bill(connection: psycopg.Connection[Any], period: Period, *, most: int) -> MonthToBill:
    """How far a month is billed, with at most so many of its accounts on hold, the most money first."""
    row = fetch_one(connection, "read_models/preview/month_to_bill", period=str(period))
    is_billed, is_partly_issued, plan_hash, made_at, statements, connectors, held, money = row
    by_currency = {currency: from_minor(total, unit) for currency, unit, total in money or ()}
    plan = MonthPlan(plan_hash, made_at, statements, connectors, held, by_currency) if plan_hash else None
    on_hold = fetch_all(connection, "read_models/preview/accounts_on_hold", period=str(period), limit=most)
    return MonthToBill(period, is_billed, is_partly_issued, plan, tuple(account for (account,) in on_hold))


def preview_missing(
    platform: PlatformLookup,
    connection: psycopg.Connection[Any],
    period: Period,
    account_ids: Sequence[str],
    *,
    now: datetime,
) -> list[MissingStatement]:
    """What each of these accounts would be billed for the month now, in the same order; changes nothing.

    Raises `TransientError` if the platform doesn't answer, or not in time.
    """
    rows = fetch_all(connection, "read_models/preview/issued_to", period=str(period), accounts=list(account_ids))
    issued: dict[str, str] = dict(rows)
    forgiven = {account: actor for account, (actor, _, _) in forgiven_accounts(connection, period).items()}
    names = {row.account_id: row.name for row in platform.account_rows(account_ids)}
    return [
        MissingStatement(
            account,
            names.get(account),
            issued.get(account),
            preview_terms(platform, connection, account, period, None, now=now),
            forgiven.get(account),
        )
        for account in account_ids
    ]
