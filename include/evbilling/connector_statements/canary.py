"""The canary of a plan: its statements are issued first, and a person decides on the rest once these are charged."""

from __future__ import annotations

import logging
from typing import Any

from evbilling import approvals, run_steps
from evbilling.connector_statements.issue import plan_to_issue
from evbilling.connector_statements.planning import question
from evbilling.services import Services
from evbilling.warehouse import runs, select_row

log = logging.getLogger(__name__)

_COUNTS = ("statements", "decisions")


def issue_canary(services: Services, run_id: int) -> dict[str, Any]:
    """Publish the canary of a run's plan and nothing else; returns {"outcome", "statements", "decisions"}.

    Outcomes: `canary`, also if it was issued before (0 statements then); `superseded`, if a newer run of the period
    took over; that of a run that has ended. Raises what `issue_statements` does.
    """
    return run_steps.publish_run(services, run_id, _issue, _COUNTS)


def ask_about_rest(services: Services, run_id: int) -> dict[str, Any]:
    """Ask a person about the rest of a run's plan; returns {"outcome", "waiting"}, `waiting` as of `plan_statements`.

    `is_asked` is False if the rest is approved already, and `waiting` is None if a newer run of the period took over.
    Raises `NotReady` if the rest was rejected.
    """
    return {"waiting": None} | run_steps.publish_run(services, run_id, _ask, ())


def _issue(services: Services, run: runs.Run) -> dict[str, Any]:
    plan = plan_to_issue(services, run)
    reason = run.facts.get("reason") or f"connector statements of {run.period}"
    with services.warehouse() as connection:
        publish = "select * from billing.publish_canary(%s, %s, %s, %s)"
        counts = dict(
            zip(_COUNTS, select_row(connection, publish, run.run_id, plan.epoch, run.actor, reason), strict=True)
        )
    log.info("canary of %s issued: %s statements, %s decisions", run.period, counts["statements"], counts["decisions"])
    return {"outcome": "canary", **counts}


def _ask(services: Services, run: runs.Run) -> dict[str, Any]:
    plan = plan_to_issue(services, run)
    with services.warehouse() as connection:
        asked = approvals.consult_about_rest(connection, plan.plan_id)
        named = {"plan_id": plan.plan_id, "plan_hash": plan.plan_hash}
        return {"outcome": "canary", "waiting": question(connection, run, named, asked, approvals.Scope.REST)}
