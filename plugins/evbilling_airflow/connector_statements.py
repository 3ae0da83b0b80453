"""The tasks of connector_statements and correct_statements: connections and context in, plain facts out.

The product is imported inside the functions, so that parsing a DAG file needs neither pandas nor Great Expectations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from evbilling_airflow.context import account_ids, actor, billing_period, run_request
from evbilling_airflow.metrics import count
from evbilling_airflow.reporting import MOST_ROWS, report_event, says_why
from evbilling_airflow.watching import watched

if TYPE_CHECKING:
    from evbilling.connector_statements import Correction
    from evbilling.payments.actions import ActionResult


@watched
def open_run(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Open a run of this DAG run's period; returns its parts, each {"run_id", "part"}."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    params = context["params"]
    request = run_request(
        context,
        max_count_change_percent=float(params["max_count_change_percent"]),
        max_orphan_connectors=int(params["max_orphan_connectors"]),
    )
    here = services()
    opened = connector_statements.open_run(here, request, now=here.now(), shard_rows=int(params["shard_rows"]))
    return [{"run_id": opened["run_id"], "part": part} for part in opened["parts"]]


@watched
def extract_inventory(part: Mapping[str, Any]) -> dict[str, Any]:
    """Extract one part; returns its count with the run and part it belongs to."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run_id = part["run_id"]
    return {"run_id": run_id, **connector_statements.extract_inventory(services(), run_id, part["part"])}


@watched
def apply_scope_rules(part: Mapping[str, Any]) -> dict[str, Any]:
    """Decide and stage one part; returns its counts with the run and part they belong to."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run_id = part["run_id"]
    return {"run_id": run_id, **connector_statements.apply_scope_rules(services(), run_id, part["part"])}


@watched
def validate(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Validate the run of these parts; fails, after keeping the results, if a critical expectation fails."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run_id = parts[0]["run_id"]
    return {"run_id": run_id, **connector_statements.validate(services(), run_id)}


@watched
def plan(validated: Mapping[str, Any], context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Plan the run; returns what waits for a person: none or one, see `evbilling.connector_statements.plan_statements`.

    A scheduled run is due at its tick; one that a person asked for, by whatever way, is not late.
    """
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run = context["dag_run"]
    due_at = run.run_after if getattr(run.run_type, "value", run.run_type) == "scheduled" else None
    planned = connector_statements.plan_statements(services(), validated["run_id"], due_at=due_at)
    return [planned["waiting"]] if planned["waiting"] else []


@watched
def issue_statements(validated: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the run as planned and approved; returns the outcome and the rows written, and "results".

    `results` are the rows for the page that asked: what became of each account of a run of some.
    """
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run_id, here = validated["run_id"], services()
    issued = connector_statements.issue_statements(here, run_id)
    count("issued", issued)
    results = [
        {name: str(value) for name, value in asdict(one).items() if value is not None}
        for one in connector_statements.outcomes_of(here, run_id)
    ]
    return {"run_id": run_id, **issued, "results": results}


@watched
def issue_canary(canary: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the canary of a run's plan; returns the outcome and the rows written."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    issued = connector_statements.issue_canary(services(), canary["run_id"])
    count("issued", issued)
    return {"run_id": canary["run_id"], **issued}


def ask_about_rest(charged: Mapping[str, Any]) -> dict[str, Any]:
    """What a person is asked about the rest of a run's plan, an item as `plan` returns it; `is_asked` may be False."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    nothing = {"run_id": charged["run_id"], "is_asked": False, "subject": "Nobody is asked", "body": ""}
    asked = connector_statements.ask_about_rest(services(), charged["run_id"])["waiting"]
    return asked or {**nothing, "plan_hash": "", "deadline_hours": 1.0}


@watched
def close_run(issued: Mapping[str, Any]) -> dict[str, Any]:
    """Tie out and drop the staging tables; returns the checks that are not ok."""
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run_id = issued["run_id"]
    return {"run_id": run_id, **connector_statements.close_run(services(), run_id)}


@watched
def charge(context: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    """Charge the period's statements; returns how many were collected, declined by class, unknown.

    A run of some accounts charges theirs alone, and a dry run nothing. Fails, after recording all of it, if the money
    isn't in order then.
    """
    if context["params"].get("dry_run"):
        return {"run_id": closed["run_id"]}
    return {"run_id": closed["run_id"], **_charge(context, reports=True)}


@watched
def charge_canary(context: Mapping[str, Any], issued: Mapping[str, Any]) -> dict[str, Any]:
    """Charge the statements of the period that are issued, as `charge` does; the month isn't charged by that."""
    return {"run_id": issued["run_id"], **_charge(context, reports=False)}


def _charge(context: Mapping[str, Any], *, reports: bool) -> dict[str, Any]:
    """Charge what is issued of the run's period; for finance.service_levels too if it `reports`."""
    from evbilling.payments import charge_period, require_in_order
    from evbilling_airflow.connections import payment_services

    period = billing_period(context)
    with payment_services() as services:
        now = services.now()
        if accounts := account_ids(context):
            batch = f"issue {period}, {context['dag_run'].run_id}"
            charged = charge_period(services, period, actor=actor(context), now=now, account_ids=accounts, batch=batch)
        else:
            if reports:
                report_event(services, context, "connector_statements", "charge", "begun", period=str(period))
            charged = charge_period(services, period, actor=actor(context), now=now)
            if reports:
                report_event(services, context, "connector_statements", "charge", "done", period=str(period))
        count("charges", charged)
        require_in_order(services, [str(period)], {str(period): charged["not_ok"]}, occasion=f"issue {period}")
    return dict(charged)


@says_why
@watched
def correct(context: Mapping[str, Any], validated: Mapping[str, Any]) -> dict[str, Any]:
    """Issue the corrections that are due, or only list them; returns the outcome, the rows written, and "results".

    `results` are the rows for the page that asked: what became of each statement.
    """
    from evbilling import connector_statements
    from evbilling_airflow.connections import services

    run_id, params = validated["run_id"], context["params"]
    expected = params["expected"]
    corrected = connector_statements.correct_statements(
        services(),
        run_id,
        reason=params["reason"],
        dry_run=params["dry_run"],
        only=params["statement_ids"] or (),
        expected=None if expected is None else {id_: Decimal(amount) for id_, amount in expected.items()},
    )
    results = [_of_correction(one).as_json() for one in corrected["results"][:MOST_ROWS]]
    return {"run_id": run_id, **corrected, "results": results}


def _of_correction(found: Correction) -> ActionResult:
    from evbilling.payments.actions import Action, ActionResult, Code

    code = {
        "due": Code.TO_CORRECT,
        "waits": Code.OPEN_ATTEMPT,
        "corrected": Code.CORRECTED,
        "on_hold": Code.ACCOUNT_ON_HOLD,
        "as_issued": Code.AS_ISSUED,
        "unknown": Code.UNKNOWN,
    }[found.state]
    return ActionResult(
        Action.CORRECT,
        found.statement_id,
        code,
        amount=found.total,
        currency=found.currency,
        payment_id=found.correction_id,
    )
