"""Each DAG paused, killed, failed, delayed, each server away: what is said, as docs/service-levels.md has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.alerts.messages import about
from evbilling.service_levels import read_service_levels, with_airflow
from tests.support.books import Books

pytestmark = pytest.mark.postgres

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "service-levels.md"
HEAD = "| what happens | `finance.service_levels` | line on the pages | `evbilling check` | alert: why |"
NOVEMBER = datetime(2026, 11, 1, 12, 5, tzinfo=UTC)
LAST = datetime(2026, 11, 30, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)

RUN = (
    "insert into billing.run (dag_id, airflow_run_id, period, state, actor, code_version, source, shard_count, failure)"
)
POLICY = "insert into billing.missed_month_policy (account_id, policy, actor, reason, recorded_at)"
DAILY = ("payment_retries", "payment_reconciliation", "missed_months")
EVENT = "insert into billing.dag_event (dag_id, airflow_run_id, task_id, period, event, detail, occurred_at)"


def run(dag_id: str, period: str, state: str, failure: str = "") -> str:
    return f"{RUN} values ('{dag_id}', 'run', '{period}', '{state}', 'a', 'v', 's', 1, '{failure}')"


def event(dag_id: str, kind: str, at: datetime, detail: str = "", task: str = "t", period: str | None = None) -> str:
    month = f"'{period}'" if period else "null"
    return f"{EVENT} values ('{dag_id}', 'run', '{task}', {month}, '{kind}', '{detail}', '{at.isoformat()}')"


class Table:
    """Rows of the table: a situation is made, read, and taken back."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.lines: list[str] = []

    def row(
        self,
        what: str,
        now: datetime,
        *statements: str,
        about_level: str,
        paused: tuple[str, ...] = (),
        is_down: bool = False,
        has_pages: bool = True,
    ) -> None:
        with psycopg.connect(self.books.warehouse.admin_url) as connection:
            connection.execute("set session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())
            levels = with_airflow(read_service_levels(connection, now), paused, is_down=is_down)
            connection.rollback()
        concerned = [level for level in levels if level.needs_somebody or level.service_level == about_level]
        newest = [level for level in concerned if level.service_level == about_level][:1]
        assert [level for level in concerned if level.needs_somebody] in ([], newest), (what, concerned)
        (level,) = newest
        period = f" {level.period}" if level.period else ""
        found = f"`{level.service_level}`{period}: {level.state}{f', `{level.reason_id}`' if level.reason_id else ''}"
        found = "none" if about_level == "airflow" else found
        said = about(level, "", "began", "", "") if level.needs_somebody else None
        on_pages = "no page answers" if not has_pages else level.title if said else "none"
        line = f"| {what} | {found} | {on_pages} | {int(bool(said))} |"
        self.lines.append(f"{line} {said.why if said else 'none is sent'} |")


@pytest.fixture
def table(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Table:
    """November is issued on its 1st, and its mail is sent."""
    books = Books(platform_db, warehouse_db, tmp_path)
    books.open("a", "b")
    books.bill("2026-11")
    _settled(books, NOVEMBER)
    return Table(books)


def _settled(books: Books, at: datetime) -> None:
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update billing.run set opened_at = %(at)s, settled_at = %(at)s", {"at": at})
        connection.execute(
            "update billing.mail set state = 'sent', sent_at = %s, recipient = 'x', message_id = 'x'", (at,)
        )


def _daily(table: Table, dag_id: str, server: str, due: datetime) -> None:
    """A daily DAG's situations, a day after its last run ended."""
    before = event(dag_id, "done", due - timedelta(days=1))
    hour = f"{due:%H:%M}"
    options: dict[str, Any] = {"about_level": dag_id}
    fine = "; ".join(event(other, "done", due - timedelta(hours=3)) for other in DAILY if other != dag_id)
    if dag_id == "missed_months":
        fine += f"; {POLICY} values (null, 'forgive', 'a', 'r', '{NOVEMBER}')"
    table.row(f"`{dag_id}` is delayed, before {hour}", due - timedelta(minutes=1), before, fine, **options)
    table.row(f"`{dag_id}` is paused", due, before, fine, paused=(dag_id,), **options)
    table.row(
        f"`{dag_id}` is paused after the day's run", due, event(dag_id, "done", due), fine, paused=(dag_id,), **options
    )
    table.row(f"`{dag_id}` doesn't begin", due, before, fine, **options)
    table.row(f"`{dag_id}` is killed", due, before, fine, event(dag_id, "begun", due), **options)
    failed = event(dag_id, "failed", due, f"{server} can''t be reached")
    table.row(f"`{dag_id}` fails: {server} doesn't answer", due, before, fine, failed, **options)


def test_the_table_of_what_is_late_is_what_happens(table: Table) -> None:
    """Every DAG and every server; nothing else is said at the same time."""
    books = table.books
    evening = NOVEMBER + timedelta(hours=12)
    charge = {"task": "charge", "period": "2026-11"}
    charges: dict[str, Any] = {"about_level": "charges"}
    month: dict[str, Any] = {"about_level": "connector_statements"}
    table.row("`charge` is delayed, 11 hours after the issue", evening - timedelta(hours=1), **charges)
    begun = event("connector_statements", "begun", NOVEMBER, **charge)
    table.row("`charge` is killed", evening, begun, **charges)
    failed = event("connector_statements", "failed", NOVEMBER, "gateway", **charge)
    table.row("`charge` fails: the gateway doesn't answer", evening, failed, **charges)

    for account in ("a", "b"):
        books.pay(books.statement(account, "2026-11", "connector"))
    daily = [
        event(dag_id, "done", LAST + timedelta(hours=12)) for dag_id in ("payment_retries", "payment_reconciliation")
    ]
    due = LAST + timedelta(hours=18)
    end: dict[str, Any] = {"about_level": "account_statements"}
    table.row("`account_statements` is delayed, before 18:00", due - timedelta(minutes=1), *daily, **end)
    table.row("`account_statements` is paused", due, *daily, paused=("account_statements",), **end)
    table.row("`account_statements` doesn't begin", due, *daily, **end)
    table.row("`account_statements` is killed", due, *daily, run("account_statements", "2026-11", "open"), **end)
    broken = run("account_statements", "2026-11", "failed", "platform")
    table.row("`account_statements` fails: the platform doesn't answer", due, *daily, broken, **end)

    books.state("2026-11")
    _settled(books, NOVEMBER)
    due = DECEMBER + timedelta(hours=18)
    daily = [
        event(dag_id, "done", DECEMBER + timedelta(hours=12))
        for dag_id in ("payment_retries", "payment_reconciliation")
    ]
    at = due - timedelta(hours=1)
    table.row("`connector_statements` is delayed, before 18:00", due - timedelta(minutes=1), *daily, **month)
    table.row("`connector_statements` is paused", due, *daily, paused=("connector_statements",), **month)
    table.row("`connector_statements` doesn't begin", due, *daily, **month)
    down: dict[str, Any] = {"about_level": "airflow", "is_down": True}
    table.row("Airflow's scheduler is killed", at, *daily, **down)
    table.row("Airflow's API server, which has the pages, is killed", at, *daily, has_pages=False, **down)
    table.row("`connector_statements` is killed", due, *daily, run("connector_statements", "2026-12", "open"), **month)
    broken = run("connector_statements", "2026-12", "failed", "platform")
    table.row("`connector_statements` fails: the platform doesn't answer", due, *daily, broken, **month)

    waits = [
        run("connector_statements", "2026-12", "open"),
        """insert into billing.plan (run_id, period, plan_hash, seal, epoch, compared_with, statements, connectors,
                                    on_hold, first_billed)
           select max(run_id), '2026-12', repeat('a', 64), '', 1, '2026-11', 2, 2, 0, 0 from billing.run""",
        f"""insert into billing.approval_request (plan_id, scope, asked_at, remind_at, due_at, reason_ids, reasons)
            select max(plan_id), 'all', '{DECEMBER}', '{DECEMBER + timedelta(hours=36)}',
                   '{DECEMBER + timedelta(hours=48)}', array['ALWAYS'], array['always']
            from billing.plan""",
    ]
    table.row("a month waits for a person", at, *daily, *waits, about_level="approval")

    day = LAST
    _daily(table, "payment_reconciliation", "the gateway", day + timedelta(hours=9))
    _daily(table, "payment_retries", "the gateway", day + timedelta(hours=12))
    _daily(table, "missed_months", "the platform", day + timedelta(hours=22))

    now = LAST + timedelta(hours=15)
    daily = [
        event(dag_id, "done", now - timedelta(hours=3)) for dag_id in ("payment_retries", "payment_reconciliation")
    ]
    queued = f"update billing.mail set state = 'pending', sent_at = null, created_at = '{now - timedelta(minutes=90)}'"
    fresh = queued.replace(str(now - timedelta(minutes=90)), str(now - timedelta(minutes=50)))
    mail: dict[str, Any] = {"about_level": "mail_delivery"}
    table.row("mail has waited for 50 minutes", now, *daily, fresh, **mail)
    table.row("`mail_delivery` is paused", now, *daily, queued, paused=("mail_delivery",), **mail)
    table.row("`mail_delivery` doesn't begin", now, *daily, queued, **mail)
    table.row("`mail_delivery` is killed", now, *daily, queued, event("mail_delivery", "begun", now), **mail)
    down = event("mail_delivery", "failed", now, "can''t be reached")
    table.row("the mail server doesn't answer", now, *daily, queued, down, **mail)
    busy = queued + ", last_error = 'the mail server refuses it for now'"
    table.row("the mail server refuses mail for now", now, *daily, busy, event("mail_delivery", "done", now), **mail)
    table.row("no mail server is defined", now, *daily, queued, event("mail_delivery", "done", now), **mail)

    gateway: dict[str, Any] = {"about_level": "gateway"}
    refused = [
        f"""update billing.payment_attempt
            set outcome = 'refused', decline_code = 'api_key_expired', settled_at = '{now}' where attempt_no = 1""",
        "update billing.standing set balance_minor = total_minor, paid_minor = 0, has_failed = true",
    ]
    table.row("the gateway refuses our key", now, *daily, *refused, **gateway)
    hold = f"insert into billing.charging_hold (sign, detail, held_since) values ('server', 'restored', '{now}')"
    table.row("the warehouse was restored: charging is on hold", now, *daily, hold, **gateway)

    table.lines.append(
        "| the warehouse doesn't answer | none | each page is an error | 2 | the warehouse doesn't answer |"
    )
    expected = "\n".join([HEAD, "| --- | --- | --- | --- | --- |", *table.lines]) + "\n"
    if expected not in DOCUMENT.read_text(encoding="utf-8"):
        pytest.fail(f"put this into docs/service-levels.md:\n{expected}")
