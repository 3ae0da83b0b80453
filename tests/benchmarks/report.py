"""Medians of rounds, and the tables in which they are shown."""

from __future__ import annotations

import statistics
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measure import Measured


def total(steps: list[Measured]) -> float:
    """Wall seconds of all steps of a round."""
    return sum(m.wall for m in steps)


def median_total(rounds: list[list[Measured]]) -> float:
    """The median round's wall seconds."""
    return statistics.median(map(total, rounds))


def medians(rounds: list[list[Measured]]) -> list[dict[str, Any]]:
    """A row per step: medians over the rounds, the highest peak of memory."""
    return [
        {
            "step": steps[0].step,
            "wall_s": statistics.median(m.wall for m in steps),
            "cpu_s": statistics.median(m.cpu for m in steps),
            "machine_cpu_s": statistics.median(m.machine_cpu for m in steps),
            "peak_mib": max(m.peak_mib for m in steps),
            "moved_mib": statistics.median(m.moved_mib for m in steps),
        }
        for steps in zip(*rounds, strict=True)
    ]


def show(console: Console, title: str, rounds: list[list[Measured]], rows: int, things: str = "connectors") -> None:
    """Print a row per step; `rows` things were handled."""
    table = Table("step", "wall s", "CPU s", "machine s", "peak MiB", "moved MiB", f"{things}/s", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for s in medians(rounds):
        peak, rate = f"{s['peak_mib']:.0f}" if s["peak_mib"] else "", rows / max(s["wall_s"], 1e-3)
        table.add_row(
            s["step"],
            f"{s['wall_s']:.2f}",
            f"{s['cpu_s']:.2f}",
            f"{s['machine_cpu_s']:.2f}",
            peak,
            f"{s['moved_mib']:.0f}",
            f"{rate:,.0f}",
        )
    wall = median_total(rounds)
    table.add_row("all", f"{wall:.2f}", "", "", "", "", f"{rows / wall:,.0f}", style="bold")
    console.print(table)
