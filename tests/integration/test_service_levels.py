"""What finance.service_levels says when nothing runs, runs fail, or something outside refuses, at any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.alerts.messages import causes_of
from evbilling.service_levels import ServiceLevel, read_service_levels, record_dag_event
from tests.support.books import Books
from tests.support.month import one, rows, stage

pytestmark = pytest.mark.postgres

# Issued on 1 November at 12:05; the account pays 5.95 EUR a month.
NOON = datetime(2026, 11, 1, 12, 5, tzinfo=UTC)


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    books = Books(platform_db, warehouse_db, tmp_path)
    books.open("a", "b")
    return books


def settled_at(books: Books, at: datetime = NOON) -> None:
    """Runs ended, and mail was queued, at this time, which only a superuser can make them."""
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("update billing.run set opened_at = %(at)s, settled_at = %(at)s", {"at": at})
        connection.execute("set session_replication_role = replica")
        connection.execute("update billing.mail set created_at = %(at)s, not_before = %(at)s", {"at": at})


def reported(books: Books, dag_id: str, event: Any, at: datetime, **more: Any) -> None:
    """A task of a DAG reported so at this time."""
    with psycopg.connect(books.warehouse.admin_url) as connection:
        record_dag_event(
            connection, dag_id=dag_id, airflow_run_id="run", task_id=more.pop("task_id", "t"), event=event, **more
        )
        connection.execute("set session_replication_role = replica")
        connection.execute(
            """update billing.dag_event set occurred_at = %s
               where event_id = (select max(event_id) from billing.dag_event)""",
            (at,),
        )


def levels(books: Books, now: datetime) -> dict[tuple[str, str | None], ServiceLevel]:
    with psycopg.connect(books.writer) as connection:
        connection.read_only = True
        return {(level.service_level, level.period): level for level in read_service_levels(connection, now)}


def late(books: Books, now: datetime) -> dict[tuple[str, str | None], str | None]:
    """What is late, with the reason's id."""
    return {key: level.reason_id for key, level in levels(books, now).items() if level.state == "late"}


def test_nothing_is_late_before_anybody_is_to_be_billed(warehouse_db: Any) -> None:
    """A new warehouse: nothing waits."""
    query = "select distinct state from finance.service_levels"
    assert rows(warehouse_db.finance_url, query) == [("ok",)]


def test_a_month_is_due_at_18_00_and_late_from_then_on(books: Books) -> None:
    """The first month ever is due for the accounts whose settings say so; the view is of the time that is asked for."""
    before = levels(books, datetime(2026, 11, 1, 17, 59, tzinfo=UTC))["connector_statements", "2026-11"]
    assert (before.state, before.late_since, before.reason_id, before.accounts) == ("due", None, "NO_RUN", 2)
    after = levels(books, datetime(2026, 11, 30, 18, tzinfo=UTC))["connector_statements", "2026-11"]
    assert (after.state, after.late_since) == ("late", datetime(2026, 11, 1, 18, tzinfo=UTC))
    assert after.title == "The month's connector statements of 2026-11: late since 2026-11-01 18:00 UTC"


def test_each_missed_month_is_a_row_with_what_it_should_bring(books: Books) -> None:
    """Accounts and money are those of the last month billed; of a gap of years the last twelve months are listed."""
    books.bill("2026-09")
    found = levels(books, datetime(2026, 11, 30, 18, tzinfo=UTC))
    october = found["connector_statements", "2026-10"]
    assert (october.state, october.accounts, str(october.money["EUR"])) == ("late", 2, "11.90")
    assert found["connector_statements", "2026-09"].state == "ok"
    years = [period for name, period in late(books, datetime(2030, 5, 2, tzinfo=UTC)) if name == "connector_statements"]
    assert sorted(years) == [f"2029-{month:02}" for month in range(6, 13)] + [
        f"2030-{month:02}" for month in range(1, 6)
    ]


def test_a_failed_run_is_the_reason_with_its_message(books: Books) -> None:
    """The message's first line; a run after it takes its place."""
    run_id = one(
        books.writer, "select billing.open_run('connector_statements', 'scheduled__1', '2026-11', 'a', 'v', 'yes')"
    )
    now = datetime(2026, 11, 1, 18, tzinfo=UTC)
    assert late(books, now)["connector_statements", "2026-11"] == "RUN_UNDER_WAY"
    one(books.writer, f"select billing.fail_run({run_id}, e'platform: can''t connect\\n  -> check it')")
    found = levels(books, now)["connector_statements", "2026-11"]
    assert (found.reason_id, found.reason, found.airflow_run_id) == (
        "RUN_FAILED",
        "platform: can't connect",
        "scheduled__1",
    )
    assert found.needs_somebody
    books.bill("2026-11")
    assert levels(books, now)["connector_statements", "2026-11"].state == "ok"


def test_statements_that_nobody_charged_are_late_after_twelve_hours(books: Books) -> None:
    """With what is due on them, and why; each one that was tried counts no longer."""
    books.bill("2026-11")
    settled_at(books)
    before = levels(books, NOON + timedelta(hours=11))["charges", "2026-11"]
    assert (before.state, before.statements, before.reason_id) == ("due", 2, "NO_RUN")
    after = NOON + timedelta(hours=12)
    reported(books, "connector_statements", "failed", NOON, task_id="charge", period="2026-11", detail="gateway: down")
    found = levels(books, after)["charges", "2026-11"]
    assert (found.state, found.reason, str(found.money["EUR"])) == ("late", "gateway: down", "11.90")
    books.pay(books.statement("a", "2026-11", "connector"))
    assert levels(books, after)["charges", "2026-11"].statements == 1
    books.pay(books.statement("b", "2026-11", "connector"))
    assert levels(books, after)["charges", "2026-11"].state == "ok"


def test_charging_on_hold_is_late_at_once_and_the_reason_of_the_charges(books: Books) -> None:
    books.bill("2026-11")
    settled_at(books)
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute(
            "insert into billing.charging_hold (sign, detail, held_since) values ('server', 'restored', %s)", (NOON,)
        )
    found = late(books, NOON + timedelta(days=2))
    assert found["charges", "2026-11"] == found["gateway", None] == "CHARGING_ON_HOLD"


def test_account_statements_are_due_on_the_last_day(books: Books) -> None:
    """Of a month that was billed before it; a month that is caught up later promises none."""
    books.bill("2026-11")
    settled_at(books)
    last = datetime(2026, 11, 30, 18, tzinfo=UTC)
    assert ("account_statements", "2026-11") not in late(books, last - timedelta(minutes=1))
    assert late(books, last)["account_statements", "2026-11"] == "NO_RUN"
    books.state("2026-11")
    assert levels(books, last)["account_statements", "2026-11"].state == "ok"
    settled_at(books, datetime(2026, 12, 3, tzinfo=UTC))
    assert ("account_statements", "2026-11") not in levels(books, datetime(2027, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize(("dag_id", "hour"), [("payment_retries", 12), ("payment_reconciliation", 9)])
def test_a_daily_run_is_due_from_the_day_after_the_first_issue(books: Books, dag_id: str, hour: int) -> None:
    """The first day without a run that ended; why: none began, one is under way, one failed."""
    books.bill("2026-11")
    settled_at(books)
    assert not [name for name, _ in levels(books, NOON) if name == dag_id]
    due = datetime(2026, 11, 2, hour, tzinfo=UTC)
    assert levels(books, due - timedelta(seconds=1))[dag_id, "2026-11-02"].state == "due"
    assert late(books, due + timedelta(days=3))[dag_id, "2026-11-02"] == "NO_RUN"

    reported(books, dag_id, "begun", due)
    assert late(books, due + timedelta(days=3))[dag_id, "2026-11-02"] == "RUN_UNDER_WAY"
    reported(books, dag_id, "failed", due, detail="gateway: can't be reached")
    assert late(books, due + timedelta(days=3))[dag_id, "2026-11-02"] == "RUN_FAILED"
    reported(books, dag_id, "done", due)
    done = levels(books, due + timedelta(minutes=1))[dag_id, "2026-11-02"]
    assert (done.state, done.done_at, done.reason_id) == ("ok", due, None)
    assert late(books, due + timedelta(days=1))[dag_id, "2026-11-03"] == "NO_RUN"


def test_a_daily_run_that_ended_and_failed_is_not_late_but_needs_somebody(books: Books) -> None:
    """The comparison took place and found a break: its task fails after it reported that it ended."""
    books.bill("2026-11")
    settled_at(books)
    day = datetime(2026, 11, 2, 6, tzinfo=UTC)
    reported(books, "payment_reconciliation", "done", day)
    reported(books, "payment_reconciliation", "failed", day, detail="2 breaks")
    found = levels(books, day + timedelta(hours=8))["payment_reconciliation", "2026-11-02"]
    assert (found.state, found.reason_id, found.needs_somebody) == ("ok", "RUN_FAILED", True)


def test_mail_that_waits_is_late_after_an_hour(books: Books) -> None:
    """Because no run began, a run failed, or the mail server refuses it."""
    books.bill("2026-11")
    settled_at(books)
    assert levels(books, NOON + timedelta(minutes=59))["mail_delivery", None].state == "due"
    now = NOON + timedelta(hours=3)
    found = levels(books, now)["mail_delivery", None]
    assert (found.state, found.reason_id, found.accounts, found.statements) == ("late", "NO_RUN", 2, 2)
    reported(books, "mail_delivery", "done", NOON + timedelta(hours=2))
    assert late(books, now)["mail_delivery", None] == "NOT_SENT"
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update billing.mail set last_error = 'the mail server refuses it for now'")
    assert late(books, now)["mail_delivery", None] == "MAIL_REFUSED"
    reported(books, "mail_delivery", "failed", NOON + timedelta(hours=2), detail="mail server: can't be reached")
    assert late(books, now)["mail_delivery", None] == "RUN_FAILED"


def test_a_time_limit_can_be_moved_or_taken_away(books: Books) -> None:
    """From a day on; the audit has who and why. The days before keep theirs."""
    with psycopg.connect(books.writer) as connection:
        change = "select billing.set_service_level('connector_statements', %s, %s, 'ann', 'the platform is slow')"
        connection.execute(change, ("2026-11-01", timedelta(days=2)))
        connection.execute(change, ("2027-01-01", None))
    assert ("connector_statements", "2026-11") not in late(books, datetime(2026, 11, 2, 23, tzinfo=UTC))
    assert ("connector_statements", "2026-11") in late(books, datetime(2026, 11, 3, tzinfo=UTC))
    books.bill("2026-12")
    monthly = [key for key in levels(books, datetime(2027, 3, 1, tzinfo=UTC)) if key[0] == "connector_statements"]
    assert [period for _, period in monthly] == ["2026-12"]
    events = rows(books.writer, "select actor, subject_id from finance.audit_events where action like 'service%'")
    assert events == [("ann", "connector_statements")] * 2


def test_a_month_that_waits_for_a_person_is_said_and_reminded_of(books: Books) -> None:
    """Since when, until when, for how many accounts and how much; no more once it is decided."""
    asked = datetime(2026, 11, 1, 12, 10, tzinfo=UTC)
    run_id, *_ = stage(books.services, "2026-11")
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        ((plan_id,),) = connection.execute(
            """insert into billing.plan (run_id, period, plan_hash, seal, epoch, not_compared, statements, connectors,
                                         on_hold, first_billed)
               values (%s, '2026-11', repeat('a', 64), '', 1, 'first', 2, 2, 0, 2) returning plan_id""",
            (run_id,),
        ).fetchall()
        connection.execute(
            """insert into billing.plan_account (plan_id, account_id, currency, minor_unit, connectors_before,
                   connectors_now, total_before_minor, total_now_minor, is_on_hold, is_first)
               select %s, unnest(array['a', 'b']), 'EUR', 2, 0, 1, 0, 595, false, true""",
            (plan_id,),
        )
        connection.execute(
            """insert into billing.approval_request (plan_id, scope, asked_at, remind_at, due_at, reason_ids, reasons)
               values (%s, 'all', %s, %s, %s, array['ALWAYS'], array['the policy asks'])""",
            (plan_id, asked, asked + timedelta(hours=36), asked + timedelta(hours=48)),
        )
    found = levels(books, asked + timedelta(hours=1))
    waits = found["approval", "2026-11"]
    assert (waits.state, waits.accounts, str(waits.money["EUR"]), waits.needs_somebody) == ("due", 2, "11.90", True)
    assert "rejected at 2026-11-03 12:10 UTC" in str(waits.reason)
    month = found["connector_statements", "2026-11"]
    assert (month.reason_id, month.needs_somebody) == ("WAITING_FOR_APPROVAL", False)
    reminded = levels(books, asked + timedelta(hours=36))["approval", "2026-11"]
    assert causes_of(waits) == ["approval:2026-11"]
    assert causes_of(reminded) == ["approval:2026-11", "approval:2026-11:reminder"]
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            """insert into billing.plan_decision (plan_id, plan_hash, scope, decision, decided_by, actor, reason)
               values (%s, repeat('a', 64), 'all', 'approved', 'person', 'ann', 'seen')""",
            (plan_id,),
        )
    assert ("approval", "2026-11") not in levels(books, asked + timedelta(hours=37))
