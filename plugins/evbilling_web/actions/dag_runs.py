"""Starts DAG runs as the signed-in user through Airflow's own REST API, and follows them.

Calls go straight to Airflow's app in this process, with the user's token: they need no address, and Airflow checks the
right, validates the Params and records the user, as for any other client.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from fastapi import Request
from starlette.exceptions import HTTPException

from evbilling.errors import BadInput, NotReady, TransientError

NONCE_FORM = r"[A-Za-z0-9_-]{16,64}"


@dataclass(frozen=True, slots=True)
class RunState:
    """A DAG run: `state` is queued, running, success or failed; `user` who started it; `queued_at` when."""

    dag_id: str
    run_id: str
    state: str
    user: str | None
    note: str | None
    conf: dict[str, Any]
    queued_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.state in {"success", "failed"}


def new_nonce() -> str:
    """A token that makes repeated submits of a form one action: it becomes part of the run's id."""
    return secrets.token_urlsafe(18)


def is_nonce(text: str) -> bool:
    """True if the text has the form of `new_nonce`."""
    return re.fullmatch(NONCE_FORM, text) is not None


def run_id(dag_id: str, nonce: str) -> str:
    """The id of the only run that a form with this nonce can start."""
    return f"page-{dag_id}-{nonce}"


async def start(request: Request, dag_id: str, nonce: str, conf: dict[str, Any], note: str | None = None) -> str:
    """Start the DAG with these Params as the signed-in user; returns the run's id. A repeated submit starts nothing.

    Raises `HTTPException` 403 without the right, `BadInput` for a Param that Airflow refuses, `NotReady` if the DAG
    isn't known, `TransientError` for anything else.
    """
    wanted = run_id(dag_id, nonce)
    body = {"dag_run_id": wanted, "logical_date": None, "conf": conf, "note": note}
    answer = await _call(request, "POST", _path(dag_id, "dagRuns"), body)
    if answer.status_code in {200, 201, 409}:
        return wanted
    raise _explained(answer, dag_id)


async def look(request: Request, dag_id: str, wanted: str) -> RunState:
    """The state of a run; raises `NotReady` if there is no such run."""
    # As a part of a path these lead elsewhere.
    if wanted in {".", ".."}:
        raise NotReady("There is no such run.", where=dag_id)
    answer = await _call(request, "GET", _path(dag_id, "dagRuns", wanted))
    if answer.status_code != 200:
        raise _explained(answer, dag_id)
    run = answer.json()
    queued_at = datetime.fromisoformat(run["queued_at"]) if run.get("queued_at") else None
    return RunState(
        dag_id, wanted, run["state"], run.get("triggering_user_name"), run.get("note"), run.get("conf") or {}, queued_at
    )


async def is_started(request: Request, dag_id: str, nonce: str) -> bool:
    """True if a form with this nonce has started its run."""
    try:
        await look(request, dag_id, run_id(dag_id, nonce))
    except NotReady:
        return False
    return True


async def why_not_begun(request: Request, dag_id: str) -> str | None:
    """What keeps runs of the DAG from starting, and what to do; None if the user may see no such reason."""
    answer = await _call(request, "GET", _path(dag_id))
    if answer.status_code == 404:
        return f"Airflow doesn't know the DAG {dag_id} (yet). See Airflow's import errors."
    if answer.status_code == 200 and answer.json()["is_paused"]:
        return f"The DAG {dag_id} is paused in Airflow. The run starts when it is unpaused there."
    return None


async def task_states(request: Request, dag_id: str, wanted: str) -> list[dict[str, Any]]:
    """The run's task instances, as Airflow's API returns them."""
    answer = await _call(request, "GET", _path(dag_id, "dagRuns", wanted, "taskInstances"))
    if answer.status_code != 200:
        raise _explained(answer, dag_id)
    return list(answer.json()["task_instances"])


async def xcom(request: Request, dag_id: str, wanted: str, task_id: str, key: str = "return_value") -> Any:
    """The task's return value, or its value of another key; None if there is none (yet)."""
    path = _path(dag_id, "dagRuns", wanted, "taskInstances", task_id, "xcomEntries", key)
    answer = await _call(request, "GET", path)
    return answer.json().get("value") if answer.status_code == 200 else None


async def ask(request: Request, path: str) -> httpx.Response:
    """Airflow's answer to a GET of its API, as the signed-in user."""
    return await _call(request, "GET", path)


async def answer(request: Request, path: str, body: dict[str, Any], dag_id: str) -> None:
    """Answer the question of a task of the DAG at `path` of Airflow's API, as the signed-in user.

    Raises `HTTPException` 403 without the right, `NotReady` if it was answered already or asks nothing any more.
    """
    given = await _call(request, "PATCH", f"{path}/hitlDetails", body)
    if given.status_code == 409:
        raise NotReady(
            "This was answered already, so nothing was done.", fix="Look at the month again: it shows what was decided."
        )
    if given.status_code != 200:
        raise _explained(given, dag_id)


def _path(*parts: str) -> str:
    """The path below Airflow's DAGs."""
    return "/".join(["/api/v2/dags", *(quote(part, safe="") for part in parts)])


def _token(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given if scheme.lower() == "bearer" else request.cookies.get(COOKIE_NAME_JWT_TOKEN, "")


async def _call(request: Request, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(_airflow(request), raise_app_exceptions=False)
    # The host is never resolved: the transport calls the app directly.
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow.internal", timeout=30) as client:
        return await client.request(method, path, json=body, headers={"Authorization": f"Bearer {_token(request)}"})


def _airflow(request: Request) -> Any:
    """Airflow's app in this process; tests replace it."""
    given = getattr(request.app.state, "airflow", None)
    if given is not None:
        return given
    from airflow.api_fastapi.main import app

    return app


def _explained(answer: httpx.Response, dag_id: str) -> Exception:
    try:
        detail = answer.json().get("detail")
    except ValueError:
        detail = None
    message = detail if isinstance(detail, str) else f"Airflow answers with status {answer.status_code}"
    if answer.status_code in {401, 403}:
        return HTTPException(answer.status_code, message)
    if answer.status_code == 404:
        fix = "Check that Airflow has parsed the DAG and that the run wasn't deleted."
        return NotReady(message, where=dag_id, fix=fix)
    if answer.status_code in {400, 422}:
        return BadInput(message, where=dag_id, fix="Correct the value.")
    return TransientError(message, where=dag_id, fix="Try again. If the error persists, see the API server's log.")
