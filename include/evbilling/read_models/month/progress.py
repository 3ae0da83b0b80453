"""The long steps under way: how far each is, in words, and which ones don't move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from evbilling.period import Period
from evbilling.progress import Measure
from evbilling.warehouse import fetch_as

# What a step does, for who doesn't know the DAG's tasks; a step that isn't here is called by its name.
_WORDS = {
    "open_run": "Reading the accounts",
    "extract_inventory": "Reading the inventory",
    "apply_scope_rules": "Applying the rules",
    "validate": "Validating",
    "plan": "Planning",
    "issue_canary": "Issuing the canary",
    "charge_canary": "Charging the canary",
    "deliver_canary": "Mailing the canary",
    "issue_statements": "Issuing the statements",
    "close_run": "Checking the books",
    "charge": "Charging",
    "assemble": "Assembling the account statements",
    "plan_retries": "Planning the retries",
    "send_retries": "Charging again",
    "record": "Recording the retries",
    "ask_gateway": "Asking the gateway",
    "compare": "Comparing with the gateway",
    "deliver": "Mailing",
}


@dataclass(frozen=True, slots=True)
class StepUnderWay:
    """A step that isn't done: how far it is with all its parts. `period` is None if its run is of no month.

    `share`: how much of it is done, from 0 to 1; None while nobody knows. `is_still`: a part of it wasn't noted for 90
    seconds, the last time at `noted_at`: it was killed. `parts_stopped`: an error has ended them.
    """

    dag_id: str
    airflow_run_id: str
    step: str
    period: str | None
    unit: str
    done: int
    total: int | None
    failed: int
    per_second: float | None
    parts: int
    parts_done: int
    parts_begun: int
    share: float | None
    parts_stopped: int
    noted_at: datetime | None
    is_still: bool

    @property
    def label(self) -> str:
        """What the step does, for example "Charging"."""
        return _WORDS.get(self.step, self.step)

    @property
    def kind(self) -> str:
        """`plain` if it moves, `bad` if it has been killed or an error has ended it."""
        return "bad" if self.is_still or self.parts_stopped else "plain"

    @property
    def sentence(self) -> str:
        """How far it is, and whether it moves."""
        # Parts that haven't begun are of an unknown size.
        total = self.total if self.parts_begun == self.parts else None
        moves = self.kind == "plain"
        measure = Measure(self.unit, self.done, total, self.failed, self.per_second if moves else None)
        parts = [measure.sentence()] if self.unit or moves else []
        if self.parts > 1:
            parts.append(f"{self.parts_done} of {self.parts} parts done")
        if self.is_still and self.noted_at:
            parts.append(f"not moving since {self.noted_at.astimezone(UTC):%d %B, %H:%M} UTC")
        elif self.parts_stopped:
            parts.append("stopped by an error; once the task runs again, it goes on with the rest")
        return ", ".join(parts)


def steps_under_way(connection: psycopg.Connection[Any], period: Period | None = None) -> list[StepUnderWay]:
    """The steps that aren't done, of `period` and of the runs of no month; without a period all of them."""
    wanted = str(period) if period else None
    return fetch_as(connection, StepUnderWay, "read_models/month/progress", period=wanted)
