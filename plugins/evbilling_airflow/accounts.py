"""The steps of a month's end as tasks call them: connections and context in, plain facts out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from evbilling_airflow.context import actor, billing_period


def assemble(context: Mapping[str, Any]) -> dict[str, Any]:
    """Put together each account's items; returns the run and its counts."""
    from evbilling.account_statements.assembly import AccountRunRequest, assemble
    from evbilling_airflow.connections import services

    request = AccountRunRequest(
        period=billing_period(context),
        dag_id=context["dag_run"].dag_id,
        airflow_run_id=context["dag_run"].run_id,
        actor=actor(context),
        deliver=context["params"]["deliver"],
    )
    return assemble(services(), request, now=datetime.now(UTC))


def validate(assembled: Mapping[str, Any]) -> dict[str, Any]:
    """Validate what was assembled; fails, after keeping the results, if anything critical doesn't hold."""
    from evbilling.account_statements.validation import validate
    from evbilling_airflow.connections import services

    return {"run_id": assembled["run_id"], **validate(services(), assembled["run_id"])}


def issue_statements(validated: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the account statements; returns the outcome and the rows written."""
    from evbilling.account_statements.issue import issue_account_statements
    from evbilling_airflow.connections import services

    return {"run_id": validated["run_id"], **issue_account_statements(services(), validated["run_id"])}


def close_run(issued: Mapping[str, Any]) -> dict[str, Any]:
    """Tie out and tidy up; returns the checks that are not ok."""
    from evbilling.account_statements.close import close_account_run
    from evbilling_airflow.connections import services

    return {"run_id": issued["run_id"], **close_account_run(services(), issued["run_id"])}
