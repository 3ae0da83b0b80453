"""The list of statements: a page of it, the totals of all filtered statements, and all of them one by one.

It reads the standings that are kept beside the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import starmap
from typing import Any

import psycopg
from psycopg.rows import class_row

from evbilling.errors import BadInput
from evbilling.paging import make_page
from evbilling.period import Period
from evbilling.read_models.statement_list.filters import TYPE_LABELS, Place, Sort, StatementFilter
from evbilling.read_models.statement_list.queries import (
    accounts_branch,
    composed,
    counts_parts,
    export_parts,
    page_branches,
    page_order,
    totals_parts,
)
from evbilling.warehouse import fetch_all, fetch_one

PAGE_ROWS = 50
BY_STATEMENT = Sort()
# A text that more accounts contain is too short to filter by.
MOST_ACCOUNTS = 500
_EXPORTED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One statement of the list; amounts in major units of `currency`.

    `connectors`, `paid` and `balance` are None for account statements and corrections, as in finance.statements.
    """

    statement_id: str
    kind: str
    account_id: str
    account_name: str | None
    financial_admin_id: str
    period: str
    statement_date: date
    issued_at: datetime
    connectors: int | None
    currency: str
    total: Decimal
    paid: Decimal | None
    balance: Decimal | None
    status: str
    corrects_statement_id: str | None

    @property
    def type_label(self) -> str:
        """The kind in finance's words."""
        return TYPE_LABELS[self.kind]


@dataclass(frozen=True, slots=True)
class ExportedStatement(StatementLine):
    """A statement as bookkeeping takes it from the CSV; `tax_rate` is a fraction.

    Of its payments that didn't go back whole: the last day, the methods, the ids and the references.
    """

    net: Decimal
    tax: Decimal
    tax_rate: Decimal
    paid_on: date | None
    method: str | None
    payment_ids: str | None
    payment_references: str | None
    last_decline: str | None


@dataclass(frozen=True, slots=True)
class ListedStatement(StatementLine):
    """A statement on a page, with the facts that decide which actions are available.

    `has_failed`: a charge of it was declined at least once. `is_under_way`: one is open, or its outcome isn't known.
    `is_marked_as_paid`: an outside payment is booked that wasn't undone. `unaccounted_payment`: the id of a payment
    that the gateway has collected for it and that isn't recorded. `is_returned`: the gateway gave back a payment, and
    nobody has acknowledged it. `is_written_off`: what was due is written off.
    """

    has_failed: bool
    is_under_way: bool
    is_marked_as_paid: bool
    unaccounted_payment: str | None
    is_returned: bool
    is_written_off: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of the filtered statements of one kind and currency. Only connector statements have a balance."""

    kind: str
    currency: str
    statements: int
    connectors: int
    total: Decimal
    balance: Decimal

    @property
    def type_label(self) -> str:
        """The kind in finance's words."""
        return TYPE_LABELS[self.kind]


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Statements in order, and the places for `after` and `before` of the pages around; None: there is none.

    `totals` are those of all filtered statements, by currency and kind.
    """

    rows: list[ListedStatement]
    next: str | None
    previous: str | None
    totals: list[Totals]


@dataclass(frozen=True, slots=True)
class Choices:
    """The values to filter by: the periods (newest first) and currencies that have statements."""

    periods: list[str]
    currencies: list[str]

    @property
    def latest(self) -> Period | None:
        """The newest period; None if nothing was ever issued."""
        return Period.parse(self.periods[0]) if self.periods else None


def choices(connection: psycopg.Connection[Any]) -> Choices:
    """The values that the list can be filtered by."""
    periods, currencies = fetch_one(connection, "read_models/statement_list/choices")
    return Choices(periods or [], currencies or [])


def count_statuses(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How many connector statements of all months are in each status, from the stored sums."""
    found = connection.execute(composed("counts", **counts_parts(StatementFilter()))).fetchall()
    return {status: count for kind, status, count in found if kind == "connector"}


def list_statements(
    connection: psycopg.Connection[Any],
    wanted: StatementFilter,
    sort: Sort = BY_STATEMENT,
    *,
    after: str | None = None,
    before: str | None = None,
    limit: int = PAGE_ROWS,
) -> StatementPage:
    """The page after or before a place of another page, or the first page.

    Raises `BadInput` for a place of another sort order, and about the field `account` if its text is in the ids or
    names of more than `MOST_ACCOUNTS`.
    """
    token = before or after
    place = Place.parse(token, sort) if token else None
    forward = before is None
    accounts = accounts_of(connection, wanted.account)
    found = _places(connection, wanted, sort, accounts, place, forward=forward, limit=limit + 1)
    page = make_page(found, limit, is_first=place is None, backwards=not forward)
    first, last = (page.rows[0].token(sort), page.rows[-1].token(sort)) if page.rows else (token, token)
    return StatementPage(
        details_of(connection, [place.statement_id for place in page.rows]),
        last if page.has_later else None,
        first if page.has_earlier else None,
        _totals(connection, wanted, accounts),
    )


def export_rows(
    connection: psycopg.Connection[Any], wanted: StatementFilter, sort: Sort = BY_STATEMENT
) -> Iterator[ExportedStatement]:
    """All filtered statements, in order; read a few thousand at a time, within the connection's transaction.

    Raises `BadInput` about the field `account`, as `list_statements` does.
    """
    query = composed("export", **export_parts(wanted, sort, accounts_of(connection, wanted.account)))
    with connection.cursor(name="statements_export", row_factory=class_row(ExportedStatement)) as cursor:
        cursor.itersize = _EXPORTED_AT_ONCE
        yield from cursor.execute(query)


def accounts_of(connection: psycopg.Connection[Any], text: str) -> list[str] | None:
    """The ids of the accounts that a filter's text matches; None if it is empty. Raises as `list_statements` does."""
    if not text:
        return None
    rows = fetch_all(connection, "read_models/statement_list/accounts", text=text, most=MOST_ACCOUNTS)
    if len(rows) > MOST_ACCOUNTS:
        raise BadInput(
            f"more than {MOST_ACCOUNTS:,} accounts have {text!r} in their id or name",
            where="account",
            fix="give a longer text",
        )
    return [row[0] for row in rows]


def _places(
    connection: psycopg.Connection[Any],
    wanted: StatementFilter,
    sort: Sort,
    accounts: list[str] | None,
    place: Place | None,
    *,
    forward: bool,
    limit: int,
) -> list[Place]:
    """The places of a page's rows, in the direction of reading: by money, of one currency after the other."""
    if not sort.is_of_money or wanted.currency:
        return _page(connection, wanted, sort, accounts, place, forward=forward, limit=limit)
    found: list[Place] = []
    at = _currency_of(connection, place.statement_id) if place else None
    for currency in choices(connection).currencies[:: 1 if forward else -1]:
        if len(found) < limit and (at is None or (currency >= at if forward else currency <= at)):
            found += _page(
                connection,
                replace(wanted, currency=currency),
                sort,
                accounts,
                place if currency == at else None,
                forward=forward,
                limit=limit - len(found),
            )
    return found


def _page(
    connection: psycopg.Connection[Any],
    wanted: StatementFilter,
    sort: Sort,
    accounts: list[str] | None,
    place: Place | None,
    *,
    forward: bool,
    limit: int,
) -> list[Place]:
    """The places of a page's rows, in the direction of reading."""
    if accounts is None:
        found = connection.execute(composed("counts", **counts_parts(wanted))).fetchall()
        counts = {(kind, status): count for kind, status, count in found}
        branches = page_branches(wanted, sort, counts, place, forward=forward, limit=limit)
    else:
        branches = accounts_branch(wanted, sort, accounts, place, forward=forward, limit=limit)
    if branches is None:
        return []
    order = page_order(sort, forward=forward)
    rows = connection.execute(composed("page", branches=branches, order=order, limit=limit))
    return [Place(rank, tuple(values), statement_id) for rank, *values, statement_id in rows]


def _currency_of(connection: psycopg.Connection[Any], statement_id: str) -> str | None:
    """The currency of the statement that a place names; None if there is none."""
    row = connection.execute(
        "select currency from billing.statement where statement_id = %s", (statement_id,)
    ).fetchone()
    return row and row[0]


def details_of(connection: psycopg.Connection[Any], ids: list[str]) -> list[ListedStatement]:
    """What a page shows of these statements, in their order."""
    with connection.cursor(row_factory=class_row(ListedStatement)) as cursor:
        found = {listed.statement_id: listed for listed in cursor.execute(composed("details", ids=ids))}
    return [found[statement_id] for statement_id in ids]


def _totals(connection: psycopg.Connection[Any], wanted: StatementFilter, accounts: list[str] | None) -> list[Totals]:
    name, parts = totals_parts(wanted, accounts)
    return list(starmap(Totals, connection.execute(composed(name, **parts))))
