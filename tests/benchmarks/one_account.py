"""The same connectors at one account and at many: a large account must cost no more."""

from __future__ import annotations

from typing import Any

import psycopg
from rich.console import Console

from tests.benchmarks.measure import Measured
from tests.benchmarks.month import World, empty_warehouse, prepare, product_month
from tests.benchmarks.report import median_total, show, total
from tests.support.postgres import PostgresServer

_PER_ACCOUNT = 50


def run(server: PostgresServer, connectors: int, rounds: int, console: Console) -> dict[str, Any]:
    """The same number of connectors at one account and at many."""
    many = prepare(server, max(1, connectors // _PER_ACCOUNT), _PER_ACCOUNT)
    one = prepare(server, 1, _PER_ACCOUNT)
    _give_all_to_one(many, one)
    rounds_of: dict[str, list[list[Measured]]] = {"many": [], "one": []}
    for _ in range(rounds):
        for name, world in (("many", many), ("one", one)):
            empty_warehouse(world.admin_url)
            rounds_of[name].append(product_month(world))
            console.print(f"{name}: {total(rounds_of[name][-1]):.2f} s")
    for name, months in rounds_of.items():
        show(console, name, months, connectors)
    one_s, many_s = median_total(rounds_of["one"]), median_total(rounds_of["many"])
    console.print(f"one account / many = {one_s / many_s:.2f}")
    return {"connectors": connectors, "one_s": one_s, "many_s": many_s, "one_over_many": one_s / many_s}


def _give_all_to_one(many: World, one: World) -> None:
    """The chargers of all billed accounts of `many`, sound ones, in `one` at its only account."""
    with psycopg.connect(many.admin_url) as source, psycopg.connect(one.admin_url) as target:
        target.execute("truncate platform.charger, platform.connector")
        account = target.execute("select account_id from billing.account_setting limit 1").fetchone()
        owner = account[0] if account else ""
        charger = f"""select charger_id, '{owner}', name, site, 'Public', '2020-01-01'::timestamptz, null::timestamptz
                      from (select distinct on (charger_id) * from platform.charger order by charger_id) c"""
        connector = """select distinct on (charger_id, connector_id) charger_id, connector_id, standard, power_type,
                              status, '2020-01-01'::timestamptz, null::timestamptz
                       from platform.connector order by charger_id, connector_id"""
        for table, query in (("charger", charger), ("connector", connector)):
            with (
                source.cursor().copy(f"copy ({query}) to stdout (format binary)".encode()) as out,
                target.cursor().copy(f"copy platform.{table} from stdin (format binary)".encode()) as into,
            ):
                for block in out:
                    into.write(block)
    with psycopg.connect(one.admin_url, autocommit=True) as target:
        target.execute("vacuum analyze")
