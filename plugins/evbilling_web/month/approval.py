"""A month's plan that waits: why, and the form that answers Airflow's question about it as the signed-in user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from evbilling.approvals import (
    Asked,
    CanaryStatement,
    Decided,
    Scope,
    accounts_in,
    answer_of,
    asked_of,
    canary_of,
    decisions_of,
    fault_in_canary,
    is_partly_issued,
    task_path,
    why_not_theirs,
)
from evbilling.errors import BadInput, NotReady
from evbilling.period import Period
from evbilling.typed_text import fault_in
from evbilling_web import warehouse
from evbilling_web.actions import dag_runs
from evbilling_web.forms import read_form
from evbilling_web.links import address, period_of
from evbilling_web.rights import APPROVE_MONTH, requires, why_not

router = APIRouter()


@dataclass(frozen=True, slots=True)
class MonthApproval:
    """The plan that waits with its canary, and the decision taken last.

    `is_partly_issued`: of the month only a canary is issued. `may_not` and `not_theirs` say why this user can't decide.
    """

    asked: Asked | None
    decided: Decided | None
    may_not: str | None = None
    not_theirs: str | None = None
    canary: Sequence[CanaryStatement] = ()
    is_partly_issued: bool = False


def read_approval(connection: psycopg.Connection[Any], period: Period, user: BaseUser) -> MonthApproval:
    """What of the month's plan is decided, or waits for this user or another."""
    asked, decided = asked_of(connection, str(period)), decisions_of(connection, str(period))
    is_partly = is_partly_issued(connection, str(period))
    if asked is None:
        # A month that is run again has a plan that issues nothing, on which nobody was asked.
        last = next((one for one in decided if one.statements), None)
        return MonthApproval(None, last, is_partly_issued=is_partly)
    not_theirs = why_not_theirs(connection, asked.plan_id, user.get_name())
    canary = canary_of(connection, asked.plan_id)
    return MonthApproval(asked, None, why_not(user, APPROVE_MONTH), not_theirs, canary, is_partly)


@router.post("/months/{period}/decision", dependencies=[Depends(requires(APPROVE_MONTH))])
async def decide(request: Request, period: str) -> Response:
    """Answer for the plan that the form showed; refused if the month's plan is another by now."""
    form = await read_form(request)
    wanted, sent = period_of(period), {name: value for name, value in form.items() if isinstance(value, str)}
    approved, reason = sent.get("decision") == "approve", sent.get("reason", "").strip()
    picked = accounts_in(sent.get("canary_accounts", "").replace("\x00", "\ufffd")) if approved else ()
    asked, not_theirs, fault = await run_in_threadpool(_look, wanted, request.state.reader.get_name(), picked)
    if asked is None or (sent.get("plan_hash"), sent.get("scope")) != (asked.plan_hash, asked.scope):
        raise NotReady(
            f"Nothing was done: the plan of {wanted} that you looked at doesn't wait any more. It was decided on, or"
            " planned again.",
            fix="Look at the month again, and decide on the plan as it is now.",
        )
    if sent.get("decision") not in {"approve", "reject"}:
        raise BadInput("This form is incomplete, so nothing was done.", fix="Open it again.")
    if not reason or (wrong := fault_in(reason)):
        why = f"The reason {wrong}" if reason else "A decision needs a reason"
        raise BadInput(f"{why}, so nothing was done.", fix="Go back and give the reason in a few words.")
    if fault:
        raise BadInput(
            f"Nothing was done: {fault}.", fix="Go back, and name accounts that the plan has a statement for, or none."
        )
    if approved and not_theirs:
        raise NotReady(not_theirs, fix="Ask somebody else; you may reject it.")
    if await dag_runs.why_not_begun(request, asked.dag_id):
        raise NotReady(
            f"Nothing was done: the DAG {asked.dag_id} is paused in Airflow, so the run wouldn't go on.",
            fix="Switch it on there. A month that is due is planned then, and waits too.",
        )
    body = answer_of(asked, approved=approved, reason=reason, canary=picked)
    await dag_runs.answer(request, task_path(asked), body, asked.dag_id)
    place = f"/runs/{asked.dag_id}/{asked.airflow_run_id}"
    back = f"/months/{wanted}"
    return RedirectResponse(address(request.scope.get("root_path", ""), place, back=back), status_code=303)


def _look(period: Period, user: str, picked: Sequence[str]) -> tuple[Asked | None, str | None, str | None]:
    """The plan that waits, why this user may not approve it, and why these accounts can't be its canary."""
    with warehouse.reading() as connection:
        asked = asked_of(connection, str(period))
        if asked is None:
            return None, None, None
        is_whole = picked and asked.scope != Scope.REST
        fault = fault_in_canary(connection, asked.plan_id, picked) if is_whole else None
        return asked, why_not_theirs(connection, asked.plan_id, user), fault
