"""What statements stand at is kept beside the ledger: right after whatever can happen to one, and told if not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evbilling.services import Services
from tests.support.month import (
    Platform,
    check_standings,
    one,
    plan_and_issue,
    rows,
    settle_terms,
    stage,
    standings_differ,
    terms,
)
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

_numbers = itertools.count(1)
PERIODS = ("2026-10", "2026-11")
IDS = [f"A-{period.replace('-', '')}-{number:06d}" for period in PERIODS for number in (1, 2)]


class Month:
    """A warehouse with two issued months of two accounts, one of them in yen."""

    def __init__(self, server: PostgresServer, folder: Path, template: str = "warehouse_template") -> None:
        self.name = f"standing_{next(_numbers)}"
        self.url = server.create_database(self.name, template=template)
        self.writer_url = server.url("evbilling_writer", self.name, password="test")
        self.platform = Platform(server.url(database="standing_platform"))
        self.services = Services(self.platform.url, self.writer_url, str(folder))

    def bill(self, period: str) -> None:
        """Issue a month's statements."""
        run_id, *_ = stage(self.services, period)
        plan_and_issue(self.services, run_id)


@pytest.fixture(scope="module")
def issued(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Month:
    """The month that others are copies of."""
    postgres.create_database("standing_platform", template="platform_template")
    month = Month(postgres, tmp_path_factory.mktemp("standing"))
    month.platform.plain_account("a", connectors=3)
    month.platform.plain_account("b", connectors=2, currency="JPY")
    month.platform.save()
    settle_terms(month.writer_url, terms("a"), terms("b", "500"))
    for period in PERIODS:
        month.bill(period)
    return month


@pytest.fixture(scope="module")
def month(issued: Month, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Month:
    """A month that is left as it is."""
    return Month(postgres, tmp_path_factory.mktemp("standing"), issued.name)


@pytest.fixture
def own(issued: Month, postgres: PostgresServer, tmp_path: Path) -> Month:
    """A month of the test's own."""
    return Month(postgres, tmp_path, issued.name)


@pytest.fixture
def transaction(month: Month) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that comes to nothing."""
    with psycopg.connect(month.url) as connection:
        yield connection
        connection.rollback()


# What can happen to a statement -------------------------------------------------------------------------------------

Connection = psycopg.Connection[Any]


def open_attempt(connection: Connection, statement: str, *, method: str | None = "pm") -> None:
    """An attempt is opened; without a payment method it is a failure at once."""
    occasion = f"occasion {next(_numbers)}"
    connection.execute(
        "select billing.open_attempts('rebill', %s, %s, 'ann', 'test', 15, %s, array['cus'], %s, array[1])",
        (occasion, occasion, [statement], [method]),
    )


def no_method(connection: Connection, statement: str) -> None:
    """A charge is tried of somebody without a payment method."""
    open_attempt(connection, statement, method=None)


def settle(outcome: str) -> Callable[[Connection, str], None]:
    """The statement's open attempt, or a new one, comes to this outcome."""

    def settled(connection: Connection, statement: str) -> None:
        query = """select attempt_id from billing.payment_attempt
                   where statement_id = %s and outcome in ('pending', 'unknown')"""
        if not (found := connection.execute(query, (statement,)).fetchall()):
            open_attempt(connection, statement)
            found = connection.execute(query, (statement,)).fetchall()
        declined = outcome == "declined"
        connection.execute(
            "select billing.record_outcomes(%s, %s, %s, %s, array[null::text], %s, array['said'])",
            (
                [id_ for (id_,) in found],
                [outcome],
                [f"pi_{next(_numbers)}" if outcome == "succeeded" else None],
                ["insufficient_funds" if declined else None],
                ["soft" if declined else None],
            ),
        )

    return settled


def pay_outside(minor: int | None) -> Callable[[Connection, str], None]:
    """So much, or all, is paid by other ways."""

    def paid(connection: Connection, statement: str) -> None:
        connection.execute(
            """select billing.record_paid_outside(%s, statement_id, %s, currency, '2026-11-20', 'ref', 'ann', 'test')
               from billing.statement where statement_id = %s""",
            (f"request {next(_numbers)}", minor, statement),
        )

    return paid


def undo(connection: Connection, statement: str) -> None:
    """The newest payment by other ways is taken back."""
    connection.execute(
        """select billing.reverse_paid_outside(%s, statement_id, max(paid_outside_id), 'ann', 'mistaken')
           from billing.paid_outside where statement_id = %s group by statement_id""",
        (f"request {next(_numbers)}", statement),
    )


def correct(minor: int) -> Callable[[Connection, str], None]:
    """A correction by so much is issued."""

    def corrected(connection: Connection, statement: str) -> None:
        connection.execute(
            """insert into billing.statement (
                   statement_id, kind, period, account_id, revision, number, run_id, account_name, financial_admin_id,
                   time_zone, statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor,
                   corrects_statement_id, code_version)
               select 'C-' || replace(period, '-', '') || '-' || lpad(n::text, 6, '0'), 'correction', period,
                      account_id, n, n, run_id, account_name, financial_admin_id, time_zone, statement_date, currency,
                      minor_unit, 0, %(minor)s, 0, %(minor)s, statement_id, code_version
               from billing.statement cross join (values (%(number)s::integer)) numbers (n)
               where statement_id = %(statement)s""",
            {"minor": minor, "number": next(_numbers) % 30_000, "statement": statement},
        )

    return corrected


DEEDS: dict[str, Callable[[Connection, str], None]] = {
    "opened": open_attempt,
    "no method": no_method,
    "succeeded": settle("succeeded"),
    "declined": settle("declined"),
    "unknown": settle("unknown"),
    "paid outside": pay_outside(None),
    "paid in part": pay_outside(100),
    "undone": undo,
    "credit": correct(-300),
    "debit": correct(200),
}


@settings(max_examples=settings.default.max_examples // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(list(DEEDS)), st.sampled_from(IDS)), min_size=1, max_size=12))
def test_whatever_happens_the_list_says_what_the_ledger_says(month: Month, happened: list[tuple[str, str]]) -> None:
    """Standing, sums and finance.statements agree after every single thing, in any order, refused or not."""
    with psycopg.connect(month.url) as connection, connection.transaction(force_rollback=True):
        for deed, statement in happened:
            try:
                with connection.transaction():
                    DEEDS[deed](connection, statement)
            except psycopg.Error as refused:
                if refused.sqlstate != "EV004":
                    raise
            assert standings_differ(connection) == {}, deed


STORIES = [
    ([], "Issued"),
    (["opened"], "Issued"),
    (["unknown"], "Issued"),
    (["succeeded"], "Paid"),
    (["declined"], "Billing failure"),
    (["no method"], "Billing failure"),
    (["declined", "succeeded"], "Billing failure (resolved)"),
    (["unknown", "declined"], "Billing failure"),
    (["paid in part"], "Partly paid"),
    (["declined", "paid in part"], "Partly paid"),
    (["paid outside"], "Paid manually"),
    (["declined", "paid outside"], "Paid manually"),
    (["paid in part", "succeeded"], "Paid"),
    (["succeeded", "debit"], "Partly paid"),
    (["succeeded", "credit"], "Paid"),
    (["debit"], "Issued"),
    (["paid outside", "undone"], "Issued"),
    (["declined", "paid outside", "undone"], "Billing failure"),
    (["succeeded", "debit", "paid outside", "undone"], "Partly paid"),
    (["succeeded", "debit", "paid outside", "undone", "credit"], "Paid"),
]


@pytest.mark.parametrize(("story", "status"), STORIES)
def test_a_statement_comes_to_its_status(transaction: Connection, story: list[str], status: str) -> None:
    """Each story in the words of finance."""
    for deed in story:
        DEEDS[deed](transaction, IDS[0])
    found = transaction.execute(
        "select status::text from billing.standing where statement_id = %s", (IDS[0],)
    ).fetchone()
    assert found == (status,)
    assert standings_differ(transaction) == {}


def test_a_period_is_listed_as_it_is_attached(month: Month) -> None:
    """Each connector statement has a standing, in the partition of its period, and its account can be found."""
    found = rows(
        month.url, "select statement_id, tableoid::regclass::text, status::text from billing.standing order by 1"
    )
    assert found == [(id_, f"billing.standing_{id_[2:6]}_{id_[6:8]}", "Issued") for id_ in IDS]
    names = rows(month.url, "select account_id, account_name from billing.account_name order by 1")
    assert names == [("a", "Name of a"), ("b", "Name of b")]
    check_standings(month.url)


def test_statements_that_come_one_by_one_are_listed(own: Month) -> None:
    """An account that is billed later is in list and sums too, and can be found."""
    own.platform.plain_account("c", connectors=5)
    own.platform.save()
    settle_terms(own.writer_url, terms("c"))
    own.bill("2026-11")
    assert one(own.url, "select connectors from billing.standing where statement_id = 'A-202611-000003'") == 5
    assert one(own.url, "select account_name from billing.account_name where account_id = 'c'") == "Name of c"
    check_standings(own.url)


def test_sums_are_folded_before_they_are_many(transaction: Connection) -> None:
    """Movements without end leave some hundred rows to be added up, and lose nothing."""
    for _ in range(300):
        DEEDS["debit"](transaction, IDS[0])
    ((rows_kept, last),) = transaction.execute("select count(*), max(sum_id) from billing.statement_sum").fetchall()
    assert rows_kept < 510 < last
    assert standings_differ(transaction) == {}


def test_who_moves_money_at_once_loses_no_sum(own: Month) -> None:
    """Neither waits for the other's sums, folded or not."""
    with psycopg.connect(own.url) as one_, psycopg.connect(own.url) as other:
        for connection in (one_, other):
            connection.execute("set lock_timeout = '2s'")
        DEEDS["succeeded"](one_, IDS[0])
        one_.execute("select billing.fold_sums()")
        DEEDS["paid in part"](other, IDS[2])
        other.execute("select billing.fold_sums()")
        DEEDS["declined"](other, IDS[3])
        other.commit()
        DEEDS["paid outside"](one_, IDS[1])
        one_.commit()
    check_standings(own.url)


@pytest.mark.parametrize(
    "statement",
    [
        "update billing.standing set has_failed = true",
        "update billing.statement_sum set statements = 0",
        "select billing.refresh_standing(array['A-202611-000001'])",
        "select billing.fold_sums()",
        "delete from billing.account_name",
    ],
)
def test_the_writer_only_reads_standings(month: Month, statement: str) -> None:
    """They follow from what is booked and from nothing else."""
    with psycopg.connect(month.writer_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_a_difference_is_told_and_put_right(transaction: Connection) -> None:
    """Each falsified row is named with both sides; the owner's function brings it back, sums and all."""
    transaction.execute(
        "update billing.standing set has_failed = true, paid_minor = 7 where statement_id = %s", (IDS[1],)
    )
    query = "select statement_id, status, listed_status from billing.standing_difference"
    assert transaction.execute(query).fetchall() == [(IDS[1], "Issued", "Partly paid")]
    transaction.execute("update billing.statement_sum set statements = statements + 1 where kind = 'connector'")
    assert set(standings_differ(transaction)) == {
        "a standing isn't what the ledger says",
        "sums aren't what the statements come to",
        "finance.statements says otherwise than the list",
    }
    transaction.execute("update billing.statement_sum set statements = statements - 1 where kind = 'connector'")
    assert transaction.execute("select billing.refresh_standing(%s)", (IDS,)).fetchone() == (1,)
    assert standings_differ(transaction) == {}
