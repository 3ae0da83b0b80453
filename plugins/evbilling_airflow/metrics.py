"""Counts, ages and money as Airflow's own metrics. Names, not tags, tell them apart: StatsD has no tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.observability import stats

if TYPE_CHECKING:
    from evbilling.service_levels import ServiceLevel


def count(what: str, counts: Mapping[str, Any]) -> None:
    """Add each number of a step's result to the counter `evbilling.<what>.<name>`; what is no number is left out."""
    for name, number in counts.items():
        if isinstance(number, int) and number > 0 and name != "run_id":
            stats.incr(f"evbilling.{what}.{name}", number)


def set_levels(levels: Sequence[ServiceLevel], now: datetime) -> None:
    """Set the gauges of each service level: how many are late, for how long, and what is concerned of those."""
    for name in sorted({level.service_level for level in levels}):
        wanting = [level for level in levels if level.service_level == name and level.needs_somebody]
        since = [level.late_since for level in wanting if level.late_since]
        stats.gauge(f"evbilling.{name}.late", len(since))
        stats.gauge(f"evbilling.{name}.late_seconds", (now - min(since)).total_seconds() if since else 0)
        stats.gauge(f"evbilling.{name}.needs_somebody", len(wanting))
        stats.gauge(f"evbilling.{name}.accounts", max((level.accounts or 0 for level in wanting), default=0))
        stats.gauge(f"evbilling.{name}.statements", sum(level.statements or 0 for level in wanting))
        # A currency that is no longer concerned is set to nothing, too.
        for currency in sorted({code for level in levels if level.service_level == name for code in level.money}):
            money = sum(float(level.money.get(currency, 0)) for level in wanting)
            stats.gauge(f"evbilling.{name}.money.{currency}", money)
