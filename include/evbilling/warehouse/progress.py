"""Keeps in the warehouse how far each long step is, for the pages and `evbilling status`."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from evbilling.errors import EvbillingError
from evbilling.progress import Measure, Progress, SteadyClock, watched
from evbilling.warehouse.connect import connected

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepOfRun:
    """A step of a DAG run, or one of the `parts` of a mapped one; `period` is None where a run is of no month."""

    dag_id: str
    airflow_run_id: str
    step: str
    period: str | None
    part: int = 0
    parts: int = 1

    @property
    def label(self) -> str:
        """For example "charge of 2026-11" or "extract_inventory, part 1 of 4, of 2026-11"."""
        part = f", part {self.part + 1} of {self.parts}," if self.parts > 1 else ""
        return f"{self.step}{part}{f' of {self.period}' if self.period else ''}"


@contextmanager
def progress_kept(
    warehouse_url: str, step: StepOfRun, progress: Progress, clock: SteadyClock | None = None
) -> Generator[None]:
    """Log each half minute how far the block is, and keep it in the warehouse.

    A step whose progress can't be kept goes on: it is told of in the log.
    """
    state = "under way"

    def report(measure: Measure, is_due: bool) -> None:
        if is_due:
            log.info("%s: %s", step.label, measure.sentence())
        try:
            _note(warehouse_url, step, state, measure)
        except (EvbillingError, psycopg.Error):
            log.warning("%s: how far it is couldn't be kept in the warehouse", step.label, exc_info=True)

    with watched(progress, report, clock):
        try:
            yield
        except BaseException:
            state = "stopped"
            raise
        state = "done"


def _note(warehouse_url: str, step: StepOfRun, state: str, measure: Measure) -> None:
    with connected(warehouse_url, what="warehouse") as connection:
        connection.execute(
            "select billing.note_progress(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(step.dag_id, step.airflow_run_id, step.step, step.part, step.parts, step.period, state),
                *(measure.unit, measure.done, measure.total, measure.failed, measure.per_second),
            ),
        )
