"""The plan of a month that is compared with the month before, beside the other work of that month; and its page."""

from __future__ import annotations

import statistics
from typing import Any

from rich.console import Console

from tests.benchmarks.measure import Measured
from tests.benchmarks.month import BEFORE, PERIOD, empty_warehouse, prepare, product_month
from tests.benchmarks.pages import month_page_times
from tests.benchmarks.report import medians, show, total
from tests.support.postgres import PostgresServer

# Many small accounts: a plan's work is by account and by connector of those that changed.
_CONNECTORS_PER_ACCOUNT = 10


def run(server: PostgresServer, connectors: int, rounds: int, console: Console) -> dict[str, Any]:
    """Bill two months; returns the second one's seconds by step, of them the plan's own, and its page's times.

    The plan's own work is the hash, the seal and the change by cause; what the task drafts was to be drafted anyway.
    """
    world = prepare(server, max(1, connectors // _CONNECTORS_PER_ACCOUNT), _CONNECTORS_PER_ACCOUNT)
    second: list[list[Measured]] = []
    for _ in range(rounds):
        empty_warehouse(world.admin_url)
        product_month(world, period=BEFORE)
        second.append(product_month(world, period=PERIOD))
    rows = sum(r["connectors"] for m in second[0] if m.step == "extract inventory" for r in m.results)
    show(console, f"the month after: {rows:,} connectors of {world.accounts:,} accounts", second, rows)
    own = [next(m.result["seconds"] for m in steps if m.step == "plan") for steps in second]
    shares = [plan / (total(steps) - plan) for plan, steps in zip(own, second, strict=True)]
    page = month_page_times(world.services.warehouse_url, PERIOD)
    console.print(
        f"plan with causes {statistics.median(own):.2f} s, {100 * statistics.median(shares):.0f} % of the month's other"
        f" work; page Month {page['median']:.0f} ms (first {page['first']:.0f}, worst {page['worst']:.0f})"
    )
    return {
        "rows": rows,
        "accounts": world.accounts,
        "plan_s": statistics.median(own),
        "plan_over_rest": statistics.median(shares),
        "steps": medians(second),
        "month_page_ms": page,
    }
