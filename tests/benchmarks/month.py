"""Times a month's own work on a made-up platform: `make bench`, or `make bench N=1000000`.

Each step runs as in its task, in a process of its own, against an embedded Postgres with durable settings. Wall and CPU
time are the step's alone, without imports; memory is the process's peak. No scheduler takes part.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from evbilling.period import Period
from evbilling.platform.sample import sample_settings, write_sample
from evbilling.settings.store import record_settings
from evbilling.sqlfiles import load_sql
from evbilling.stack.postgres import EmbeddedPostgres
from evbilling.statements.services import Services
from evbilling.warehouse.migrate import migrate

TODAY = date(2026, 11, 15)
PERIOD = "2026-11"
SEED = 1
_DROP_ISSUED = """
select billing.drop_stage(run_id) from billing.run;
drop table if exists billing.connector_decision_2026_11;
truncate billing.run, billing.run_shard, billing.validation_result, billing.tie_out, billing.unbilled_account,
         billing.fence, billing.statement_counter, billing.statement, billing.audit_event cascade
"""


@dataclass(frozen=True)
class Measured:
    """One step of one round."""

    step: str
    wall: float
    cpu: float
    peak_mib: float
    result: Any


def _measure(queue: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    start, cpu = time.monotonic(), time.process_time()
    result = function(*args)
    spent = time.monotonic() - start, time.process_time() - cpu
    queue.put((*spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result))


def measured(step: str, function: Callable[..., Any], *args: Any) -> Measured:
    """Run a step in a process of its own; exits with a message if it fails."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure, args=(queue, function, args))
    process.start()
    while process.is_alive() and queue.empty():
        process.join(0.02)
    if queue.empty() and process.exitcode:
        sys.exit(f"{step} failed; its error stands above")
    wall, cpu, peak, result = queue.get()
    process.join()
    return Measured(step, wall, cpu, peak, result)


def _open(services: Services) -> dict[str, Any]:
    from evbilling.statements.opening import RunRequest, open_run

    request = RunRequest(Period.parse(PERIOD), "connector_statements", "bench", "bench")
    return open_run(services, request, now=datetime(2026, 11, 2, tzinfo=UTC))


def one_month(services: Services) -> list[Measured]:
    """All steps of one month, one after the other; shards too, so that the figures are one core's."""
    from evbilling.statements.closing import close_run
    from evbilling.statements.decisions import apply_scope_rules
    from evbilling.statements.extraction import extract_inventory
    from evbilling.statements.issuing import issue_statements
    from evbilling.statements.validation import validate

    steps = [measured("open run", _open, services)]
    run_id, shards = steps[0].result["run_id"], steps[0].result["shards"]
    steps += [measured("extract inventory", extract_inventory, services, run_id, shard) for shard in shards]
    steps += [measured("apply scope rules", apply_scope_rules, services, run_id, shard) for shard in shards]
    for name, function in (("validate", validate), ("issue statements", issue_statements), ("close run", close_run)):
        steps.append(measured(name, function, services, run_id))
    return steps


def prepare(server: EmbeddedPostgres, connectors: int) -> tuple[Services, str]:
    """A platform of about so many connectors and a migrated warehouse; returns them and the admin's URL."""
    platform, warehouse = server.create_database("platform"), server.create_database("warehouse")
    with psycopg.connect(platform) as connection:
        connection.execute(load_sql("platform/tables.sql").encode())
    migrate(warehouse)
    server.set_password("evbilling_writer", "bench")
    accounts = max(1, connectors // 100)
    made = write_sample(platform, accounts, SEED, TODAY)
    record_settings(warehouse, sample_settings(accounts, SEED, TODAY), "bench")
    print(f"{made.accounts:,} accounts, {made.chargers:,} charger rows, {made.connectors:,} connector rows")
    writer = server.url("evbilling_writer", "warehouse", password="bench")
    return Services(platform, writer, str(server.directory / "evidence")), warehouse


def empty_warehouse(admin_url: str) -> None:
    """Away with what a round has issued. Triggers forbid it to everyone, so they are off for this one session."""
    with psycopg.connect(admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(_DROP_ISSUED)


def report(rounds: list[list[Measured]]) -> None:
    """A row per step: medians over the rounds of its time and rows, the highest peak of memory."""
    decided = sum(m.result["connectors"] for m in rounds[0] if m.step == "extract inventory")
    table = Table("step", "wall s", "CPU s", "peak MiB", "connectors/s", title=f"{decided:,} connectors extracted")
    for column in table.columns[1:]:
        column.justify = "right"
    total = 0.0
    for step in dict.fromkeys(m.step for m in rounds[0]):
        wall = statistics.median(sum(m.wall for m in month if m.step == step) for month in rounds)
        cpu = statistics.median(sum(m.cpu for m in month if m.step == step) for month in rounds)
        peak = max(m.peak_mib for month in rounds for m in month if m.step == step)
        total += wall
        table.add_row(step, f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}", f"{decided / wall:,.0f}")
    table.add_row("the month", f"{total:.2f}", "", "", f"{decided / total:,.0f}", style="bold")
    Console().print(table)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description="time a month's own work")
    parser.add_argument("--connectors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        services, admin_url = prepare(server, args.connectors)
        rounds = []
        for number in range(args.rounds):
            empty_warehouse(admin_url)
            rounds.append(one_month(services))
            print(f"round {number + 1}: {sum(m.wall for m in rounds[-1]):.2f} s")
        report(rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
