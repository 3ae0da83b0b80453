"""The tasks of account_statements up to closing the run: connections and context in, plain facts out.

The product is imported inside the functions, so that parsing a DAG file needs neither pandas nor Great Expectations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evbilling_airflow.context import run_request
from evbilling_airflow.watching import watched


@watched
def assemble(context: Mapping[str, Any]) -> dict[str, Any]:
    """Put together each account's items; returns the run and its counts."""
    from evbilling import account_statements
    from evbilling_airflow.connections import services

    here = services()
    return account_statements.assemble(here, run_request(context), now=here.now())


@watched
def validate(assembled: Mapping[str, Any]) -> dict[str, Any]:
    """Validate what was assembled; fails, after keeping the results, if a critical expectation fails."""
    from evbilling import account_statements
    from evbilling_airflow.connections import services

    run_id = assembled["run_id"]
    return {"run_id": run_id, **account_statements.validate(services(), run_id)}


@watched
def issue_statements(validated: Mapping[str, Any]) -> dict[str, Any]:
    """Publish the account statements; returns the outcome and the rows written."""
    from evbilling import account_statements
    from evbilling_airflow.connections import services

    run_id = validated["run_id"]
    return {"run_id": run_id, **account_statements.issue_statements(services(), run_id)}


@watched
def close_run(issued: Mapping[str, Any]) -> dict[str, Any]:
    """Tie out and drop the staging tables; returns the checks that are not ok."""
    from evbilling import account_statements
    from evbilling_airflow.connections import services

    run_id = issued["run_id"]
    return {"run_id": run_id, **account_statements.close_run(services(), run_id)}
