"""Step 5: number and publish the statements of accounts that have none yet, in one short transaction."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from evbilling.connector_statements import stage
from evbilling.connector_statements.draft_stage import stage_settlement
from evbilling.connector_statements.drafts import Settlement
from evbilling.errors import StaleTry
from evbilling.services import Services, stands
from evbilling.warehouse import runs
from evbilling.warehouse.query import fetch_dicts

log = logging.getLogger(__name__)

# So many differing accounts are named in the run's record; their number is given in full.
_NAMED_DIFFERENCES = 100


def issue_statements(services: Services, run_id: int) -> dict[str, Any]:
    """Publish a run; returns {"outcome", "statements", "decisions", "unbilled", "differing"}.

    Outcomes: `issued`; `unchanged`, if everything was published already and is the same; `differs`, if what is issued
    is no longer the truth (nothing is written: what is issued stays); `superseded`, if a newer run of the
    period took over (nothing is written).
    """
    with services.recording_failure(run_id):
        try:
            return _issue(services, run_id)
        except StaleTry as stale:
            with services.warehouse() as connection:
                runs.mark_superseded(connection, run_id)
            log.warning(
                "run %s writes nothing: a newer run of the same period has taken over (%s)",
                run_id,
                stale.what,
            )
            return _nothing_written("superseded")


def _issue(services: Services, run_id: int) -> dict[str, Any]:
    with services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        if stands(run):
            return _nothing_written(run.state)
        if run.state == "superseded" and not stage.has_stage(connection, run_id, run.shard_count):
            return _nothing_written(run.state)
    epoch, settlement = stage_settlement(services, run)
    with services.warehouse() as connection:
        differences = _differences(connection, run, settlement)
    return _publish(services, run, epoch, settlement, differences)


def _nothing_written(outcome: str) -> dict[str, Any]:
    return {"outcome": outcome, "statements": 0, "decisions": 0, "unbilled": 0, "differing": 0}


def _publish(
    services: Services, run: runs.Run, epoch: int, settlement: Settlement, differences: list[dict[str, Any]]
) -> dict[str, Any]:
    with services.warehouse() as connection:
        statements, decisions, unbilled = connection.execute(
            "select * from billing.publish_connector_statements(%s, %s, %s, %s)",
            (run.run_id, epoch, run.actor, f"connector statements of {run.period}"),
        ).fetchone()  # type: ignore[misc]
        outcome = "issued" if statements or decisions or unbilled else "differs" if differences else "unchanged"
        facts = {
            "statements": statements,
            "decisions": decisions,
            "unbilled": unbilled,
            "differing": len(differences),
        }
        facts["held"] = _held(connection, run.period, settlement)
        runs.mark_settled(connection, run.run_id, outcome, facts=facts, differences=differences[:_NAMED_DIFFERENCES])
    if outcome == "issued":
        log.info(
            "%s issued: %s statements, %s decisions, %s unbilled accounts",
            run.period,
            statements,
            decisions,
            unbilled,
        )
    else:
        log.info(
            "0 rows written: %s is already issued%s",
            run.period,
            "" if differences else ", with the same truth",
        )
    for difference in differences[:_NAMED_DIFFERENCES]:
        log.warning("%s differs from the inventory now: %s", difference["statement_id"], difference["says"])
    if differences:
        log.warning("%s issued statements differ and stay so; correct_statements notes by how much", len(differences))
    return {"outcome": outcome, **{k: facts[k] for k in ("statements", "decisions", "unbilled", "differing")}}


def _differences(connection: psycopg.Connection[Any], run: runs.Run, settlement: Settlement) -> list[dict[str, Any]]:
    """Issued statements that this run would issue otherwise, each with a sentence that says how."""
    issued = "select exists (select from billing.statement where kind = 'connector' and period = %s)"
    if not connection.execute(issued, (run.period,)).fetchone()[0]:  # type: ignore[index]
        return []
    held = set(settlement.quarantined)
    differences = fetch_dicts(
        connection, "connector_statements/differences", period=run.period, **stage.relations(run.run_id)
    )
    for difference in differences:
        difference["says"] = (
            "its account is at fault now and would be quarantined"
            if difference["account_id"] in held
            else f"{difference['issued_connectors']} connectors issued, {difference['connectors']} now; total "
            f"{difference['issued_total_minor']} minor units issued, {difference['total_minor']} now; lines: "
            f"{difference['lines_added']} added, {difference['lines_gone']} gone, {difference['lines_changed']} changed"
        )
    return differences


def _held(connection: psycopg.Connection[Any], period: str, settlement: Settlement) -> int:
    """Connectors of quarantined accounts that have no statement: extracted, but nowhere among the decisions."""
    held = settlement.counts[settlement.counts["is_quarantined"]]
    query = "select account_id from billing.statement where kind = 'connector' and period = %s and account_id = any(%s)"
    issued = {row[0] for row in connection.execute(query, (period, held["account_id"].tolist()))}
    return int(held.loc[~held["account_id"].isin(issued), "extracted"].sum())
