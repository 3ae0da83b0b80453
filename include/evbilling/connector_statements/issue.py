"""Task issue_statements: publish what was planned, and nothing else, in one transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from evbilling import run_steps
from evbilling.connector_statements.stage import require_decisions, staging_tables
from evbilling.errors import NotReady, StaleTry
from evbilling.money import from_minor
from evbilling.services import Services
from evbilling.warehouse import fetch_all, fetch_as, fetch_dicts, runs, select_row, select_value

log = logging.getLogger(__name__)

_COUNTS = ("statements", "decisions", "unbilled", "differing")

# The run's record lists at most this many differing accounts; it always has their number.
_NAMED_DIFFERENCES = 100


def issue_statements(services: Services, run_id: int) -> dict[str, Any]:
    """Publish a run; returns {"outcome", "statements", "decisions", "unbilled", "differing"}.

    Outcomes: `issued`; `unchanged`, if everything was published before and is the same; `differs`, if issued
    statements no longer match the inventory (nothing is written, they stay); `superseded`, if a newer run of the
    period took over (nothing is written). Raises `NotReady` if the run isn't planned, `BadInput` if what it has staged
    is not what was planned.
    """
    return run_steps.publish_run(services, run_id, _issue, _COUNTS)


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """What became of an account that a run was asked for. `total` in major units; `reasons`: why it has no statement.

    `is_new`: this run has issued the statement.
    """

    account_id: str
    statement_id: str | None
    currency: str | None
    total: Decimal | None
    is_new: bool
    reasons: str | None


def outcomes_of(services: Services, run_id: int) -> list[AccountOutcome]:
    """The accounts of a run of some, in order of their ids; none for a run of a whole month."""
    with services.warehouse() as connection:
        rows = fetch_all(connection, "connector_statements/outcomes", run_id=run_id)
    return [
        AccountOutcome(
            account_id, statement_id, currency, from_minor(total, unit) if statement_id else None, bool(is_new), reasons
        )
        for account_id, statement_id, currency, unit, total, is_new, reasons in rows
    ]


def _issue(services: Services, run: runs.Run) -> dict[str, Any]:
    plan = plan_to_issue(services, run)
    with services.warehouse() as connection:
        if plan.has_waited:
            # Its numbers and times say when it is issued.
            connection.execute("select billing.number_drafts(%s, %s)", (run.run_id, plan.epoch))
    with services.warehouse() as connection:
        differences = _differences(connection, run)
    outcome, counts = _publish(services, run, plan.epoch, differences)
    if outcome == "issued":
        log.info(
            "%s issued: %s statements, %s decisions, %s unbilled accounts",
            run.period,
            counts["statements"],
            counts["decisions"],
            counts["unbilled"],
        )
    else:
        log.info("0 rows written: %s is already issued%s", run.period, "" if differences else ", and nothing changed")
    for difference in differences[:_NAMED_DIFFERENCES]:
        log.warning("%s differs from the inventory now: %s", difference["statement_id"], difference["says"])
    if differences:
        log.warning(
            "%s issued statements differ and stay as they are; correct_statements corrects them", len(differences)
        )
    return {"outcome": outcome, **counts}


@dataclass(frozen=True, slots=True)
class PlanToIssue:
    """The plan that a run would issue. `has_waited`: for so long that its numbers and times are drawn anew."""

    plan_id: int
    plan_hash: str
    epoch: int
    has_waited: bool


def plan_to_issue(services: Services, run: runs.Run) -> PlanToIssue:
    """The plan that a run would issue, or the last one that it made.

    Raises `NotReady` if it has none, or nothing staged, and `StaleTry` if another run was planned after it.
    """
    with services.warehouse() as connection:
        if run.state == "superseded":
            raise StaleTry("another run was planned after it", where=f"run {run.run_id} of {run.period}")
        require_decisions(connection, run)
        plans = fetch_as(connection, PlanToIssue, "connector_statements/current_plan", run_id=run.run_id)
        if not plans:
            raise NotReady(f"run {run.run_id} has no plan", fix="clear the task plan too")
    return plans[0]


def _differences(connection: psycopg.Connection[Any], run: runs.Run) -> list[dict[str, Any]]:
    """Issued statements that this run would issue otherwise, each with a sentence that says how."""
    issued = "select exists (select from billing.statement where kind = 'connector' and period = %s)"
    # A run of some accounts has staged no others.
    if run.account_ids is not None or not select_value(connection, issued, run.period):
        return []
    differences = fetch_dicts(
        connection, "connector_statements/differences", period=run.period, **staging_tables(run.run_id)
    )
    on_hold = sql.SQL("select account_id from {} where is_quarantined")
    unbilled = staging_tables(run.run_id)["unbilled"]
    quarantined = {row[0] for row in connection.execute(on_hold.format(unbilled))}
    for difference in differences:
        difference["says"] = (
            "its account has a fault now and would be quarantined"
            if difference["account_id"] in quarantined
            else f"{difference['issued_connectors']} connectors issued, {difference['connectors']} now; total "
            f"{difference['issued_total_minor']} minor units issued, {difference['total_minor']} now; lines: "
            f"{difference['lines_added']} added, {difference['lines_gone']} gone, {difference['lines_changed']} changed"
        )
    return differences


def _publish(
    services: Services, run: runs.Run, epoch: int, differences: list[dict[str, Any]]
) -> tuple[str, dict[str, int]]:
    """Publish in one short transaction and record the outcome; returns it with the rows written."""
    with services.warehouse() as connection:
        publish = "select * from billing.publish_connector_statements(%s, %s, %s, %s)"
        reason = run.facts.get("reason") or f"connector statements of {run.period}"
        statements, decisions, unbilled = select_row(connection, publish, run.run_id, epoch, run.actor, reason)
        outcome = "issued" if statements or decisions or unbilled else "differs" if differences else "unchanged"
        counts = dict(zip(_COUNTS, (statements, decisions, unbilled, len(differences)), strict=True))
        runs.mark_settled(connection, run.run_id, outcome, facts=counts, differences=differences[:_NAMED_DIFFERENCES])
    return outcome, counts
