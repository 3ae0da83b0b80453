"""A month's overview beside an independent recount through the finance views, over which it is never read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from evbilling.payments.retries.declines import explain
from evbilling.period import Period
from evbilling.read_models.month import reading
from evbilling.read_models.month.figures import AGES, MonthOverview
from evbilling.read_models.month.reading import month_overview, months
from evbilling.read_models.month.state import month_state
from evbilling_local.demo.month_report import count_rows, print_month
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import one, rows
from tests.support.month_history import LAST, MONTHS, TODAY, Months, opened_months

pytestmark = pytest.mark.postgres

STATUSES = """select currency, status, count(*), sum(total_amount), sum(balance_due) from finance.statements
              where kind = 'connector' and period = %s group by 1, 2"""
CONNECTORS = """select period, count(distinct statement_id), count(*) from finance.statement_lines
                where period = %s group by 1"""
# A failed statement counts once, by its last decline.
FAILURES = """
with last as (
    select distinct on (a.statement_id) a.statement_id, a.decline_class, a.decline_code
    from finance.payment_attempts a join finance.statements s using (statement_id)
    where s.period = %(period)s and a.outcome = 'declined' order by a.statement_id, a.attempt_no desc)
select decline_class, decline_code, count(*), count(*) filter (where s.balance_due > 0),
       (select count(*) from finance.payment_attempts a join finance.statements t using (statement_id)
        where t.period = %(period)s and a.outcome = 'declined' and a.decline_code = l.decline_code)
from last l join finance.statements s using (statement_id) group by 1, 2"""
OWED = """select currency, statement_date, count(*) filter (where balance_due > 0),
                 coalesce(sum(balance_due) filter (where balance_due > 0), 0),
                 count(*) filter (where balance_due < 0), coalesce(sum(balance_due) filter (where balance_due < 0), 0)
          from finance.statements where kind = 'connector' group by 1, 2"""


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Months]:
    with opened_months(postgres, tmp_path_factory.mktemp("overview")) as opened:
        yield opened


def overview(world: Months, period: Period = LAST, day: date = TODAY) -> MonthOverview:
    """What a page reads, as the role that pages have and in a transaction that can't write."""
    with psycopg.connect(world.writer_url) as connection:
        connection.read_only = True
        return month_overview(connection, period, day=day)


@pytest.mark.parametrize("period", MONTHS, ids=str)
def test_amounts_by_status_are_those_of_the_statements(world: Months, period: Period) -> None:
    """Each currency and status has its statements, their total and what is due; currencies are never added up."""
    found = {(f.currency, f.status, f.statements, f.total, f.balance) for f in overview(world, period).statuses}
    assert found == set(rows(world.admin_url, STATUSES, str(period)))


def test_the_world_has_every_status_and_a_credit(world: Months) -> None:
    """What the other tests compare isn't empty."""
    statuses = {figure.status for figure in overview(world).statuses}
    assert statuses == {
        "Paid",
        "Billing failure (resolved)",
        "Paid manually",
        "Partly paid",
        "Billing failure",
    }
    assert {figure.decline_class for figure in overview(world).failures} == {"hard", "soft", "needs_customer"}
    assert sum(figure.credits for figure in overview(world).receivables) == 1


def test_connectors_of_the_last_twelve_months_are_the_lines(world: Months) -> None:
    """Oldest first, this month last; months without statements are there, with nothing."""
    history = overview(world).history
    assert [str(month.period) for month in history] == [str(LAST.shifted(n)) for n in range(-11, 1)]
    billed = {str(m.period): (m.statements, m.connectors) for m in history if m.statements or m.connectors}
    lines = [row for period in MONTHS for row in rows(world.admin_url, CONNECTORS, str(period))]
    assert billed == {period: (statements, connectors) for period, statements, connectors in lines}
    assert len(billed) == 3
    assert overview(world, MONTHS[0]).this_month == history[-3]


@pytest.mark.parametrize("period", MONTHS, ids=str)
def test_failures_count_each_statement_once(world: Months, period: Period) -> None:
    """By class and by code: statements whose last decline it is, those of them still due, and all declined attempts."""
    month = overview(world, period)
    with psycopg.connect(world.admin_url) as connection:
        recount = connection.execute(FAILURES, {"period": str(period)}).fetchall()
    last = {(code, kind): (statements, unpaid) for kind, code, statements, unpaid, _ in recount}
    assert {(d.code, d.decline_class): (d.statements, d.unpaid) for d in month.declines if d.statements} == last
    failed = "select count(distinct statement_id) from finance.payment_attempts a join finance.statements s using"
    failed += " (statement_id) where s.period = %s and a.outcome = 'declined'"
    assert sum(figure.statements for figure in month.failures) == one(world.admin_url, failed, str(period))
    attempts = failed.replace("distinct statement_id", "*")
    assert sum(figure.attempts for figure in month.failures) == one(world.admin_url, attempts, str(period))
    assert all(decline.explanation == explain(decline.code) for decline in month.declines)


def test_codes_without_a_line_of_their_own_are_in_the_last(world: Months, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost: the lines add up to all statements, whatever number of codes is shown."""
    every = overview(world).declines
    assert len(every) > 2
    monkeypatch.setattr(reading, "_CODES_SHOWN", 1)
    first, rest = overview(world).declines
    assert first == every[0]
    assert (rest.code, rest.explanation) == ("", f"{len(every) - 1} other codes")
    for field in ("statements", "unpaid", "attempts"):
        assert getattr(rest, field) == sum(getattr(decline, field) for decline in every[1:])


def test_a_statement_that_failed_twice_counts_by_its_last_decline(world: Months) -> None:
    """a-soft failed softly, then hard: it is among the hard ones, and its first attempt among the soft attempts."""
    declines = {decline.code: decline for decline in overview(world).declines}
    assert (declines["insufficient_funds"].attempts, declines["insufficient_funds"].statements) == (4, 3)
    assert declines["insufficient_funds"].unpaid == 2, "c-resolved is collected"
    assert declines["lost_card"].statements == 3
    assert declines["lost_card"].unpaid == 2, "c-manual is paid by other means"


@pytest.mark.parametrize("later", [0, 25, 26, 27, 55, 400])
def test_receivables_are_aged_as_of_the_day_that_is_asked_for(world: Months, later: int) -> None:
    """By currency and age, dues and credits apart, over all months; the ages are those of the finance view."""
    day = TODAY + timedelta(days=later)
    recount: dict[tuple[str, str], list[Any]] = {}
    for currency, dated, *figures in rows(world.admin_url, OWED):
        days = (day - dated).days
        age = "over 90 days" if days > 90 else "61-90 days" if days > 60 else "31-60 days" if days > 30 else "0-30 days"
        before = recount.setdefault((currency, age), [0, Decimal(0), 0, Decimal(0)])
        recount[currency, age] = [a + b for a, b in zip(before, figures, strict=True)]
    found = {
        (f.currency, f.age): [f.statements, f.due, f.credits, f.credit] for f in overview(world, day=day).receivables
    }
    assert {key: figures for key, figures in found.items() if any(figures)} == {
        key: figures for key, figures in recount.items() if any(figures)
    }
    ages = [f.age for f in overview(world, day=day).receivables if f.currency == "EUR"]
    assert ages == [age for age, _ in AGES]


def test_todays_receivables_are_those_of_the_finance_view(world: Months) -> None:
    """The view goes by the server's day; so does the overview if it is asked for it."""
    today = one(world.admin_url, "select current_date")
    view = "select currency, age, sum(balance_due) from finance.receivables_by_age group by 1, 2"
    found = {
        (f.currency, f.age, f.balance) for f in overview(world, day=today).receivables if f.statements or f.credits
    }
    assert found == set(rows(world.admin_url, view))


def test_accounts_left_out_with_their_reasons_and_the_money_expected(world: Months) -> None:
    """Quarantined ones and those with nothing to bill apart; an account counts once, for however many reasons."""
    month = overview(world)
    assert [(a.account_id, [reason for reason, _ in a.reasons]) for a in month.quarantined.shown] == [
        ("h-admin", ["ADMIN-MISSING"]),
        ("h-twice", ["ADMIN-INACTIVE", "SCOPE-UNKNOWN"]),
        ("h-money", ["CURRENCY-UNKNOWN"]),
    ]
    view = """select account_id, max(expected_connector_count), max(expected_amount), max(currency)
              from finance.unbilled_accounts where period = %s and is_quarantined group by 1"""
    expected = {(a.account_id, a.expected_connectors, a.expected_amount, a.currency) for a in month.quarantined.shown}
    assert expected == set(rows(world.admin_url, view, str(LAST)))
    assert month.quarantined.accounts == 3
    assert month.quarantined.expected == (("EUR", Decimal("95.20")), ("USD", Decimal("12.50")))
    assert month.quarantined.unknown == 1
    assert [a.account_id for a in month.nothing_to_bill.shown] == ["n-empty"]
    assert month.nothing_to_bill.accounts == 1


def test_account_statements_and_those_withheld(world: Months) -> None:
    """October is stated; who can't be is named, with the name by which it was billed where it was."""
    month = overview(world, MONTHS[1])
    view = "select kind, currency, count(*), sum(total_amount) from finance.statements where period = %s"
    view += " and kind <> 'connector' group by 1, 2"
    found = {(f.kind, f.currency, f.statements, f.total) for f in month.others}
    assert found == set(rows(world.admin_url, view, str(MONTHS[1])))
    assert month.of_kind("account") > 0
    assert overview(world).of_kind("correction") == 1
    withheld = rows(
        world.admin_url,
        "select distinct account_id from finance.withheld_account_statements where period = %s order by 1",
        str(MONTHS[1]),
    )
    assert [(account.account_id,) for account in month.withheld.shown] == withheld
    assert month.withheld.accounts == len(withheld)


def test_every_check_of_the_tie_out(world: Months) -> None:
    """Lights with their figures and differences; one that doesn't agree is told."""
    month = overview(world)
    view = "select check_id, left_value, right_value, difference, is_ok from finance.tie_out where period = %s"
    found = {(c.check_id, c.left_value, c.right_value, c.difference, c.is_ok) for c in month.checks}
    assert found == set(rows(world.admin_url, view, str(LAST)))
    assert month.not_ok == ()


def test_runs_are_all_there_the_newest_first(world: Months) -> None:
    """Every run that keeps a record of the month, with what leads to Airflow and to the validation results."""
    month = overview(world)
    record = rows(
        world.admin_url,
        "select run_id, dag_id, airflow_run_id, state from billing.run where period = %s order by run_id desc",
        str(LAST),
    )
    assert [(r.run_id, r.dag_id, r.airflow_run_id, r.state) for r in month.runs] == record
    assert [run.dag_id for run in month.runs] == ["correct_statements", "connector_statements"]
    assert [run.has_validation_page for run in month.runs] == [False, True]


def test_a_month_of_which_there_is_nothing(world: Months) -> None:
    """No error, no figure, and one sentence; what others owe is owed all the same."""
    month = overview(world, Period(2031, 1))
    assert not month.is_begun
    assert month.currencies == ()
    assert (month.this_month.statements, month.this_month.connectors) == (0, 0)
    assert month.receivables != ()
    assert month_state(month).sentence == "Not billed yet."


def test_the_state_in_a_sentence(world: Months) -> None:
    """What is issued and what is to be mended."""
    day = one(world.admin_url, "select min(issued_at) from finance.statements where period = %s", str(LAST))
    state = month_state(overview(world))
    assert state.kind == "warn"
    assert state.sentence == (
        f"Issued on {day.day} {day:%B %Y}: 11 connector statements for 66 connectors."
        " 3 accounts are on hold. Fix the problems below, then issue the missing statements."
        " 1 thing in the inventory looks doubtful; see below."
    )


def test_the_list_of_months(world: Months) -> None:
    """The newest first, each with its figures."""
    with psycopg.connect(world.writer_url) as connection:
        lines = months(connection, datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert [line.period for line in lines] == list(MONTHS[::-1])
    newest = lines[0]
    assert (newest.statements, newest.connectors, newest.quarantined, newest.not_ok, newest.state) == (
        11,
        66,
        3,
        0,
        "issued",
    )
    assert [line.account_statements > 0 for line in lines] == [False, True, False]
    counted = dict(rows(world.admin_url, "select period, count(*) from finance.tie_out group by 1"))
    assert {str(line.period): line.checks for line in lines} == counted


@pytest.mark.parametrize("period", MONTHS, ids=str)
def test_the_console_prints_the_same_figures(world: Months, period: Period, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of each sort, with the figures of the statements, attempts and checks."""
    print_month(world.writer_url, period)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    month = overview(world, period)
    assert f"connector statements {month.this_month.statements}" in lines
    assert f"billed {month.this_month.connectors}" in lines
    assert f"accounts not billed {month.quarantined.accounts + month.nothing_to_bill.accounts}" in lines
    totals = """select currency, sum(total_amount), sum(paid_amount), sum(balance_due) from finance.statements
                where kind = 'connector' and period = %s group by 1"""
    for currency, *amounts in rows(world.admin_url, totals, str(period)):
        assert " ".join([currency, *(f"{amount:,}" for amount in amounts)]) in lines
    statuses = "select status, count(*) from finance.statements where kind = 'connector' and period = %s group by 1"
    assert {f"{status} {count}" for status, count in rows(world.admin_url, statuses, str(period))} <= set(lines)
    assert [line for line in lines if line.endswith((" yes", " NO"))].count("NO") == 0
    assert sum(line.endswith(" yes") for line in lines) >= len({check.check_id for check in month.checks}) / 3
    assert count_rows(world.admin_url, period) >= month.this_month.statements + month.this_month.connectors
