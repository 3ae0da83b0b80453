"""Task validate: Great Expectations on the staged account statements, each figure computed in two ways."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pyarrow as pa

from evbilling import run_steps
from evbilling.account_statements import stage
from evbilling.expectations import Validator
from evbilling.services import Services
from evbilling.warehouse import fetch_frame
from evbilling.warehouse.runs import Run

log = logging.getLogger(__name__)

# The log names this many accounts for each figure that doesn't agree; the finding has their number.
_NAMED = 5


def validate(services: Services, run_id: int) -> dict[str, Any]:
    """Validate a run; returns {"expectations", "warnings", "page"}, all results kept in the warehouse.

    Raises `SetFault` that names every critical failure, after they are recorded: nothing is published then;
    `NotReady` if the run isn't assembled, or a crash of the database has emptied its staging tables.
    """
    return run_steps.validate_run(services, run_id, _validate)


def _validate(services: Services, run: Run) -> run_steps.Validated:
    # Great Expectations takes seconds to import, and no other step needs it.
    from evbilling.expectations.suites import ACCOUNT_PAIRS, account_statements_suite

    with services.warehouse() as connection:
        stage.require_stage(connection, run)
    frame = _figures(services, run.run_id, {column for pair in ACCOUNT_PAIRS for column in pair[:2]})
    for staged, due, says in ACCOUNT_PAIRS:
        for row in frame[frame[staged] != frame[due]].head(_NAMED).to_dict("records"):
            log.error("%s: %s: %s minor units, but %s", row["account_id"], says, row[staged], row[due])
    return run_steps.Validated(Validator().validate(frame, account_statements_suite()), f"{len(frame)} accounts", {})


def _figures(services: Services, run_id: int, amounts: Collection[str]) -> pd.DataFrame:
    """A row per candidate: each figure as staged and as due, and how many of its items are listed twice."""
    types = {"is_withheld": pa.bool_()} | dict.fromkeys([*amounts, "foreign_items"], pa.int64())
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(_repeated_items, services, run_id)
        with services.warehouse() as connection:
            stage.set_work_mem(connection)
            frame = fetch_frame(connection, "account_statements/check", types, **stage.staging_tables(run_id))
        repeated = counting.result()
    # Not `map`, which would make floats of a frame that a crash has emptied.
    return frame.assign(repeated_items=[repeated.get(account, 0) for account in frame["account_id"]])


def _repeated_items(services: Services, run_id: int) -> dict[str, int]:
    with services.warehouse() as connection:
        stage.set_work_mem(connection)
        # One core: the other works on the sums, and the planner can't know the number of hashes.
        connection.execute("set local max_parallel_workers_per_gather = 0")
        return dict(stage.fetch_staged(connection, "repeated_items", run_id))
