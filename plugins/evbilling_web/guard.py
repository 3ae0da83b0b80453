"""Nobody sees a page without Airflow's permission: Airflow itself guards no route of a plugin."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

# Whoever may see the runs of the month's DAG may see what the pages show. A DAG's right, because it means the same
# under every auth manager.
may_see_runs = requires_access_dag("GET", DagAccessEntity.RUN, "connector_statements")


def to_login_or_error(request: Request, error: Exception) -> Response:
    """A person who isn't signed in goes to the login page and comes back; a program gets the status code."""
    if not isinstance(error, HTTPException):
        raise error
    # Airflow answers 403 to a token that it can't read, which to a person also means: sign in again.
    signed_out = error.status_code == 401 or (error.status_code == 403 and "token" in str(error.detail).lower())
    if signed_out and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(get_auth_manager().get_url_login(next_url=wanted), status_code=303)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)
