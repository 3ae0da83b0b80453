"""A month of connector statements, three ways: the product's steps, hand-written SQL, naive pandas."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    extract_inventory,
    issue,
    open_run,
    plan_statements,
    planning,
)
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from evbilling.settings import record_settings
from evbilling.warehouse import load_sql, migrate
from evbilling_local.sample import sample_settings, write_sample
from tests.benchmarks.measure import Measured, measured, measured_script
from tests.support.postgres import PostgresServer

TODAY = date(2026, 11, 15)
PERIOD = "2026-11"
# The month before: chargers open, move and end between the two counts as in any month.
BEFORE = "2026-10"
SEED = 1
_worlds = itertools.count(1)
_YARDSTICK = Path(__file__).with_name("yardstick.sql")
_DROP_ISSUED = """
select billing.drop_stage(run_id) from billing.run;
drop table if exists billing.connector_decision_2026_10, billing.connector_decision_2026_11;
truncate billing.run, billing.run_shard, billing.validation_result, billing.tie_out, billing.unbilled_account,
         billing.fence, billing.statement_counter, billing.statement, billing.transfer, billing.audit_event,
         billing.mail, billing.standing, billing.statement_sum, billing.account_name, billing.plan_account,
         billing.plan_change, billing.plan_sum cascade;
do $$
declare
    v_table text;
    v_month text;
begin
    foreach v_month in array array['2026_10', '2026_11'] loop
        continue when to_regclass('billing.statement_' || v_month) is null;
        foreach v_table in array array['statement', 'transfer', 'standing', 'mail'] loop
            execute format('alter table billing.%I detach partition billing.%I', v_table, v_table || '_' || v_month);
        end loop;
        execute format('drop table billing.statement_%1$s, billing.transfer_%1$s, billing.standing_%1$s,
                        billing.mail_%1$s', v_month);
    end loop;
end
$$
"""
_ISSUED = """
select (select (count(*), count(*) filter (where rule_id is null), sum(unit_price_minor),
                sum(hashtextextended(account_id || charger_id || connector_id || coalesce(rule_id, ''), 0)::numeric))
        from billing.connector_decision where period = '2026-11'),
       (select (count(*), sum(total_minor), sum(hashtextextended(account_id || number || total_minor, 0)::numeric))
        from billing.statement where period = '2026-11' and kind = 'connector'),
       (select count(distinct account_id) from billing.unbilled_account where period = '2026-11')
"""


@dataclass(frozen=True)
class World:
    """A made-up platform and a warehouse in one database: the SQL yardstick can't reach into another."""

    services: Services
    admin_url: str
    accounts: int
    connector_rows: int


def prepare(server: PostgresServer, accounts: int, connectors_per_account: int = 100) -> World:
    """A platform of about so many connectors and a migrated warehouse, in a database of their own."""
    name = f"bench_{next(_worlds)}"
    admin_url = server.create_database(name)
    with psycopg.connect(admin_url) as connection:
        connection.execute(load_sql("scripts/local/platform.sql").encode())
    migrate(admin_url)
    server.set_password("evbilling_writer", "bench")
    made = write_sample(admin_url, accounts, SEED, TODAY, connectors_per_account)
    record_settings(admin_url, sample_settings(accounts, SEED, TODAY, connectors_per_account), "bench")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    writer = server.url("evbilling_writer", name, password="bench")
    return World(
        Services(admin_url, writer, str(server.directory / "evidence" / name)), admin_url, accounts, made.connectors
    )


def empty_warehouse(admin_url: str) -> None:
    """Away with what a round has issued. Triggers forbid it to everyone, so they are off for this one session."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(_DROP_ISSUED)
        # Each round begins after a checkpoint: none pays for the pages that another has written.
        connection.execute("checkpoint")


def issued(admin_url: str) -> tuple[Any, ...]:
    """What a round has issued, in a few sums: those of the product and of the yardstick must be equal."""
    with psycopg.connect(admin_url) as connection:
        return connection.execute(_ISSUED).fetchone() or ()


def _open(services: Services, period: str) -> dict[str, Any]:
    request = RunRequest(Period.parse(period), "connector_statements", "bench", "bench")
    return open_run(services, request, now=datetime(2026, 11, 2, tzinfo=UTC))


def _timed(module: Any, name: str, step: Callable[..., dict[str, Any]], services: Services, run_id: int) -> Any:
    """What the step returns, with the seconds that the module's function `name` took in it."""
    function, spent = getattr(module, name), []

    def timed(*args: Any, **options: Any) -> Any:
        start = time.monotonic()
        try:
            return function(*args, **options)
        finally:
            spent.append(time.monotonic() - start)

    setattr(module, name, timed)
    return {**step(services, run_id), "seconds": sum(spent)}


def _plan(services: Services, run_id: int) -> Any:
    """The step, with the time that it took beyond drafting: the change by cause, and the hashes."""
    return _timed(planning, "select_row", plan_statements, services, run_id)


def _issue(services: Services, run_id: int) -> Any:
    """The step, with the time that its publishing transaction took."""
    return _timed(issue, "_publish", issue.issue_statements, services, run_id)


def product_month(world: World, readers: Readers | None = None, period: str = PERIOD) -> list[Measured]:
    """The product's steps, each part in a process of its own, as many at once as there are cores."""
    from evbilling.connector_statements import validate

    services = world.services
    steps = [measured("open run", [(_open, (services, period))])]
    run_id, parts = steps[0].result["run_id"], steps[0].result["parts"]
    steps += [
        measured("extract inventory", [(extract_inventory, (services, run_id, part)) for part in parts]),
        measured("apply scope rules", [(apply_scope_rules, (services, run_id, part)) for part in parts]),
        measured("validate", [(validate, (services, run_id))], imports=["evbilling.expectations.suites"]),
    ]
    steps.append(measured("plan", [(_plan, (services, run_id))]))
    if readers:
        readers.start()
    steps.append(measured("issue statements", [(_issue, (services, run_id))]))
    if readers:
        readers.stop()
    return [*steps, measured("close run", [(close_run, (services, run_id))])]


def yardstick(world: World, settings: dict[str, str]) -> list[Measured]:
    """The same tables filled by hand-written SQL in one session, statement by statement."""
    with psycopg.connect(world.admin_url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"set {name} = '{value}'".encode())
        return measured_script(connection, _YARDSTICK)


class Readers:
    """Reads as finance does while the month is published, and remembers how long the longest read was held up."""

    _QUERIES = (
        "select count(*) from finance.statement_lines where period = '2026-11' and account_id = 'acc-000001'",
        "select statement_id from finance.statements where period = '2026-11' limit 1",
        "select count(*) from finance.connector_decisions where period = '2026-10' and account_id = 'acc-000001'",
    )

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.waits: list[float] = []
        self.waited_for_locks = 0

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._read, args=(query,)) for query in self._QUERIES]
        self._threads.append(threading.Thread(target=self._watch))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self, query: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.is_set():
                start = time.monotonic()
                connection.execute(query.encode()).fetchall()
                self.waits.append(time.monotonic() - start)
                time.sleep(0.02)

    def _watch(self) -> None:
        """Counts the moments at which a reader stood waiting for a lock: none is the aim."""
        query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%%finance%%'"
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.is_set():
                row = connection.execute(query.encode()).fetchone()
                self.waited_for_locks += row[0] if row else 0
                time.sleep(0.01)
