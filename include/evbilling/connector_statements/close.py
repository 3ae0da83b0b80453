"""Step 6: the figures that must agree, and away with the staging tables."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from evbilling.archive.record import is_dropped
from evbilling.services import Services
from evbilling.warehouse import runs
from evbilling.warehouse.query import fetch_all

log = logging.getLogger(__name__)


def close_run(services: Services, run_id: int) -> dict[str, Any]:
    """Write the period's tie-out and drop the run's stage; returns {"outcome", "checks", "not_ok"}.

    The tie-out belongs to the newest run that published the period or found it unchanged: one that found differences,
    was superseded, or is closed again after a newer one or after its period was archived, leaves it as it is.
    """
    with services.recording_failure(run_id), services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        latest = runs.latest_settled_run(connection, run.period)
        is_keeper = latest is not None and latest.run_id == run_id and not is_dropped(connection, run.period)
        if run.state == "issued":
            connection.execute("select billing.sample_statements()")
        checks, not_ok = _tie_out(connection, run) if is_keeper else (0, [])
        connection.execute("select billing.drop_stage(%s)", (run_id,))
        connection.execute("update billing.run set closed_at = coalesce(closed_at, now()) where run_id = %s", (run_id,))
    log.info(
        "run %s of %s closed (%s): %s tie-out checks, %s not ok",
        run_id,
        run.period,
        run.state,
        checks,
        len(not_ok),
    )
    return {"outcome": run.state, "checks": checks, "not_ok": not_ok}


def _tie_out(connection: psycopg.Connection[Any], run: runs.Run) -> tuple[int, list[str]]:
    facts = run.facts
    checks = fetch_all(
        connection,
        "connector_statements/tie_out",
        period=run.period,
        extracted=facts["extracted"],
        held=facts["held"],
        accounts=facts["accounts"],
    )
    return len(checks), runs.record_tie_out(connection, run.period, run.run_id, checks)
