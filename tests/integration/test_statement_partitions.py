"""Statements and ledger by period: what a warehouse held before is unchanged, and each partition keeps what it must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import StaleTry
from evbilling.services import Services
from evbilling.warehouse.migrate import migrate
from evbilling_local.stack.postgres import EmbeddedPostgres
from tests.support.month import Platform, bill, one, rows, settle_terms, terms

pytestmark = pytest.mark.postgres

_ISSUE = """
insert into billing.statement (
    statement_id, kind, period, account_id, number, run_id, financial_admin_id, time_zone, count_instant,
    statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, tax_rate, ac_count, dc_count, net_minor,
    tax_minor, total_minor, code_version)
select 'A-' || replace(p, '-', '') || '-' || lpad(n::text, 6, '0'), 'connector', p, 'a' || n, n, 1, 'fa', 'UTC', now(),
       (p || '-01')::date, 'EUR', 2, 1, 500, 500, 0.19, n, 0, 500 * n, 95 * n, 595 * n, 'x'
from generate_series(1, 3) n, unnest(array['2026-10', '2026-11', '2026-12']) p
"""
_BEFORE = f"""
insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, shard_count)
values ('d', 'r', '2026-11', 'x', 'x', 'x', 1);
insert into billing.account_setting (account_id, effective_from, charge_connectors, fee_per_connector, exclude_closed,
                                     exclude_private, tax_rate, actor)
values ('a', '2020-01', true, 5, false, false, 0.19, 'x');
{_ISSUE};
insert into billing.statement (
    statement_id, kind, period, account_id, revision, number, run_id, financial_admin_id, time_zone, statement_date,
    currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, corrects_statement_id, code_version)
values ('C-202611-000001', 'correction', '2026-11', 'a2', 1, 1, 1, 'fa', 'UTC', '2026-11-03', 'EUR', 2, 0.19, -500, -95,
        -595, 'A-202611-000002', 'x');
insert into billing.statement (
    statement_id, kind, period, account_id, number, run_id, financial_admin_id, time_zone, statement_date, currency,
    minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
values ('S-202611-000001', 'account', '2026-11', 'a1', 1, 1, 'fa', 'UTC', '2026-11-30', 'EUR', 2, 0, 595, 0, 595, 'x');
select billing.record_paid_outside('m', 'A-202610-000003', 1000, 'EUR', '2026-11-05', 'ref', 'ann', 'bank');
create schema mine;
create view mine.overdue as select * from finance.statements where balance_due > 0;
"""
_COLUMNS = """financial_admin_id, time_zone, count_instant, statement_date, currency, minor_unit, setting_id, fee_minor,
    dc_fee_minor, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, code_version"""
_SEEN = ("finance.statements", "finance.ledger", "finance.payments", "finance.receivables_by_age", "mine.overdue")
_VIEWS_OF_0011 = Path(__file__).parent / "released" / "finance_0011.sql"


def test_a_warehouse_of_before_holds_the_same(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrated from 0010 on, with statements of all kinds, a payment, a correction and a view of finance's own."""
    from alembic import command

    admin_url = postgres.create_database("from_0010")
    with monkeypatch.context() as patched:
        upgrade = command.upgrade
        patched.setattr(command, "upgrade", lambda config, _: upgrade(config, "0010"))
        patched.setattr("evbilling.warehouse.migrate.VIEW_FILES", ())
        migrate(admin_url)
    with psycopg.connect(admin_url) as connection:
        connection.execute("set role evbilling_owner")
        connection.execute(_VIEWS_OF_0011.read_bytes())
        connection.execute("reset role")
        connection.execute(_BEFORE.encode())
    columns = {view: _columns(admin_url, view) for view in _SEEN}
    before = {view: _seen(admin_url, view, columns[view]) for view in _SEEN}
    assert all(before.values())
    migrate(admin_url)
    assert {view: _seen(admin_url, view, columns[view]) for view in _SEEN} == before
    parts = rows(admin_url, "select tableoid::regclass::text, count(*) from billing.statement group by 1 order by 1")
    months = [(f"billing.statement_2026_{month}", 3) for month in (10, 11, 12)]
    assert parts == [*months, ("billing.statement_other", 2)]
    last, following = rows(admin_url, "select max(transfer_id) from billing.transfer")[0][0], "2026-11-06"
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "select billing.record_paid_outside('n', 'A-202612-000003', null, 'EUR', %s, 'ref', 'ann', 'bank')",
            (following,),
        )
    assert one(admin_url, "select max(transfer_id) from billing.transfer") == last + 1
    postgres.drop_database("from_0010")


def test_a_warehouse_of_0011_learns_to_undo(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a live period and one whose decisions are archived, with payments of before, and drafts that lie numbered.

    What is there stays as it is; payments of before can be undone in each period, and a later period is as guarded.
    """
    from alembic import command

    admin_url = postgres.create_database("from_0011")
    with monkeypatch.context() as patched:
        upgrade = command.upgrade
        patched.setattr(command, "upgrade", lambda config, _: upgrade(config, "0011"))
        patched.setattr("evbilling.warehouse.migrate.VIEW_FILES", ())
        migrate(admin_url)
    with psycopg.connect(admin_url) as connection:
        connection.execute("set role evbilling_owner")
        connection.execute(_VIEWS_OF_0011.read_bytes())
        connection.execute("reset role")
        for month in ("2026-10", "2026-11", "2026-12"):
            connection.execute("select billing.open_period(%s)", (month,))
        connection.execute(_BEFORE.encode())
        connection.execute(
            """insert into billing.archived_period (
                   period, store, files, decisions, billed, unit_price_minor, digest, actor, dropped_at)
               values ('2026-10', '/x', '[]', 0, 0, 0, 0, 'ann', now());
               select billing.record_paid_outside(
                   'l', 'A-202611-000001', null, 'EUR', '2026-11-05', 'ref', 'ann', 'bank');
               select billing.create_issue_tables('staging', 'run_1_issue', 'run_1_posting', '2027-01')"""
        )
    columns = {view: _columns(admin_url, view) for view in _SEEN}
    before = {view: _seen(admin_url, view, columns[view]) for view in _SEEN}
    migrate(admin_url)
    assert {view: _seen(admin_url, view, columns[view]) for view in _SEEN} == before
    assert one(
        admin_url, "select to_regclass('staging.run_1_issue') is null and to_regclass('staging.run_1_posting') is null"
    )
    undo = "select (billing.reverse_paid_outside(%s, %s, null, 'ann', 'mistake')).amount_minor"
    writer_url = postgres.url("evbilling_writer", "from_0011", password="test")
    assert one(writer_url, undo, "archived", "A-202610-000003") == 1000
    assert one(writer_url, undo, "live", "A-202611-000001") == 595
    query = "select statement_id, paid_amount, status from finance.statements where statement_id = any(%s) order by 1"
    found = rows(admin_url, query, ["A-202610-000003", "A-202611-000001"])
    assert found == [("A-202610-000003", 0, "Issued"), ("A-202611-000001", 0, "Issued")]
    balance = """select sum(amount_minor) filter (where debit_account = 'paid_outside'),
                        sum(amount_minor) filter (where credit_account = 'paid_outside') from billing.transfer"""
    assert rows(admin_url, balance) == [(1595, 1595)]
    with psycopg.connect(admin_url) as connection:
        connection.execute("select billing.open_period('2027-01')")
        connection.execute(_ISSUE.replace("array['2026-10', '2026-11', '2026-12']", "array['2027-01']").encode())
        connection.execute(
            "select billing.record_paid_outside('y', 'A-202701-000001', null, 'EUR', '2027-01-05', 'r', 'ann', 'bank')"
        )
    assert one(writer_url, undo, "new", "A-202701-000001") == 595
    again = """insert into billing.transfer (
                   kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
               select kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id
               from billing.transfer where kind = 'paid_outside_reversal' and statement_id = %s"""
    for statement_id in ("A-202610-000003", "A-202611-000001", "A-202701-000001"):
        with psycopg.connect(admin_url) as connection, pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(again.encode(), (statement_id,))
    postgres.drop_database("from_0011")


def _columns(url: str, view: str) -> str:
    """The columns that a view has now: later ones come after them."""
    query = """select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
               where attrelid = %s::regclass and attnum > 0"""
    return str(one(url, query, view))


def _seen(url: str, view: str, columns: str) -> list[Any]:
    return rows(url, f"select ({columns})::text from {view} order by 1")


class Issued:
    """A warehouse with two issued months of two accounts."""

    def __init__(self, platform_url: str, warehouse: Any, folder: Path) -> None:
        self.warehouse = warehouse
        self.services = Services(platform_url, warehouse.writer_url, str(folder))
        platform = Platform(platform_url)
        for account in ("a", "b"):
            platform.plain_account(account, connectors=4)
        platform.save()
        settle_terms(warehouse.writer_url, terms("a"), terms("b"))
        for period in ("2026-10", "2026-11"):
            bill(self.services, period)

    def refused(self, statement: str, *values: Any) -> str:
        """Execute as the owner of everything; returns the error's text and changes nothing."""
        with psycopg.connect(self.warehouse.admin_url) as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute(statement.encode(), values)
        return str(caught.value)


@pytest.fixture
def issued(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Iterator[Issued]:
    """See `Issued`."""
    return Issued(platform_db, warehouse_db, tmp_path)


_UNIQUE = """
select c.relname, array_agg(pg_get_indexdef(i.indexrelid, k, false)::text order by k)
from pg_class c join pg_index i on i.indrelid = c.oid and i.indisunique and i.indpred is null
cross join generate_series(1, i.indnkeyatts) k
where c.relname ~ '^(statement|transfer)_(2026_1[01]|other)$'
group by c.relname, i.indexrelid order by 1, 2
"""
_KEYS = {
    "statement": [["account_id", "period", "kind", "revision"], ["period", "kind", "number"], ["statement_id"]],
    "transfer": [["statement_id", "entry"]],
}


def test_each_partition_has_the_keys_of_all(issued: Issued) -> None:
    """What can't be declared for the whole table is there in each part of it."""
    found: dict[str, list[list[str]]] = {}
    for table, columns in rows(issued.warehouse.admin_url, _UNIQUE):
        found.setdefault(table, []).append(columns)
    months = {f"{table}_2026_{month}": keys for table, keys in _KEYS.items() for month in (10, 11)}
    assert found == months | {"statement_other": _KEYS["statement"]}


@pytest.mark.parametrize("part", ["statement_2026_11", "transfer_2026_10", "statement_other"])
def test_a_partition_by_its_own_name_is_as_guarded(issued: Issued, part: str) -> None:
    """Nothing of it is changed, taken out or emptied."""
    if part != "statement_other":  # empty here, and these are refused row by row
        assert "never change" in issued.refused(f"update billing.{part} set currency = currency")
        assert "never change" in issued.refused(f"delete from billing.{part}")
    assert "never change" in issued.refused(f"truncate billing.{part} cascade")


def test_a_statement_lies_where_its_kind_and_period_belong(issued: Issued) -> None:
    """No connector statement among the others, none of another period, and none of a period that isn't open."""
    other = "insert into billing.statement_other select * from billing.statement_2026_11 limit 1"
    assert "violates" in issued.refused(other)
    assert "violates" in issued.refused("insert into billing.statement_2026_10 select * from billing.statement_2026_11")
    beyond = _ISSUE.replace("array['2026-10', '2026-11', '2026-12']", "array['2027-01']")
    assert "no partition" in issued.refused(beyond)


def test_a_statement_that_is_told_to_its_partition_posts_itself_too(issued: Issued) -> None:
    """And one with a setting that doesn't exist is refused there."""
    named = f"statement_id, kind, period, account_id, number, run_id, {_COLUMNS}"
    values = "'A-202611-000003', 'connector', period, 'c', 3, run_id"
    insert = f"""insert into billing.statement_2026_11 ({named})
                 select {values}, {{}} from billing.statement_2026_11 where number = 1"""
    with psycopg.connect(issued.warehouse.admin_url) as connection:
        connection.execute(insert.format(_COLUMNS).encode())
    posted = "select kind, amount_minor from billing.transfer where statement_id = 'A-202611-000003' order by 1"
    assert [kind for kind, _ in rows(issued.warehouse.admin_url, posted)] == ["issue", "tax"]
    unset = insert.replace("000003', 'connector', period, 'c', 3", "000004', 'connector', period, 'd', 4")
    wrong = unset.format(_COLUMNS.replace("setting_id", "-1"))
    assert "setting that doesn't exist" in issued.refused(wrong)


def test_a_payment_is_posted_for_its_own_statement(issued: Issued) -> None:
    """Neither twice, nor for a statement of another month."""
    with psycopg.connect(issued.warehouse.admin_url) as connection:
        connection.execute(
            "select billing.record_paid_outside('m', 'A-202610-000001', 100, 'EUR', '2026-11-05', 'ref', 'ann', 'bank')"
        )
    again = """insert into billing.transfer (
                   kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
               select kind, %s, debit_account, credit_account, amount_minor, currency, paid_outside_id
               from billing.transfer where kind = 'paid_outside'"""
    assert "paid_outside" in issued.refused(again, "A-202610-000001")
    assert "foreign key" in issued.refused(again, "A-202611-000001")


def test_numbers_follow_on_those_attached(issued: Issued) -> None:
    """An account that comes later gets the next number, in the same partition, and its postings too."""
    platform = Platform(issued.services.platform_url)
    platform.plain_account("c")
    platform.save()
    settle_terms(issued.warehouse.writer_url, terms("c"))
    bill(issued.services, "2026-11")
    query = "select statement_id, tableoid::regclass::text from billing.statement where account_id = 'c'"
    assert rows(issued.warehouse.admin_url, query) == [("A-202611-000003", "billing.statement_2026_11")]
    posted = "select kind, tableoid::regclass::text from billing.transfer where statement_id = %s order by 1"
    assert rows(issued.warehouse.admin_url, posted, "A-202611-000003") == [
        ("issue", "billing.transfer_2026_11"),
        ("tax", "billing.transfer_2026_11"),
    ]


def test_only_who_holds_the_fence_numbers_drafts(issued: Issued) -> None:
    """A try that was overtaken prepares nothing."""
    run_id = one(issued.warehouse.admin_url, "select max(run_id) from billing.run")
    with pytest.raises(StaleTry), issued.services.warehouse() as connection:
        connection.execute("select billing.number_drafts(%s, 0)", (run_id,))
