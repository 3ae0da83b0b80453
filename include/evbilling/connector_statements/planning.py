"""Task plan: draft and number the statements of a run, and keep what it would issue as a plan, bound by its hash."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from evbilling import run_steps
from evbilling.connector_statements.drafts import Drafts
from evbilling.connector_statements.stage import stage_drafts
from evbilling.services import Services
from evbilling.warehouse import runs, select_row

log = logging.getLogger(__name__)

_COUNTS = ("statements", "connectors", "on_hold")


def plan_statements(services: Services, run_id: int) -> dict[str, Any]:
    """Plan a run; returns {"outcome", "plan_id", "plan_hash", "statements", "connectors", "on_hold"}.

    Outcomes: `planned`, or that of a run that has ended; `superseded`, if a newer run of the period took over.
    `plan_id` and `plan_hash` are None unless it is `planned`. Planned again with the same content, a run keeps its plan
    and the decisions on it. Nothing is written in billing but the plan.
    """
    nothing = {"plan_id": None, "plan_hash": None}
    return nothing | run_steps.publish_run(services, run_id, _plan, _COUNTS)


def _plan(services: Services, run: runs.Run) -> dict[str, Any]:
    epoch, drafts = stage_drafts(services, run)
    with services.warehouse() as connection:
        runs.note_facts(connection, run.run_id, {"held": _held(connection, run.period, drafts)})
        make = "select plan_id, plan_hash, statements, connectors, on_hold from billing.make_plan(%s, %s)"
        made = select_row(connection, make, run.run_id, epoch)
    plan = dict(zip(("plan_id", "plan_hash", *_COUNTS), made, strict=True))
    log.info(
        "%s planned: %s statements for %s connectors, %s accounts on hold; plan %s, %s",
        run.period,
        *(plan[name] for name in _COUNTS),
        plan["plan_id"],
        plan["plan_hash"],
    )
    return {"outcome": "planned", **plan}


def _held(connection: psycopg.Connection[Any], period: str, drafts: Drafts) -> int:
    """Connectors of quarantined accounts without a statement: extracted, but not among the staged decisions."""
    held = drafts.counts[drafts.counts["is_quarantined"]]
    query = "select account_id from billing.statement where kind = 'connector' and period = %s and account_id = any(%s)"
    issued = {row[0] for row in connection.execute(query, (period, held["account_id"].tolist()))}
    return int(held.loc[~held["account_id"].isin(issued), "extracted"].sum())
