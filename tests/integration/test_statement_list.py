"""The list of statements: every filter and way of sorting gives what finance.statements has, page by page."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.read_models.statement_list import listing
from evbilling.read_models.statement_list.csv_export import statements_csv
from evbilling.read_models.statement_list.filters import SORTS, STATUSES, TYPE_LABELS, Sort, StatementFilter
from evbilling.read_models.statement_list.listing import choices, export_rows, list_statements
from tests.support.month import one
from tests.support.postgres import PostgresServer
from tests.support.statement_list import PERIODS, listed_world

pytestmark = pytest.mark.postgres


class Fact(NamedTuple):
    """A statement as finance.statements has it."""

    statement_id: str
    kind: str
    account_id: str
    name: str
    period: str
    currency: str
    connectors: int | None
    total: Decimal
    balance: Decimal | None
    status: str


class World(NamedTuple):
    """A connection as the writer, and all that there is."""

    connection: psycopg.Connection[Any]
    facts: list[Fact]


@pytest.fixture(scope="module")
def world(postgres: PostgresServer) -> Iterator[World]:
    """See `World`; nothing of it changes."""
    with psycopg.connect(listed_world(postgres, "listed")) as connection:
        query = """select statement_id, kind, account_id, coalesce(account_name, ''), period, currency, connector_count,
                          total_amount, balance_due, status from finance.statements"""
        facts = list(itertools.starmap(Fact, connection.execute(query)))
        assert {fact.status for fact in facts} == set(STATUSES.values())
        assert {fact.kind for fact in facts} == set(TYPE_LABELS)
        yield World(connection, facts)


def is_wanted(wanted: StatementFilter, fact: Fact, facts: list[Fact]) -> bool:
    """By the words of `StatementFilter`, one statement at a time."""
    text = wanted.account.lower()
    if any(other.account_id == wanted.account for other in facts):
        is_of_account = fact.account_id == wanted.account
    else:
        is_of_account = text in fact.account_id.lower() or text in fact.name.lower()
    return (
        fact.kind in (wanted.kinds or (fact.kind,))
        and fact.status in (wanted.statuses or (fact.status,))
        and fact.period == str(wanted.period or fact.period)
        and fact.currency == (wanted.currency or fact.currency)
        and fact.statement_id.startswith(wanted.search)
        and is_of_account
    )


KEYS: dict[str, Callable[[Fact], tuple[Any, ...]]] = {
    "statement": lambda fact: (),
    "period": lambda fact: (fact.period,),
    "account": lambda fact: ((fact.name or fact.account_id).lower()[:100],),
    "connectors": lambda fact: (fact.connectors,),
    "total": lambda fact: (fact.total,),
    "balance": lambda fact: (fact.balance,),
}


def expected(world: World, wanted: StatementFilter, sort: Sort) -> list[Fact]:
    """What the list has, in order: what has nothing to be sorted by comes last; by money, each currency for itself."""
    if sort.by in {"total", "balance"} and wanted.currency is None:
        currencies = sorted({fact.currency for fact in world.facts})
        return [fact for currency in currencies for fact in expected(world, replace(wanted, currency=currency), sort)]
    found = [fact for fact in world.facts if is_wanted(wanted, fact, world.facts)]
    without = [fact for fact in found if sort.by in {"connectors", "balance"} and fact.connectors is None]
    having = [fact for fact in found if fact not in without]
    having.sort(key=lambda fact: (KEYS[sort.by](fact), fact.statement_id), reverse=sort.descending)
    without.sort(key=lambda fact: fact.statement_id, reverse=sort.descending)
    return having + without


FILTERS = st.builds(
    StatementFilter,
    kinds=st.sets(st.sampled_from(list(TYPE_LABELS)), max_size=2).map(
        lambda k: tuple(x for x in TYPE_LABELS if x in k)
    ),
    statuses=st.just(()) | st.sets(st.sampled_from(list(STATUSES.values()))).map(tuple),
    period=st.sampled_from([None, *map(Period.parse, PERIODS), Period(2027, 1)]),
    account=st.sampled_from(["", "", "", "acc-1", "acc-", "ACME", "cmd|", "充電", "%", "_", "nobody", "öö", "شركة"]),
    search=st.sampled_from(["", "", "", "A", "A-2026", "A-202611-00000", "S-202610-000025", "C-", "A-9", "S-202612"]),
    currency=st.sampled_from([None, None, "EUR", "JPY", "USD"]),
)
SORTED = st.builds(Sort, st.sampled_from(list(SORTS)), st.booleans())


@given(FILTERS, SORTED, st.sampled_from([3, 20, 500]))
@example(StatementFilter(), Sort("total"), 20)
def test_all_pages_together_are_what_is_filtered(world: World, wanted: StatementFilter, sort: Sort, limit: int) -> None:
    """Nothing twice, nothing left out, in order; and backwards the same pages again. So is the export."""
    right = [fact.statement_id for fact in expected(world, wanted, sort)]
    pages, after = [], None
    while after is not None or not pages:
        pages.append(list_statements(world.connection, wanted, sort, after=after, limit=limit))
        after = pages[-1].next
    assert [row.statement_id for page in pages for row in page.rows] == right
    assert pages[0].previous is None
    for page, earlier in itertools.pairwise(reversed(pages)):
        again = list_statements(world.connection, wanted, sort, before=page.previous, limit=limit)
        assert again.rows == earlier.rows
        assert (again.previous is None) == (earlier is pages[0])
    assert [line.statement_id for line in export_rows(world.connection, wanted, sort)] == right


@given(FILTERS)
@example(StatementFilter(statuses=("Billing failure",)))
def test_totals_are_of_what_is_filtered(world: World, wanted: StatementFilter) -> None:
    """By kind and currency, to the cent, whichever way they are counted."""
    right: dict[tuple[str, str], list[Any]] = {}
    for fact in expected(world, wanted, Sort()):
        sums = right.setdefault((fact.kind, fact.currency), [0, 0, Decimal(0), Decimal(0)])
        for place, value in enumerate((1, fact.connectors or 0, fact.total, fact.balance or 0)):
            sums[place] += value
    found = list_statements(world.connection, wanted, limit=1).totals
    assert {(t.kind, t.currency): [t.statements, t.connectors, t.total, t.balance] for t in found} == right
    assert [(t.currency, t.kind) for t in found] == sorted((t.currency, t.kind) for t in found)


def test_a_row_has_what_finance_has_and_what_the_actions_need(world: World) -> None:
    """Every field of every row; an open charge, an earlier failure and a payment by other ways are told."""
    query = """
        select s.statement_id, s.kind, s.account_id, s.account_name, s.financial_admin_id, s.period, s.statement_date,
               s.issued_at, s.connector_count, s.currency, s.total_amount, s.paid_amount, s.balance_due, s.status,
               s.corrects_statement_id,
               exists (select from finance.payment_attempts a
                       where a.statement_id = s.statement_id and outcome = 'declined'),
               exists (select from finance.payment_attempts a
                       where a.statement_id = s.statement_id and outcome in ('pending', 'unknown')),
               exists (select from finance.payments p where p.statement_id = s.statement_id and p.paid_by = 'outside'),
               null, false, coalesce(s.written_off_amount, 0) > 0
        from finance.statements s order by 1"""
    right = world.connection.execute(query).fetchall()
    listed = list_statements(world.connection, StatementFilter(), limit=1_000).rows
    names = listed[0].__match_args__
    assert [tuple(getattr(row, name) for name in names) for row in listed] == right
    for column in (-4, -5, -6):
        assert {row[column] for row in right} == {True, False}


def test_what_can_be_filtered_by(world: World) -> None:
    """The periods and currencies that there are, the newest period first."""
    found = choices(world.connection)
    assert found.periods == PERIODS[::-1]
    assert found.currencies == ["EUR", "JPY", "KWD"]
    assert found.latest == Period(2026, 12)


def test_an_empty_warehouse_has_an_empty_list(warehouse_db: Any) -> None:
    """No period, no row, no total, and a CSV that has its header alone."""
    with psycopg.connect(warehouse_db.writer_url) as connection:
        assert choices(connection).latest is None
        assert list_statements(connection, StatementFilter()) == listing.StatementPage([], None, None, [])
        assert len(b"".join(statements_csv(export_rows(connection, StatementFilter()))).splitlines()) == 1


def test_a_page_stays_where_it_is_when_what_was_on_it_changes(world: World) -> None:
    """The next page goes on after the place where the last one ended, though its last row now sorts elsewhere."""
    wanted, sort = StatementFilter(("connector",), period=Period(2026, 12), currency="EUR"), Sort("balance", True)
    with world.connection.transaction(force_rollback=True):
        first = list_statements(world.connection, wanted, sort, limit=4)
        rest = list_statements(world.connection, wanted, sort, after=first.next, limit=500)
        last = first.rows[-1].statement_id
        world.connection.execute(
            "select billing.record_paid_outside('r', %s, null, 'EUR', '2026-11-20', 'ref', 'ann', 'bank')", (last,)
        )
        anew = list_statements(world.connection, wanted, sort, after=first.next, limit=500)
        assert [row for row in anew.rows if row.statement_id != last] == rest.rows
        assert list_statements(world.connection, wanted, sort, before=rest.previous, limit=4).rows == first.rows[:-1]


def test_a_text_that_is_no_filter_yet_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which field, and what to do, instead of a page that takes forever."""
    monkeypatch.setattr(listing, "MOST_ACCOUNTS", 20)
    for look in (list_statements, lambda *given: list(export_rows(*given))):
        with pytest.raises(BadInput, match="more than 20 accounts have 'acc'") as told:
            look(world.connection, StatementFilter(account="acc"))  # type: ignore[operator]
        assert told.value.where == "account"
    assert len(list_statements(world.connection, StatementFilter(account="acc-1")).totals) > 0


def test_an_export_is_never_whole_in_memory(postgres: PostgresServer) -> None:
    """Memory for 15,000 statements is that for a few."""
    admin_url = postgres.create_database("listed_many", template="warehouse_template")
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, shard_count)"
            " values ('d', 'r', '2026-11', 'x', 'x', 'x', 1)"
        )
        connection.execute(
            """insert into billing.statement (
                   statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
                   statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
               select 'S-202611-' || lpad(n::text, 6, '0'), 'account', '2026-11', 'acc-' || n, n, 1, 'Name ' || n, 'fa',
                      'UTC', '2026-11-30', 'EUR', 2, 0, n, 0, n, 'x' from generate_series(1, 15000) n"""
        )
        tracemalloc.start()
        size = sum(len(piece) for piece in statements_csv(export_rows(connection, StatementFilter())))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert size > 1_250_000
    assert peak < 8 * 2**20
    assert one(admin_url, "select sum(statements) from billing.statement_sum") == 15_000
