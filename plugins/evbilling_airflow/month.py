"""The steps of a month as tasks call them: connections and context in, plain facts out.

The product is imported inside the functions: whoever parses a DAG file needs neither pandas nor Great Expectations.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from evbilling_airflow.context import actor, billing_period


def open_run(context: Mapping[str, Any]) -> dict[str, Any]:
    """Open a run of this DAG run's period; returns {"run_id", "shards"}."""
    from evbilling.statements.opening import RunRequest, open_run
    from evbilling_airflow.connections import services

    period = billing_period(context)
    params = context["params"]
    request = RunRequest(
        period=period,
        dag_id=context["dag_run"].dag_id,
        airflow_run_id=context["dag_run"].run_id,
        actor=actor(context),
        max_count_change_percent=float(params["max_count_change_percent"]),
        max_orphan_connectors=int(params["max_orphan_connectors"]),
    )
    return open_run(services(), request, now=datetime.now(UTC))


def extract_inventory(run: Mapping[str, Any], shard: int) -> dict[str, Any]:
    """Extract one shard; returns its counts."""
    from evbilling.statements.extraction import extract_inventory
    from evbilling_airflow.connections import services

    return extract_inventory(services(), run["run_id"], shard)


def apply_scope_rules(run: Mapping[str, Any], shard: int) -> dict[str, Any]:
    """Decide and stage one shard; returns its counts."""
    from evbilling.statements.decisions import apply_scope_rules
    from evbilling_airflow.connections import services

    return apply_scope_rules(services(), run["run_id"], shard)


def validate(run: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the run; fails, after keeping the results, if anything critical doesn't hold."""
    from evbilling.statements.validation import validate
    from evbilling_airflow.connections import services

    return validate(services(), run["run_id"])


def issue_statements(run: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the run; returns the outcome and the rows written."""
    from evbilling.statements.issuing import issue_statements
    from evbilling_airflow.connections import services

    return issue_statements(services(), run["run_id"])


def close_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Tie out and tidy up; returns the checks that are not ok."""
    from evbilling.statements.closing import close_run
    from evbilling_airflow.connections import services

    return close_run(services(), run["run_id"])
