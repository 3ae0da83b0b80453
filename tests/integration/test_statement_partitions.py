"""Statements and ledger by period: each partition keeps the keys and guards of the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import StaleTry
from evbilling.services import Services
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
_COLUMNS = """financial_admin_id, time_zone, count_instant, statement_date, currency, minor_unit, setting_id, fee_minor,
    dc_fee_minor, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, code_version"""


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


def test_a_payment_is_undone_once_in_each_period(issued: Issued) -> None:
    """Also in one whose decisions are archived: the ledger's key of the partition refuses a second reversal."""
    with psycopg.connect(issued.warehouse.admin_url) as connection:
        connection.execute(
            """insert into billing.archived_period (
                   period, store, files, decisions, billed, unit_price_minor, digest, actor, dropped_at)
               values ('2026-10', '/x', '[]', 0, 0, 0, 0, 'ann', now())"""
        )
    again = """insert into billing.transfer (
                   kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
               select kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id
               from billing.transfer where kind = 'paid_outside_reversal' and statement_id = %s"""
    for statement_id in ("A-202610-000001", "A-202611-000002"):
        mark = "select billing.record_paid_outside(%s, %s, null, 'EUR', '2026-11-05', 'ref', 'ann', 'bank')"
        undo = "select (billing.reverse_paid_outside(%s, %s, null, 'ann', 'mistake')).amount_minor"
        rows(issued.warehouse.writer_url, mark, f"mark {statement_id}", statement_id)
        due = "select total_minor from billing.statement where statement_id = %s"
        undone = one(issued.warehouse.writer_url, undo, f"undo {statement_id}", statement_id)
        assert undone == one(issued.warehouse.admin_url, due, statement_id)
        status = "select status, paid_amount from finance.statements where statement_id = %s"
        assert rows(issued.warehouse.admin_url, status, statement_id) == [("Issued", 0)]
        assert "unique constraint" in issued.refused(again, statement_id)


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
    # The drafts are there again, so that the fence alone refuses it.
    with psycopg.connect(issued.warehouse.admin_url) as connection:
        for name in ("statement", "unbilled"):
            connection.execute(f"create table staging.run_{run_id}_{name} ()".encode())
    with pytest.raises(StaleTry), issued.services.warehouse() as connection:
        connection.execute("select billing.number_drafts(%s, 0)", (run_id,))
