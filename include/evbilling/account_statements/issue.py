"""Task issue_statements: number and publish the account statements, in one transaction."""

from __future__ import annotations

import logging
from typing import Any

from evbilling import run_steps
from evbilling.account_statements import stage
from evbilling.errors import StaleTry
from evbilling.services import Services
from evbilling.warehouse import runs, select_row, select_value

log = logging.getLogger(__name__)

# One fence for all periods: an item may be on the statement of any period, but only on one.
_FENCE = "account statements"
_COUNTS = ("statements", "items", "withheld")


def issue_statements(services: Services, run_id: int) -> dict[str, Any]:
    """Publish a run; returns {"outcome", "statements", "items", "withheld"}: rows written of each.

    Outcomes: `issued`; `unchanged`, if nothing was left to publish; `superseded`, if a newer run took over (nothing is
    written). Raises `TransientError` if the staged items no longer match the record: nothing is written, and a new
    assembly reads it again; `NotReady` if nothing is staged, or a crash of the database has emptied it.
    """
    return run_steps.publish_run(services, run_id, _issue, _COUNTS)


def _issue(services: Services, run: runs.Run) -> dict[str, Any]:
    if run.state == "superseded":
        raise StaleTry("it was superseded before")
    with services.warehouse() as connection:
        stage.require_stage(connection, run)
        epoch = select_value(connection, "select billing.raise_fence(%s)", _FENCE)
    with services.warehouse() as connection:
        # Checked again: staging tables emptied in between must not pass for a month without statements.
        stage.require_stage(connection, run)
        publish = "select * from billing.publish_account_statements(%s, %s, %s, %s)"
        reason = f"account statements of {run.period}"
        written = select_row(connection, publish, run.run_id, epoch, run.actor, reason)
        counts = dict(zip(_COUNTS, written, strict=True))
        outcome = "issued" if counts["statements"] or counts["withheld"] else "unchanged"
        runs.mark_settled(connection, run.run_id, outcome, facts=counts, differences=[])
    if outcome == "issued":
        log.info(
            "%s issued: %s account statements with %s items, %s changes of withheld accounts",
            run.period,
            *counts.values(),
        )
    else:
        log.info("0 rows written: all account statements of %s are issued", run.period)
    return {"outcome": outcome, **counts}
