"""The steps of a month as tasks call them: connections and context in, plain facts out.

The product is imported inside the functions: whoever parses a DAG file needs neither pandas nor Great Expectations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from evbilling_airflow.context import actor, billing_period


def open_run(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Open a run of this DAG run's period; returns its parts, each {"run_id", "part"}."""
    from evbilling.connector_statements.opening import RunRequest, open_run
    from evbilling_airflow.connections import services

    params = context["params"]
    request = RunRequest(
        period=billing_period(context),
        dag_id=context["dag_run"].dag_id,
        airflow_run_id=context["dag_run"].run_id,
        actor=actor(context),
        max_count_change_percent=float(params["max_count_change_percent"]),
        max_orphan_connectors=int(params["max_orphan_connectors"]),
        deliver=params["deliver"],
    )
    opened = open_run(services(), request, now=datetime.now(UTC), shard_rows=int(params["shard_rows"]))
    return [{"run_id": opened["run_id"], "part": part} for part in opened["parts"]]


def extract_inventory(part: Mapping[str, Any]) -> dict[str, Any]:
    """Extract one part; returns its count with the run and part it belongs to."""
    from evbilling.connector_statements.extraction import extract_inventory
    from evbilling_airflow.connections import services

    return {"run_id": part["run_id"], **extract_inventory(services(), part["run_id"], part["part"])}


def apply_scope_rules(part: Mapping[str, Any]) -> dict[str, Any]:
    """Decide and stage one part; returns its counts with the run and part they belong to."""
    from evbilling.connector_statements.decisions import apply_scope_rules
    from evbilling_airflow.connections import services

    return {"run_id": part["run_id"], **apply_scope_rules(services(), part["run_id"], part["part"])}


def validate(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Validate the run of these parts; fails, after keeping the results, if anything critical doesn't hold."""
    from evbilling.connector_statements.validation import validate
    from evbilling_airflow.connections import services

    run_id = parts[0]["run_id"]
    return {"run_id": run_id, **validate(services(), run_id)}


def issue_statements(run: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the run; returns the outcome and the rows written."""
    from evbilling.connector_statements.issue import issue_statements
    from evbilling_airflow.connections import services

    return {"run_id": run["run_id"], **issue_statements(services(), run["run_id"])}


def close_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Tie out and tidy up; returns the checks that are not ok."""
    from evbilling.connector_statements.close import close_run
    from evbilling_airflow.connections import services

    return {"run_id": run["run_id"], **close_run(services(), run["run_id"])}


def charge(context: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    """Charge the period's statements; returns how many were collected, declined by class, unknown."""
    from evbilling.payments.charge import charge_period
    from evbilling_airflow.connections import desk

    with desk() as open_desk:
        period = billing_period(context)
        return {
            "run_id": closed["run_id"],
            **charge_period(open_desk, period, actor=actor(context), now=datetime.now(UTC)),
        }


def correct(context: Mapping[str, Any], validated: Mapping[str, Any]) -> dict[str, Any]:
    """Issue the corrections that the run finds due, or only say them; returns the outcome and the rows written."""
    from evbilling.connector_statements.corrections import correct_statements
    from evbilling_airflow.connections import services

    params = context["params"]
    corrected = correct_statements(services(), validated["run_id"], reason=params["reason"], dry_run=params["dry_run"])
    return {"run_id": validated["run_id"], **corrected}
