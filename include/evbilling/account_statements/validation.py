"""Step 2 of a month's end: Great Expectations on the staged account statements, each figure found in two ways."""

from __future__ import annotations

import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pyarrow as pa

from evbilling.account_statements import stage
from evbilling.expectations.account_statements import PAIRS, account_statements_suite
from evbilling.expectations.page import validation_page
from evbilling.expectations.validator import Validator, stop_if_critical
from evbilling.services import Services, evidence_folder, stands
from evbilling.warehouse import runs
from evbilling.warehouse.query import fetch_frame

log = logging.getLogger(__name__)

# So many accounts are named for each figure that doesn't agree; the finding says how many there are.
_NAMED = 5
_CHECK_TYPES: dict[str, pa.DataType] = {"is_withheld": pa.bool_()} | dict.fromkeys(
    [*itertools.chain.from_iterable(pair[:2] for pair in PAIRS), "foreign_items"], pa.int64()
)


def validate(services: Services, run_id: int) -> dict[str, Any]:
    """Validate a run; returns {"expectations", "warnings", "page"}, all results kept in the warehouse.

    Raises `SetFault` that names every critical failure, after they are recorded: nothing is published then;
    `NotReady` if the run isn't assembled, or a crash of the database has emptied what it staged.
    """
    with services.recording_failure(run_id):
        with services.warehouse() as connection:
            run = runs.get_run(connection, run_id)
            if stands(run):
                return {"expectations": 0, "warnings": 0, "page": run.facts.get("validation_page")}
            stage.require_stage(connection, run)
        frame = _checked(services, run_id)
        findings = Validator().validate(frame, account_statements_suite())
        page = services.evidence.put_text(
            evidence_folder(run.period, run_id), "validation", "html", validation_page(run.period, run_id, findings)
        )
        warnings = [finding.sentence() for finding in findings if not finding.success and not finding.is_stopping]
        with services.warehouse() as connection:
            runs.record_findings(connection, run_id, findings)
            facts = {"validation_page": page.key, "validation_sha256": page.sha256}
            runs.add_facts(connection, run_id, facts, warnings)
        _name_differing(frame)
        stop_if_critical(findings, run.period)
    for warning in warnings:
        log.warning(warning)
    log.info("%s expectations on %s accounts hold, %s warnings", len(findings), len(frame), len(warnings))
    return {"expectations": len(findings), "warnings": len(warnings), "page": page.key}


def _checked(services: Services, run_id: int) -> pd.DataFrame:
    """A row per candidate: what is found and what is due, and how many of its items are listed twice."""
    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(_repeated_items, services, run_id)
        with services.warehouse() as connection:
            stage.give_room(connection)
            frame = fetch_frame(connection, "account_statements/check", _CHECK_TYPES, **stage.relations(run_id))
        repeated = looking.result()
    # Not by `map`, which a frame that comes empty from a crash would turn to floats.
    return frame.assign(repeated_items=[repeated.get(account, 0) for account in frame["account_id"]])


def _repeated_items(services: Services, run_id: int) -> dict[str, int]:
    with services.warehouse() as connection:
        stage.give_room(connection)
        # One core, the other is for the sums; and the planner can't know how many hashes there are.
        connection.execute("set local max_parallel_workers_per_gather = 0")
        return dict(stage.fetch_staged(connection, "repeated_items", run_id))


def _name_differing(frame: pd.DataFrame) -> None:
    """Say in the log of which accounts a figure doesn't agree: a finding only shows the figures."""
    for found, due, says in PAIRS:
        for row in frame[frame[found] != frame[due]].head(_NAMED).to_dict("records"):
            log.error("%s: %s: %s minor units, but %s", row["account_id"], says, row[found], row[due])
