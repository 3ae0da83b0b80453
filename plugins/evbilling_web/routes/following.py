"""Following the run of an action to its end: how far it is, what came of each statement, or why nothing did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from evbilling.mail.request_results import requested
from evbilling.payments.actions.foreseen import FAILED
from evbilling.payments.retries.declines import explain
from evbilling.read_models.statement_list.current import StatementNow, load_now
from evbilling_airflow.refusal import REFUSAL
from evbilling_web import runs, warehouse
from evbilling_web.acts.base import STATEMENT_ID
from evbilling_web.acts.every import ACTS
from evbilling_web.rendering import page
from evbilling_web.returning import way_back
from evbilling_web.rights import Right

router = APIRouter()

_WORDS = {act.right.value: act.words for act in ACTS}
# What an action's task says of a statement begins with its id, and so does what came of it.
_LINE = re.compile(rf"({STATEMENT_ID.pattern}): (.*)", re.DOTALL)
_DIDNT_WORK = ("not ", "nothing ", "declined", "unknown")

# A scheduler that runs takes up a run within seconds.
_LONG = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one statement: the task's words, and how it stands now. `is_good`: what was asked for was done."""

    statement_id: str | None
    says: str
    is_good: bool
    now: StatementNow | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as a page tells it; `hint` says what to look at where it doesn't get on, `failure` why it failed."""

    run: runs.RunState
    hint: str | None = None
    failure: dict[str, str | None] | None = None
    came: Sequence[Came] = ()

    @property
    def bad(self) -> int:
        """With how many statements it didn't work."""
        return sum(not one.is_good for one in self.came)


@router.get("/runs/{dag_id}/{run_id}")
async def follow(request: Request, dag_id: str, run_id: str, back: str | None = None) -> HTMLResponse:
    """The run of an action; 404 for any other DAG. Asked again every moment until it is over."""
    if dag_id not in _WORDS:
        raise HTTPException(404, "That is no action of these pages.")
    progress = await _progress(request, dag_id, run_id)
    context = {"words": _WORDS[dag_id], "progress": progress, "run": progress.run, "back": way_back(request, back)}
    return page(request, "run.html", context)


async def _progress(request: Request, dag_id: str, run_id: str) -> Progress:
    run = await runs.look(request, dag_id, run_id)
    if run.state == "queued":
        return Progress(run, hint=await _why_waiting(request, run))
    tasks = await runs.task_states(request, dag_id, run_id)
    if run.state == "failed":
        return Progress(run, failure=await _failure(request, run, tasks))
    if run.state != "success":
        return Progress(run, hint=_why_not_on(run, tasks))
    lines: list[str] = []
    for task in tasks:
        said = await runs.xcom(request, dag_id, run_id, task["task_id"])
        lines += [str(line) for line in said] if isinstance(said, list) else []
    if dag_id == Right.SEND_MAIL:
        return Progress(run, came=await run_in_threadpool(_mailed, run, lines))
    return Progress(run, came=await run_in_threadpool(_came, lines))


async def _why_waiting(request: Request, run: runs.RunState) -> str | None:
    hindered = await runs.why_not_begun(request, run.dag_id)
    if hindered or run.queued_at is None or datetime.now(UTC) - run.queued_at < _LONG:
        return hindered
    return f"It has been waiting since {run.queued_at:%H:%M:%S} UTC: look whether Airflow's scheduler runs."


def _why_not_on(run: runs.RunState, tasks: Sequence[dict[str, Any]]) -> str | None:
    for task in tasks:
        if task["state"] == "up_for_retry":
            return (
                "Something outside didn't answer: the warehouse, the platform, the payment gateway or the mail server. "
                "Airflow tries again by itself, and nothing is done twice."
            )
    waits = [task for task in tasks if task["state"] in {None, "scheduled", "queued"}]
    if not waits or run.queued_at is None or datetime.now(UTC) - run.queued_at < _LONG:
        return None
    return (
        f"It has been waiting for a free place since {run.queued_at:%H:%M:%S} UTC: look whether a worker of Airflow "
        "runs, and at its pools."
    )


async def _failure(request: Request, run: runs.RunState, tasks: Sequence[dict[str, Any]]) -> dict[str, str | None]:
    for task in tasks:
        why = await runs.xcom(request, run.dag_id, run.run_id, task["task_id"], REFUSAL)
        if _is_refusal(why):
            return {"what": str(why["what"]), "fix": why.get("fix")}
    return {"what": "The run ended without saying why.", "fix": "Its log in Airflow tells more."}


def _is_refusal(value: Any) -> bool:
    return isinstance(value, dict) and "what" in value


def _came(lines: Sequence[str]) -> list[Came]:
    parts = [_LINE.fullmatch(line) for line in lines]
    with warehouse.reading() as connection:
        now = load_now(connection, [part[1] for part in parts if part])
    came = []
    for line, part in zip(lines, parts, strict=True):
        stands = now.get(part[1]) if part else None
        says = part[2] if part else line
        is_bad = says.startswith(_DIDNT_WORK)
        has_failed = is_bad and stands is not None and stands.status == FAILED and stands.decline_code is not None
        why = explain(stands.decline_code) if has_failed and stands else None
        came.append(Came(part[1] if part else None, says, not is_bad, stands, why))
    return came


def _mailed(run: runs.RunState, lines: Sequence[str]) -> list[Came]:
    """Of each message that the run asked for what became of it since; of the others why nothing was asked for."""
    with warehouse.reading() as connection:
        messages = requested(connection, run.run_id)
        now = load_now(connection, [message.statement_id for message in messages])
    sent = [
        Came(message.statement_id, message.sentence(), message.is_sent, now[message.statement_id], None)
        for message in messages
    ]
    return sent + [came for came in _came(lines) if came.statement_id not in now]
