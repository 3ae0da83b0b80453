"""Step 4 of a month's end: the figures that must agree, and away with the staging tables."""

from __future__ import annotations

import logging
from typing import Any

from evbilling.account_statements import stage
from evbilling.services import Services
from evbilling.warehouse import runs
from evbilling.warehouse.query import fetch_all

log = logging.getLogger(__name__)


def close_account_run(services: Services, run_id: int) -> dict[str, Any]:
    """Write the account statements' part of the period's tie-out and drop the run's stage; {"checks", "not_ok"}.

    `checks` is how many were made, `not_ok` the ids of those that don't agree. The tie-out belongs to the newest run
    of the period that issued account statements or found nothing to issue; another leaves it as it is.
    """
    with services.recording_failure(run_id), services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        latest = runs.latest_settled_run(connection, run.period, runs.ACCOUNT_STATEMENTS)
        checks: list[Any] = []
        not_ok: list[str] = []
        if latest and latest.run_id == run_id:
            stage.give_room(connection)
            checks = fetch_all(connection, "account_statements/tie_out", period=run.period)
            not_ok = runs.record_tie_out(connection, run.period, run_id, checks)
        stage.drop_stage(connection, *runs.ended_runs(connection, run_id), run_id)
        connection.execute("update billing.run set closed_at = coalesce(closed_at, now()) where run_id = %s", (run_id,))
    log.info(
        "run %s of %s closed (%s): %s tie-out checks of account statements, %s not ok",
        run_id,
        run.period,
        run.state,
        len(checks),
        len(not_ok),
    )
    return {"checks": len(checks), "not_ok": not_ok}
