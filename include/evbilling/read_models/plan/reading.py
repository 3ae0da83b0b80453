"""Reads a month's plan: its sums are kept with it, so that 100,000 accounts take no longer than ten."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from evbilling.causes import CauseFigure
from evbilling.period import Period
from evbilling.read_models.plan.figures import AccountPlan, CurrencyPlan, MonthPlan
from evbilling.warehouse import fetch_all, fetch_as

_HELD_SHOWN = 50


def month_plan(connection: psycopg.Connection[Any], period: Period) -> MonthPlan | None:
    """The plan of a month that may still be issued, else the newest that was; None if it was never planned."""
    found = fetch_as(connection, MonthPlan, "read_models/plan/plan", period=str(period))
    if not found:
        return None
    plan_id = found[0].plan_id
    return replace(
        found[0],
        currencies=_currencies(fetch_all(connection, "read_models/plan/sums", plan_id=plan_id)),
        held=tuple(fetch_as(connection, AccountPlan, "read_models/plan/held", plan_id=plan_id, limit=_HELD_SHOWN)),
    )


def changed_accounts(
    connection: psycopg.Connection[Any], plan: MonthPlan, *, first: int = 0, limit: int = 50
) -> list[AccountPlan]:
    """Accounts that differ from the month before with their causes, the largest change of money first."""
    return _accounts(connection, plan, None, first, limit)


def account_plan(connection: psycopg.Connection[Any], plan: MonthPlan, account_id: str) -> list[AccountPlan]:
    """What a plan has for an account, by currency; [] if it has nothing."""
    return _accounts(connection, plan, account_id, 0, 50)


def _accounts(
    connection: psycopg.Connection[Any], plan: MonthPlan, account_id: str | None, first: int, limit: int
) -> list[AccountPlan]:
    chosen = {"plan_id": plan.plan_id, "account_id": account_id, "first": first, "limit": limit}
    accounts = fetch_as(connection, AccountPlan, "read_models/plan/accounts", **chosen)
    causes: dict[tuple[str, str], list[CauseFigure]] = defaultdict(list)
    ids = [account.account_id for account in accounts]
    for account, currency, *cause in fetch_all(
        connection, "read_models/plan/changes", plan_id=plan.plan_id, accounts=ids
    ):
        causes[account, currency].append(CauseFigure(*cause))
    return [replace(account, causes=_in_order(causes[account.account_id, account.currency])) for account in accounts]


def causes_of(
    connection: psycopg.Connection[Any], plan_id: int, account_id: str, currency: str
) -> tuple[CauseFigure, ...]:
    """Why one account of a plan differs from the month before, in one currency."""
    rows = fetch_all(connection, "read_models/plan/changes", plan_id=plan_id, accounts=[account_id])
    return _in_order([CauseFigure(*cause) for _, found, *cause in rows if found == currency])


def _in_order(causes: Sequence[CauseFigure]) -> tuple[CauseFigure, ...]:
    return tuple(sorted(causes, key=lambda cause: cause.place))


def _currencies(rows: Sequence[tuple[Any, ...]]) -> tuple[CurrencyPlan, ...]:
    causes: dict[str, list[CauseFigure]] = defaultdict(list)
    for currency, cause, accounts, _, connectors, _, change in rows:
        if cause:
            causes[currency].append(CauseFigure(cause, connectors, change, accounts))
    found = [
        CurrencyPlan(currency, accounts, before, connectors, total, change, _in_order(causes[currency]))
        for currency, cause, accounts, before, connectors, total, change in rows
        if not cause
    ]
    return tuple(sorted(found, key=lambda line: (-line.accounts, line.currency)))
