"""A month's end two ways: the product's steps and hand-written SQL, on 7 charges and 3 connectors an account.

Both state the same accounts under the same constraints, in one run, alternating, and must come to the same figures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from evbilling.account_statements import assemble
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from tests.benchmarks.measure import Measured, measured, measured_here, measured_script
from tests.benchmarks.month import PERIOD, World, prepare, product_month
from tests.benchmarks.report import median_total, medians, show, total
from tests.support.postgres import PostgresServer

_LAST_DAY = datetime(2026, 11, 30, 12, tzinfo=UTC)
_YARDSTICK = Path(__file__).with_name("yardstick_month_end.sql")
# The yardstick's session may take what it likes; the product gets the server's settings.
_YARDSTICK_SETTINGS = {"work_mem": "256MB", "maintenance_work_mem": "1GB"}

# The sample spreads its charges over seven months, of which an account's first statement lists only one: here all are
# of this month, well inside it in every zone.
_ALL_CHARGES_IN_THE_MONTH = """
update platform.account_charge
set occurred_at = '2026-11-01T00:00:00Z'::timestamptz + greatest(
        least(occurred_at - date_trunc('month', occurred_at, 'UTC'), interval '27 days 23:59:59'), interval '1 day')
"""
# Two statements in three are paid by the gateway and one in twenty in part outside, as the product's functions would
# record it, transfers and all; in bulk, as a hundred thousand calls would take longer than what is measured.
_PAY = """
with paid as (
    insert into billing.payment_attempt (
        statement_id, attempt_no, trigger, occasion, batch, requested_by, currency, minor_unit, amount_minor, customer,
        payment_method, idempotency_key, outcome, sent_at, gateway_payment_id, settled_at)
    select statement_id, 1, 'issue', 'bench', 'bench', 'bench', currency, minor_unit, total_minor, 'cus', 'pm',
           'bench/' || statement_id, 'succeeded', issued_at, 'pi_' || md5(statement_id), issued_at
    from billing.statement where kind = 'connector' and number % 3 > 0 order by statement_id
    returning attempt_id, statement_id, amount_minor, currency
)
insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, attempt_id)
select 'payment', statement_id, 'cash', 'receivable', amount_minor, currency, attempt_id from paid;
with paid as (
    insert into billing.paid_outside (
        request_id, statement_id, amount_minor, currency, minor_unit, paid_on, reference, actor, reason)
    select 'bench/' || statement_id, statement_id, (total_minor + 1) / 2, currency, minor_unit, '2026-11-20', 'bench',
           'bench', 'bench'
    from billing.statement where kind = 'connector' and number % 60 = 0 order by statement_id
    returning paid_outside_id, statement_id, amount_minor, currency
)
insert into billing.transfer (
    kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
select 'paid_outside', statement_id, 'paid_outside', 'receivable', amount_minor, currency, paid_outside_id from paid
"""
_DROP_STATED = """
drop table if exists {tables};
delete from billing.validation_result v using billing.run r
where r.run_id = v.run_id and r.dag_id = 'account_statements';
delete from billing.audit_event where action = 'issue_account_statements';
delete from billing.statement where kind = 'account';
delete from billing.mail where kind = 'account_statement';
delete from billing.statement_sum where kind = 'account';
delete from billing.statement_counter where kind = 'account';
delete from billing.tie_out where check_id like 'account-statements-%';
delete from billing.run where dag_id = 'account_statements';
truncate billing.account_statement_item, billing.withheld_account
"""
_STATED = """
select (select (count(*), sum(total_minor), max(number), sum(hashtextextended(concat_ws(
                    '|', statement_id, account_id, account_name, financial_admin_id, time_zone, statement_date,
                    currency, minor_unit, net_minor, total_minor), 0)::numeric))
        from billing.statement where period = '2026-11' and kind = 'account'),
       (select (count(*), sum(total_minor), sum(settled_minor), sum(hashtextextended(concat_ws(
                    '|', item_kind, item_id, statement_id, account_id, occurred_at, description, currency, minor_unit,
                    net_minor, tax_minor, total_minor, settled_minor), 0)::numeric))
        from billing.account_statement_item),
       (select last_number from billing.statement_counter where kind = 'account' and period = '2026-11'),
       (select (count(distinct account_id), sum(distinct hashtextextended(account_id, 0)::numeric))
        from billing.withheld_account)
"""
_STAGED = """
select coalesce(string_agg(format('%I.%I', schemaname, tablename), ', '), 'staging.none') from pg_tables
where schemaname = 'staging' and tablename like 'account_run_%'
"""


def run(server: PostgresServer, accounts: int, rounds: int) -> dict[str, Any]:
    """Time month ends of so many accounts; returns medians per step and in all. Exits if the two ways differ."""
    world = prepare(server, accounts, connectors_per_account=3)
    make_ready(world)
    return compare(world, rounds)


def make_ready(world: World) -> None:
    """Issue the month's connector statements by the product, record payments, and have all charges in the month."""
    product_month(world)
    with psycopg.connect(world.admin_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in (_ALL_CHARGES_IN_THE_MONTH, *_PAY.split(";\n")):
            connection.execute(statement.encode())
        connection.execute("vacuum (full, analyze) platform.account_charge")
        connection.execute("vacuum analyze")


def compare(world: World, rounds: int) -> dict[str, Any]:
    """The rounds, product and yardstick alternating on the same record, with a table of each."""
    console = Console()
    ours: list[list[Measured]] = []
    sql: list[list[Measured]] = []
    stated: tuple[Any, ...] = ()
    for number in range(rounds):
        seen = []
        for way, into in ((product_month_end, ours), (_yardstick, sql)):
            forget_stated(world.admin_url)
            into.append(way(world))
            stated = _stated(world.admin_url)
            seen.append(stated)
        if seen[0] != seen[1]:
            sys.exit(f"the yardstick stated something else: {seen[1]} instead of {seen[0]}")
        console.print(f"round {number + 1}: product {total(ours[-1]):.2f} s, SQL {total(sql[-1]):.2f} s")
    forget_stated(world.admin_url)
    items, statements = int(stated[1][0]), int(stated[0][0])
    show(console, f"the product: {statements:,} account statements with {items:,} items", ours, items, "items")
    show(console, "hand-written SQL", sql, items, "items")
    a, b = median_total(ours), median_total(sql)
    console.print(f"month end: product / SQL = {a / b:.2f}")
    return {
        "accounts": world.accounts,
        "statements": statements,
        "items": items,
        "product_s": a,
        "sql_s": b,
        "product_over_sql": a / b,
        "product": medians(ours),
        "sql": medians(sql),
        "product_peak_mib": max(m.peak_mib for r in ours for m in r),
    }


def product_month_end(world: World) -> list[Measured]:
    """The product's steps, each in a process of its own."""
    from evbilling.account_statements import validate

    steps = [measured("assemble", [(_assemble, (world.services,))])]
    run_id = steps[0].result["run_id"]
    suites = ["evbilling.expectations.suites"]
    steps.append(measured("validate", [(validate, (world.services, run_id))], imports=suites))
    rest: list[tuple[str, Callable[..., Any]]] = [
        ("issue", issue_account_statements),
        ("close", close_account_run),
    ]
    return [*steps, *(measured(name, [(step, (world.services, run_id))]) for name, step in rest)]


def _assemble(services: Services) -> dict[str, Any]:
    request = RunRequest(Period.parse(PERIOD), "account_statements", "bench", "bench")
    return assemble(services, request, now=_LAST_DAY)


def _yardstick(world: World) -> list[Measured]:
    """The same tables filled by hand-written SQL in one session and transaction, statement by statement."""
    with psycopg.connect(world.admin_url) as connection:
        for name, value in _YARDSTICK_SETTINGS.items():
            connection.execute(f"set {name} = '{value}'".encode())
        return [*measured_script(connection, _YARDSTICK), measured_here("commit", connection.commit)]


def forget_stated(admin_url: str) -> None:
    """Away with what a round has stated. Triggers forbid it to everyone, so they are off for this one session."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        row = connection.execute(_STAGED.encode()).fetchone()
        connection.execute(_DROP_STATED.format(tables=row[0] if row else "").encode())
        # Each round begins with tables as they were and after a checkpoint: none pays for what another has written.
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def _stated(admin_url: str) -> tuple[Any, ...]:
    with psycopg.connect(admin_url) as connection:
        return connection.execute(_STATED.encode()).fetchone() or ()
