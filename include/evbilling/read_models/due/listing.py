"""What is due: figures by reason, month and currency; a page of the statements; all of them one by one.

Figures add up the few statements with a plan, an open charge or a decline; what was never tried is the rest of the sums
that are kept for the list of statements. A page in the order of statements follows an index for each reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Composable, Composed, Literal

from evbilling.paging import all_rows, make_page
from evbilling.payments import open_hold
from evbilling.payments.due import BY_ID, NOT_ACCEPTED, ON_HOLD, OUTCOME_UNKNOWN, TO_BE_PLANNED, UNDER_WAY, DueReason
from evbilling.payments.retries import explain, planner
from evbilling.period import Period
from evbilling.read_models.due.filters import DueFilter, DueSort
from evbilling.read_models.statement_list import ListedStatement, Place, accounts_of, details_of
from evbilling.warehouse import compose, fetch_all

PAGE_ROWS = 50
BY_STATEMENT = DueSort()
# Statements that match an account or a decline are counted up to this many.
MOST_COUNTED = 2_000
_EXPORTED_AT_ONCE = 1_000

# What waits for a restore to be compared would else be tried by itself.
_AUTOMATIC = (planner.FIRST_TRY, planner.RETRY, planner.METHOD_CHANGED, planner.CAPPED, TO_BE_PLANNED)
_OPEN = frozenset({UNDER_WAY, OUTCOME_UNKNOWN})
_STATUSES = ("Issued", "Billing failure", "Partly paid")
_KEYS: dict[str, tuple[str, ...]] = {
    "statement": (),
    "balance": ("d.currency", "billing.major(d.balance_minor, d.minor_unit)"),
    "next": ("coalesce(to_char(d.next_attempt_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '') collate \"C\"",),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """Statements due for one reason, of one month and currency; `balance` in major units."""

    reason_id: str
    period: Period
    currency: str
    statements: int
    balance: Decimal

    @property
    def reason(self) -> DueReason:
        """The reason, and who has to act."""
        return BY_ID[self.reason_id]


@dataclass(frozen=True, slots=True)
class DueStatement:
    """A row of finance.due; instants are aware, the balance in major units of `currency`."""

    statement_id: str
    account_id: str
    account_name: str | None
    period: str
    currency: str
    balance_due: Decimal
    reason_id: str
    reason: str
    who_acts: str
    attempts: int
    last_attempt_at: datetime | None
    last_decline_code: str | None
    next_attempt_at: datetime | None
    due_since: date
    age_days: int

    @property
    def decline(self) -> str | None:
        """The last decline in plain words: what it means and what the customer is asked to do."""
        return explain(self.last_decline_code) if self.last_decline_code else None


@dataclass(frozen=True, slots=True)
class DuePage:
    """Statements in order, each with what the list of statements has of it, and the places of the pages around.

    `matches`: how many match, where figures can't say it; at most one more than `MOST_COUNTED`.
    """

    rows: list[tuple[DueStatement, ListedStatement]]
    next: str | None
    previous: str | None
    matches: int | None = None


def figures_of(connection: psycopg.Connection[Any]) -> list[Figure]:
    """All that is due, added up by reason, month and currency."""
    rows = fetch_all(connection, "read_models/due/figures")
    return [Figure(reason, Period.parse(period), *more) for reason, period, *more in rows]


def list_due(
    connection: psycopg.Connection[Any],
    wanted: DueFilter,
    day: date,
    sort: DueSort = BY_STATEMENT,
    *,
    after: str | None = None,
    before: str | None = None,
    limit: int = PAGE_ROWS,
) -> DuePage:
    """The page after or before a place of another page, or the first page; ages as of `day`.

    Raises `BadInput` as `list_statements` does.
    """
    token = before or after
    place = Place.parse(token, sort) if token else None
    forward = before is None
    accounts = accounts_of(connection, wanted.account)
    found = _places(connection, wanted, day, sort, accounts, place, forward=forward, limit=limit + 1)
    page = make_page(found, limit, is_first=place is None, backwards=not forward)
    ids = [one.statement_id for one in page.rows]
    first, last = (page.rows[0].token(sort), page.rows[-1].token(sort)) if page.rows else (token, token)
    return DuePage(
        list(zip(read_due(connection, ids), details_of(connection, ids), strict=True)),
        last if page.has_later else None,
        first if page.has_earlier else None,
        _count(connection, wanted, day, accounts) if wanted.is_counted_one_by_one else None,
    )


def read_due(connection: psycopg.Connection[Any], statement_ids: Sequence[str]) -> list[DueStatement]:
    """What finance.due has of these statements, in their order; one on which nothing is due is missing."""
    with connection.cursor(row_factory=class_row(DueStatement)) as cursor:
        rows = cursor.execute(_composed("rows", ids=list(statement_ids)))
        found = {row.statement_id: row for row in rows}
    return [found[statement_id] for statement_id in statement_ids if statement_id in found]


def export_due(connection: psycopg.Connection[Any], wanted: DueFilter, day: date) -> Iterator[DueStatement]:
    """All that match, in the order of their ids; within the connection's transaction."""
    accounts = accounts_of(connection, wanted.account)

    def read(after: Place | None) -> list[DueStatement]:
        places = _places(connection, wanted, day, BY_STATEMENT, accounts, after, forward=True, limit=_EXPORTED_AT_ONCE)
        return read_due(connection, [place.statement_id for place in places])

    return all_rows(read, lambda row: Place(0, (), row.statement_id))


def _composed(name: str, **params: object) -> Composed:
    return compose(f"read_models/due/{name}", **params)


def _count(connection: psycopg.Connection[Any], wanted: DueFilter, day: date, accounts: list[str] | None) -> int:
    found = _places(connection, wanted, day, BY_STATEMENT, accounts, None, forward=True, limit=MOST_COUNTED + 1)
    return len(found)


def _places(
    connection: psycopg.Connection[Any],
    wanted: DueFilter,
    day: date,
    sort: DueSort,
    accounts: list[str] | None,
    place: Place | None,
    *,
    forward: bool,
    limit: int,
) -> list[Place]:
    """The places of a page's rows, in the direction of reading."""
    direction = "asc" if forward != sort.descending else "desc"
    keys = _KEYS[sort.by]
    rank = "(d.next_attempt_at is null)::integer" if sort.by == "next" else "0"
    order = SQL(
        ", ".join([
            *(["rank" if forward else "rank desc"] if sort.by == "next" else []),
            *(f"k{number} {direction}" for number, _ in enumerate(keys, 1)),
            f"statement_id {direction}",
        ])
    )
    parts = {
        "rank": SQL(rank),
        "keys": SQL("".join(f"{key} as k{number}, " for number, key in enumerate(keys, 1))),
        "order": order,
        "limit": limit,
    }
    conditions = [*_conditions(wanted)]
    if place:
        conditions.append(_beyond(place, keys, rank, direction, forward=forward))
    low, high = wanted.id_range(day)
    at = place.statement_id if place and sort.by == "statement" else None
    is_on_hold = open_hold(connection) is not None
    branches = [
        _composed("branch", source=source, conditions=SQL(" and ").join([*conditions, *own]), **parts)
        for source, own in _sources(wanted, accounts, low, high, at, direction, is_on_hold=is_on_hold)
    ]
    if not branches or low == high:
        return []
    union = SQL("\nunion all\n").join(SQL("(\n{}\n)").format(branch) for branch in branches)
    rows = connection.execute(_composed("page", branches=union, order=order, limit=limit))
    return [Place(rank, tuple(values), statement_id) for rank, *values, statement_id in rows]


def _conditions(wanted: DueFilter) -> Iterator[Composable]:
    yield SQL("true")
    if not wanted.has_all_reasons:
        yield SQL("d.reason_id = any({}::text[])").format(Literal(sorted(wanted.reason_ids)))
    if wanted.currency:
        yield SQL("d.currency = {}").format(Literal(wanted.currency))


def _beyond(place: Place, keys: Sequence[str], rank: str, direction: str, *, forward: bool) -> Composed:
    """Rows that come after the place in the direction of reading."""
    columns = SQL(", ").join(map(SQL, [*keys, "d.statement_id"]))
    values = SQL(", ").join(map(Literal, [*place.values, place.statement_id]))
    beyond = SQL("({}) {} ({})").format(columns, SQL(">" if direction == "asc" else "<"), values)
    if rank == "0":
        return beyond
    further = SQL(">" if forward else "<")
    return SQL("({0} {1} {2} or {0} = {2} and {3})").format(SQL(rank), further, Literal(place.rank), beyond)


def _sources(
    wanted: DueFilter,
    accounts: list[str] | None,
    low: str,
    high: str,
    at: str | None,
    direction: str,
    *,
    is_on_hold: bool,
) -> Iterator[tuple[Composed, list[Composable]]]:
    """Where the statements may be, each in the order of its ids by an index, with what else each has to be."""

    def within(table: str, *conditions: Composable) -> Composed:
        columns = [
            SQL("t.statement_id >= {}").format(Literal(low)),
            SQL("t.statement_id < {}").format(Literal(high)),
            *conditions,
        ]
        if at:
            columns.append(SQL("t.statement_id {} {}").format(SQL(">" if direction == "asc" else "<"), Literal(at)))
        return SQL("billing.{} t where {}").format(SQL(table), SQL(" and ").join(columns))

    if wanted.decline:
        last = SQL(
            "t.attempt_no = (select max(n.attempt_no) from billing.payment_attempt n "
            "where n.statement_id = t.statement_id and n.outcome = 'declined')"
        )
        code = SQL("t.decline_code = {}").format(Literal(wanted.decline))
        of_account = (
            "exists (select from billing.statement s where s.statement_id = d.statement_id and s.account_id = any({}))"
        )
        own: list[Composable] = [SQL(of_account).format(Literal(accounts))] if accounts is not None else []
        yield within("payment_attempt", SQL("t.outcome = 'declined'"), code, last), own
        return
    if accounts is not None:
        ids = SQL("t.account_id = any({}::text[])").format(Literal(accounts))
        yield within("statement", SQL("t.kind = 'connector'"), ids), []
        return
    if wanted.has_all_reasons:
        for status in _STATUSES:
            yield within("standing", SQL("t.status = {}").format(Literal(status))), []
        return
    # What isn't on hold would else be looked for among all that was never tried.
    reasons = wanted.reason_ids - (frozenset(_AUTOMATIC) if is_on_hold else {ON_HOLD})
    plans = (reasons - _OPEN) | (frozenset(_AUTOMATIC) if ON_HOLD in reasons else frozenset())
    if NOT_ACCEPTED in reasons:
        plans |= {planner.FIRST_TRY, TO_BE_PLANNED}
    for reason in sorted(plans - {ON_HOLD, NOT_ACCEPTED}):
        # A statement with an open charge comes from there.
        is_closed: list[Composable] = [SQL("(d.is_open is null or d.reason_id = {})").format(Literal(reason))]
        yield within("payment_plan", SQL("t.reason_id = {}").format(Literal(reason))), is_closed
    if _OPEN & reasons:
        is_open: list[Composable] = [SQL("d.reason_id = any({}::text[])").format(Literal(sorted(_OPEN)))]
        yield within("payment_attempt", SQL("t.outcome in ('pending', 'unknown')")), is_open
    if reasons & {planner.FIRST_TRY, ON_HOLD}:
        # Never tried: neither planned nor open.
        for status in ("Issued", "Partly paid"):
            yield (
                within("standing", SQL("t.status = {}").format(Literal(status))),
                [SQL("d.is_planned is null and d.is_open is null")],
            )
