"""Missed months: which count, for which accounts, since when; and that issuing what is missing ends them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.missed_months import missed_months
from evbilling.period import Period
from tests.support.books import Books
from tests.support.month import rows, settle_terms, terms

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    books = Books(platform_db, warehouse_db, tmp_path)
    books.open("a", "b")
    return books


def missed(books: Books, now: datetime = NOW, account: str | None = None) -> list[tuple[Any, ...]]:
    query = "select period, account_id, reason_id, days_late from billing.missed_months_at(%s, %s) order by 1, 2"
    return rows(books.writer, query, now, account)


def enable(books: Books, account: str, first: Period, **changes: Any) -> None:
    """Switch an account on from a month on, that may be billed already."""
    books.platform.plain_account(account)
    books.platform.save()
    settle_terms(books.writer, terms(account, effective_from=first, **changes))


def test_a_month_that_never_ran_is_missed_by_all_from_its_due_time_on(books: Books) -> None:
    """Before any month was billed only this month counts; then each after the first, until it is billed."""
    assert missed(books, datetime(2026, 11, 1, 17, 59, tzinfo=UTC)) == []
    assert missed(books) == [("2026-11", "a", "NEVER-BILLED", 29), ("2026-11", "b", "NEVER-BILLED", 29)]
    books.bill("2026-09")
    assert [row[0] for row in missed(books)] == ["2026-10", "2026-10", "2026-11", "2026-11"]
    assert missed(books, account="b") == [("2026-10", "b", "NEVER-BILLED", 60), ("2026-11", "b", "NEVER-BILLED", 29)]
    books.bill("2026-10")
    assert [row[0] for row in missed(books)] == ["2026-11", "2026-11"]
    books.bill("2026-11")
    assert missed(books) == []


def test_an_account_switched_on_late_has_missed_the_months_its_setting_names(books: Books) -> None:
    """From its From period on, not before the first month billed; other accounts, and its own later months, haven't."""
    books.bill("2026-09")
    books.bill("2026-10")
    enable(books, "late", Period(2026, 10))
    enable(books, "since-ever", Period(2020, 1))
    enable(books, "next", Period(2026, 12))
    enable(books, "off", Period(2026, 9), charge_connectors=False)
    now = datetime(2026, 11, 1, 17, 59, tzinfo=UTC)
    expected = [
        ("2026-09", "since-ever", "ENABLED-LATE", 60),
        ("2026-10", "late", "ENABLED-LATE", 30),
        ("2026-10", "since-ever", "ENABLED-LATE", 30),
    ]
    assert missed(books, now) == expected
    assert missed(books, now, "late") == [expected[1]]
    assert missed(books, now, "off") == missed(books, now, "a") == missed(books, now, "nobody") == []
    books.bill("2026-11")
    assert missed(books) == [
        ("2026-09", "since-ever", "ENABLED-LATE", 90),
        ("2026-10", "late", "ENABLED-LATE", 60),
        ("2026-10", "since-ever", "ENABLED-LATE", 60),
    ]
    # Issuing what is missing ends it, and so does switching it off from that month on.
    books.bill("2026-10")
    settle_terms(books.writer, terms("since-ever", effective_from=Period(2020, 1), charge_connectors=False))
    assert missed(books) == []


def test_what_is_on_hold_or_has_nothing_to_bill_is_no_missed_month(books: Books) -> None:
    """It has its reason on record, also where a setting of it is new since the month was billed."""
    books.platform.plain_account("held")
    books.platform.plain_account("none", connectors=0)
    books.platform.save()
    settle_terms(books.writer, terms("held", financial_admin_id=None), terms("none"))
    books.bill("2026-11")
    settle_terms(books.writer, terms("held"), terms("none", "7.00"))
    assert missed(books) == []


def test_a_month_that_isnt_expected_is_never_late(books: Books) -> None:
    """Where the policy of service levels doesn't look at it, and later where it allows more time."""
    change = "select billing.set_service_level('connector_statements', %s, %s, 'ann', 'tests')"
    books.bill("2026-09")
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute(change, ("2026-10-01", None))
        connection.execute(change, ("2026-11-01", "30 days"))
    assert [row[0] for row in missed(books, datetime(2026, 12, 1, tzinfo=UTC))] == ["2026-11", "2026-11"]


def test_the_list_has_a_line_for_a_whole_month_and_one_for_each_single_account(books: Books) -> None:
    """The oldest first; of single accounts no more than asked for, with how many are left out."""
    books.bill("2026-10")
    for account in ("x", "y", "z"):
        enable(books, account, Period(2026, 10))
    with psycopg.connect(books.writer) as connection:
        connection.read_only = True
        found = missed_months(connection, NOW, limit=2)
        (own_october, own_november) = missed_months(connection, NOW, account_id="z").shown
    lines = [(str(one.period), one.account_id, one.accounts, one.days_late) for one in found.shown]
    assert lines == [("2026-10", "x", 1, 60), ("2026-10", "y", 1, 60), ("2026-11", None, 5, 29)]
    assert found.left_out == 1
    assert (own_october.account_id, own_november.is_whole) == ("z", True)
    day = str(rows(books.writer, "select max(recorded_at)::date from billing.account_setting")[0][0])
    assert own_october.reason == f"it was charged by a setting of {day}, after the month was billed"


def test_finance_reads_the_view(books: Books) -> None:
    """By the warehouse's own clock."""
    books.bill("2020-02")
    found = rows(books.warehouse.finance_url, "select account_id, period, days_late > 200 from finance.missed_months")
    assert {("a", "2020-03", True), ("b", "2020-03", True)} <= set(found)
    assert not {"2020-01", "2020-02"} & {period for _, period, _ in found}
