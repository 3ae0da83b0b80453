"""The page that follows an action's DAG run: its progress, the outcome for each statement, or why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from evbilling.mail import requested
from evbilling.payments.actions import FAILED, ActionResult, describe
from evbilling.payments.retries import explain
from evbilling.read_models.month import failure_on_record
from evbilling.read_models.statement_list import CurrentStatement, read_current
from evbilling_airflow.actions import ACTIONS, BILL_MONTH, EXPORT_JOURNAL, SEND_MAIL
from evbilling_airflow.reporting import REFUSAL
from evbilling_web import warehouse
from evbilling_web.actions import dag_runs
from evbilling_web.actions.view import without_id
from evbilling_web.links import return_path
from evbilling_web.rendering import page
from evbilling_web.rights import APPROVE_MONTH

router = APIRouter()

# The run of a month is followed from where it was approved.
_MONTH = APPROVE_MONTH.dag_id
_LABELS = {action.dag_id: action.label for action in (*ACTIONS, BILL_MONTH, EXPORT_JOURNAL)} | {
    _MONTH: "Issue and charge"
}
_UNREADABLE: dict[str, str | None] = {
    "what": "This page can't read the run's results.",
    "fix": "See its log in Airflow.",
}

# A running scheduler starts a run within seconds.
_LONG = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class StatementOutcome:
    """What became of one statement, in words, and its current state. `is_done`: the request was met.

    `why` explains a decline. Without a statement, `account_id` is the account that got none.
    """

    statement_id: str
    words: str
    is_done: bool
    now: CurrentStatement | None
    why: str | None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A run's progress; `hint` says what to check if it is stuck, `failure` why it failed."""

    run: dag_runs.RunState
    hint: str | None = None
    failure: dict[str, str | None] | None = None
    outcomes: Sequence[StatementOutcome] = ()

    @property
    def not_done(self) -> int:
        """The number of statements for which the request wasn't met."""
        return sum(not outcome.is_done for outcome in self.outcomes)


@router.get("/runs/{dag_id}/{run_id}")
async def follow(request: Request, dag_id: str, run_id: str, back: str | None = None) -> HTMLResponse:
    """The run of an action; 404 for any other DAG. The page polls it until it has finished."""
    if dag_id not in _LABELS:
        raise HTTPException(404, "This DAG isn't an action of these pages.")
    progress = await _progress(request, dag_id, run_id)
    context = {"words": _LABELS[dag_id], "progress": progress, "run": progress.run, "back": return_path(request, back)}
    return page(request, "actions/run.html", context)


async def _progress(request: Request, dag_id: str, run_id: str) -> Progress:
    run = await dag_runs.look(request, dag_id, run_id)
    if run.state == "queued":
        return Progress(run, hint=await _why_waiting(request, run))
    tasks = await dag_runs.task_states(request, dag_id, run_id)
    if dag_id == BILL_MONTH.dag_id and run.state == "success":
        issued = await dag_runs.xcom(request, dag_id, run_id, "issue_statements")
        rows = issued.get("results", ()) if isinstance(issued, dict) else ()
        return Progress(run, outcomes=await run_in_threadpool(_billed, rows))
    if run.state == "failed":
        return Progress(run, failure=await _failure(request, run, tasks))
    if run.state != "success":
        return Progress(run, hint=_why_not_on(run, tasks))
    results: list[ActionResult] = []
    for task in tasks if dag_id != _MONTH else ():
        given = await dag_runs.xcom(request, dag_id, run_id, task["task_id"])
        rows = given.get("results") if isinstance(given, dict) else given
        try:
            results += [ActionResult.from_json(row) for row in rows] if isinstance(rows, list) else []
        except (AttributeError, KeyError, TypeError, ValueError):
            # The run is of another version: its results aren't guessed.
            return Progress(run, failure=_UNREADABLE)
    if dag_id == SEND_MAIL.dag_id:
        return Progress(run, outcomes=await run_in_threadpool(_mail_outcomes, run, results))
    return Progress(run, outcomes=await run_in_threadpool(_outcomes, results))


async def _why_waiting(request: Request, run: dag_runs.RunState) -> str | None:
    hindered = await dag_runs.why_not_begun(request, run.dag_id)
    if hindered or run.queued_at is None or datetime.now(UTC) - run.queued_at < _LONG:
        return hindered
    return f"Waiting since {run.queued_at:%H:%M:%S} UTC. Check that Airflow's scheduler is running."


def _why_not_on(run: dag_runs.RunState, tasks: Sequence[dict[str, Any]]) -> str | None:
    for task in tasks:
        if task["task_id"] == "approve_rest" and task["state"] == "awaiting_input":
            return "The canary is issued, charged and mailed. The rest waits for approval on the month's page."
        if task["state"] == "up_for_retry":
            return (
                "The warehouse, the platform, the payment gateway or the mail server didn't answer. "
                "Airflow retries automatically, and nothing is done twice."
            )
    waits = [task for task in tasks if task["state"] in {None, "scheduled", "queued"}]
    if not waits or run.queued_at is None or datetime.now(UTC) - run.queued_at < _LONG:
        return None
    return (
        f"Waiting for a free slot since {run.queued_at:%H:%M:%S} UTC. Check that an Airflow worker is running, and "
        "Airflow's pools."
    )


async def _failure(request: Request, run: dag_runs.RunState, tasks: Sequence[dict[str, Any]]) -> dict[str, str | None]:
    for task in tasks:
        why = await dag_runs.xcom(request, run.dag_id, run.run_id, task["task_id"], REFUSAL)
        if _is_refusal(why):
            return {"what": str(why["what"]), "fix": why.get("fix")}
    if failure := await run_in_threadpool(_failure_on_record, run):
        return {"what": failure, "fix": None}
    return {"what": "The run failed without giving a reason.", "fix": "See its log in Airflow."}


def _failure_on_record(run: dag_runs.RunState) -> str | None:
    """Why a run that counts a month stopped, by its record in the warehouse."""
    with warehouse.reading() as connection:
        return failure_on_record(connection, run.dag_id, run.run_id)


def _is_refusal(value: Any) -> bool:
    return isinstance(value, dict) and "what" in value


def _outcomes(results: Sequence[ActionResult]) -> list[StatementOutcome]:
    with warehouse.reading() as connection:
        current = read_current(connection, [result.statement_id for result in results])
    outcomes = []
    for result in results:
        now = current.get(result.statement_id)
        has_failed = not result.is_done and now is not None and now.status == FAILED and now.decline_code is not None
        why = explain(now.decline_code) if has_failed and now else None
        words = without_id(describe(result), result.statement_id)
        outcomes.append(StatementOutcome(result.statement_id, words, result.is_done, now, why))
    return outcomes


def _billed(rows: Sequence[dict[str, str]]) -> list[StatementOutcome]:
    """What became of the accounts of a run of some; nothing of a run of a whole month, which its page shows."""
    with warehouse.reading() as connection:
        now = read_current(connection, [row["statement_id"] for row in rows if "statement_id" in row])
    outcomes = []
    for row in rows:
        statement, account = row.get("statement_id"), row["account_id"]
        if statement:
            words = "issued" if row["is_new"] == "True" else "it was issued before"
            outcomes.append(StatementOutcome(statement, words, True, now.get(statement), None))
        else:
            words = f"no statement: {row.get('reasons') or 'it is not charged for connectors in this month'}"
            outcomes.append(StatementOutcome("", words, False, None, None, account))
    return outcomes


def _mail_outcomes(run: dag_runs.RunState, results: Sequence[ActionResult]) -> list[StatementOutcome]:
    """The delivery state of each message that the run requested, and why the others weren't requested."""
    with warehouse.reading() as connection:
        messages = requested(connection, run.run_id)
        now = read_current(connection, [message.statement_id for message in messages])
    delivered = [
        StatementOutcome(message.statement_id, message.sentence(), message.is_sent, now[message.statement_id], None)
        for message in messages
    ]
    return delivered + _outcomes([result for result in results if result.statement_id not in now])
