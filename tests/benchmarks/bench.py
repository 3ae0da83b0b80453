"""`make bench`: a month on N connectors by the product, by hand-written SQL and by naive pandas, side by side.

All on an embedded Postgres with durable settings, unless asked for weak ones, in one run, alternating, medians. No
scheduler takes part: what it adds is measured by tests/benchmarks/overhead.py. Results go to docs/benchmarks as JSON,
from which the plot is made.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console

from evbilling import __version__
from tests.benchmarks.charges import charges_per_second
from tests.benchmarks.documents import documents_per_second
from tests.benchmarks.mails import mails_per_second
from tests.benchmarks.measure import Measured
from tests.benchmarks.month import Readers, World, empty_warehouse, issued, prepare, product_month, yardstick
from tests.benchmarks.naive import naive_month
from tests.benchmarks.one_account import run as one_account
from tests.benchmarks.plot import write_plot
from tests.benchmarks.report import median_total, medians, show, total
from tests.benchmarks.two_months import run as two_months
from tests.support.postgres import PostgresServer

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
# The yardstick's session may take what it likes; the product gets the server's settings.
_YARDSTICK_SETTINGS = {"work_mem": "256MB", "maintenance_work_mem": "1GB"}


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description="time a month's own work on N connectors")
    parser.add_argument("--connectors", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only",
        choices=["month", "two-months", "one-account", "charges", "month-end", "documents", "pages", "mails"],
        help="a part of it",
    )
    parser.add_argument("--weak", action="store_true", help="without fsync, full pages in the log, or waiting for it")
    parser.add_argument("--keep", action="store_true", help="write the results to docs/benchmarks")
    args = parser.parse_args()
    # The made-up accounts give validation warnings on purpose; between the tables they would be noise.
    logging.basicConfig(level=logging.ERROR)
    console = Console()
    result: dict[str, Any] = _machine(args.connectors, args.rounds) | {"is_durable": not args.weak}
    with tempfile.TemporaryDirectory() as folder, PostgresServer(Path(folder), durable=not args.weak) as server:
        if args.only in {None, "month"}:
            result["month"] = _month(server, args.connectors, args.rounds, console)
        if args.only in {None, "two-months"}:
            result["two_months"] = two_months(server, args.connectors, args.rounds, console)
        if args.only == "one-account":
            result["one_account"] = one_account(server, args.connectors, args.rounds, console)
        if args.only in {None, "charges"}:
            result["charges"] = charges_per_second(server)
            console.print(result["charges"]["says"])
        if args.only in {None, "documents"}:
            result["documents"] = documents_per_second()
            console.print(result["documents"]["says"])
        if args.only in {None, "mails"}:
            result["mails"] = mails_per_second(server)
            console.print(result["mails"]["says"])
        if args.only in {None, "month-end"}:
            from tests.benchmarks.month_end import run as month_end

            result["month_end"] = month_end(server, max(50, args.connectors // 100), args.rounds)
        if args.only in {None, "pages"}:
            from tests.benchmarks.pages import page_times

            result["pages"] = page_times(server, max(50, args.connectors // 100))
            console.print(result["pages"]["says"])
    if args.keep:
        _DOCS.mkdir(parents=True, exist_ok=True)
        name = f"{args.only or 'all'}-{args.connectors}{'-weak' if args.weak else ''}.json"
        (_DOCS / name).write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        write_plot(_DOCS)
    return 0


def _month(server: PostgresServer, connectors: int, rounds: int, console: Console) -> dict[str, Any]:
    world = prepare(server, max(1, connectors // 100))
    tenth = prepare(server, max(1, connectors // 1000))
    console.print(f"{world.accounts:,} accounts, {world.connector_rows:,} connector rows; naive pandas has a tenth")
    ours: list[list[Measured]] = []
    sql: list[list[Measured]] = []
    naive: list[list[Measured]] = []
    wal: list[float] = []
    waits: list[float] = []
    lock_waits = 0
    for number in range(rounds):
        empty_warehouse(world.admin_url)
        readers, before = Readers(world.admin_url), _wal(world)
        ours.append(product_month(world, readers))
        wal.append((_wal(world) - before) / 2**20)
        waits, lock_waits = waits + readers.waits, lock_waits + readers.waited_for_locks
        by_product = issued(world.admin_url)
        empty_warehouse(world.admin_url)
        sql.append(yardstick(world, _YARDSTICK_SETTINGS))
        if (by_sql := issued(world.admin_url)) != by_product:
            sys.exit(f"the yardstick issued something else: {by_sql} instead of {by_product}")
        empty_warehouse(world.admin_url)
        naive.append(naive_month(tenth))
        console.print(
            f"round {number + 1}: product {total(ours[-1]):.2f} s, SQL {total(sql[-1]):.2f} s,"
            f" naive pandas {10 * total(naive[-1]):.1f} s (a tenth in {total(naive[-1]):.1f} s, times ten)"
        )
    rows = sum(r["connectors"] for m in ours[0] if m.step == "extract inventory" for r in m.results)
    show(console, f"the product: {rows:,} connectors", ours, rows)
    show(console, "hand-written SQL", sql, rows)
    a, b = median_total(ours), median_total(sql)
    c = 10 * median_total(naive)
    publishing = statistics.median(m.result["seconds"] for r in ours for m in r if m.step.startswith("issue"))
    console.print(
        f"product / SQL = {a / b:.2f}, naive pandas / product = {c / a:.1f};"
        f" the publishing transaction {publishing:.2f} s;"
        f" readers meanwhile: longest {1000 * max(waits):.0f} ms, {lock_waits} lock waits seen;"
        f" WAL {statistics.median(wal):,.0f} MiB"
    )
    return {
        "rows": rows,
        "product_s": a,
        "sql_s": b,
        "naive_s": c,
        "product_over_sql": a / b,
        "naive_over_product": c / a,
        "product_rows_per_s": rows / a,
        "publishing_s": publishing,
        "longest_read_ms": 1000 * max(waits),
        "reader_lock_waits": lock_waits,
        "wal_mib": statistics.median(wal),
        "product": medians(ours),
        "sql": medians(sql),
        "naive_tenth": medians(naive),
        "product_peak_mib": max(m.peak_mib for r in ours for m in r),
        "naive_peak_mib": max(m.peak_mib for r in naive for m in r),
    }


def _machine(connectors: int, rounds: int) -> dict[str, Any]:
    return {
        "connectors": connectors,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "version": __version__,
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _wal(world: World) -> int:
    with psycopg.connect(world.admin_url) as connection:
        row = connection.execute("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
        return int(row[0]) if row else 0


if __name__ == "__main__":
    raise SystemExit(main())
