"""Step 3 of a month's end: number and publish the account statements, in one transaction."""

from __future__ import annotations

import logging
from typing import Any

from evbilling.account_statements import stage
from evbilling.errors import StaleTry
from evbilling.services import Services, stands
from evbilling.warehouse import runs

log = logging.getLogger(__name__)

# One fence for all periods: an item may be on the statement of any of them, but on one only.
_FENCE = "account statements"


def issue_account_statements(services: Services, run_id: int) -> dict[str, Any]:
    """Publish a run; returns {"outcome", "statements", "items", "withheld"}: rows written of each.

    Outcomes: `issued`; `unchanged`, if there was nothing left to publish; `superseded`, if a newer run took over
    (nothing is written). Raises `TransientError` if what is staged isn't what the record says (by then or at all):
    nothing is written, and a new assembly looks again; `NotReady` if nothing is staged, or a crash of the
    database has emptied it.
    """
    with services.recording_failure(run_id):
        try:
            return _issue(services, run_id)
        except StaleTry as stale:
            with services.warehouse() as connection:
                runs.mark_superseded(connection, run_id)
            log.warning("run %s writes nothing: a newer run has taken over (%s)", run_id, stale.what)
            return _nothing_written("superseded")


def _issue(services: Services, run_id: int) -> dict[str, Any]:
    with services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        if stands(run):
            return _nothing_written(run.state)
        if run.state == "superseded":
            log.info("0 rows written: a newer run of %s has taken over from run %s", run.period, run_id)
            return _nothing_written(run.state)
        stage.require_stage(connection, run)
        epoch = connection.execute("select billing.raise_fence(%s)", (_FENCE,)).fetchone()[0]  # type: ignore[index]
    return _publish(services, run, epoch)


def _nothing_written(outcome: str) -> dict[str, Any]:
    return {"outcome": outcome, "statements": 0, "items": 0, "withheld": 0}


def _publish(services: Services, run: runs.Run, epoch: int) -> dict[str, Any]:
    with services.warehouse() as connection:
        # Looked at once more: whatever has emptied the stage meanwhile must not pass for a month with nothing to state.
        stage.require_stage(connection, run)
        stage.run_script(connection, "yield", run.run_id, period=run.period)
        statements, items, withheld = connection.execute(
            "select * from billing.publish_account_statements(%s, %s, %s, %s)",
            (run.run_id, epoch, run.actor, f"account statements of {run.period}"),
        ).fetchone()  # type: ignore[misc]
        outcome = "issued" if statements or withheld else "unchanged"
        written = {"statements": statements, "items": items, "withheld": withheld}
        runs.mark_settled(connection, run.run_id, outcome, facts=written, differences=[])
    if outcome == "issued":
        log.info(
            "%s issued: %s account statements with %s items, %s changes of withheld accounts",
            run.period,
            statements,
            items,
            withheld,
        )
    else:
        log.info("0 rows written: nothing of %s is left to state", run.period)
    return {"outcome": outcome, **written}
