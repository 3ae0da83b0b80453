"""Approval policy: when a month is issued at once and when a person is asked, with a form and all that was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from evbilling.approvals import (
    COLUMNS,
    LABELS,
    MODE_WORDS,
    Mode,
    Policy,
    newest_policy_id,
    parse_policy,
    policy_for,
    record_policy,
    recorded_policies,
    texts_of,
)
from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.settings import next_period
from evbilling.warehouse import read_clock
from evbilling_web import warehouse
from evbilling_web.forms import sent_form
from evbilling_web.links import address
from evbilling_web.rendering import page
from evbilling_web.rights import CHANGE_SETTINGS, SignedIn, requires, why_not

router = APIRouter()

_LATER = 12


@router.get("/approval")
def show(request: Request, user: SignedIn, saved: int | None = None) -> Response:
    """The policy in force for the next month, in a form, and all that was ever recorded."""
    return _page(request, user, saved=saved)


@router.post("/approval")
def save(
    request: Request,
    user: Annotated[BaseUser, Depends(requires(CHANGE_SETTINGS))],
    sent: Annotated[Mapping[str, str], Depends(sent_form)],
) -> Response:
    """Record the policy as the signed-in user; errors are shown beside their fields, and nothing typed is lost."""
    typed = {name: sent.get(name, "") for name in (*COLUMNS, "reason", "seen")}
    policy, errors = parse_policy(typed)
    if policy is None or errors:
        return _page(request, user, typed=typed, errors=errors, status=422)
    seen = int(typed["seen"]) if typed["seen"].isascii() and typed["seen"].isdigit() and len(typed["seen"]) < 19 else 0
    try:
        saved = record_policy(warehouse.services().warehouse_url, policy, user.get_name(), typed["reason"], seen=seen)
    except BadInput as error:
        return _page(request, user, typed=typed, errors={"reason": f"{error.what}; {error.fix}"}, status=409)
    done = address(request.scope.get("root_path", ""), "/approval", saved=saved or 0)
    return RedirectResponse(done, status_code=303)


def _page(
    request: Request,
    user: BaseUser,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    saved: int | None = None,
    status: int = 200,
) -> Response:
    with warehouse.reading() as connection:
        recorded = recorded_policies(connection)
        following = next_period(connection, read_clock(connection))
        newest = newest_policy_id(connection)
    in_force = policy_for(recorded, following)
    offered = texts_of(in_force.policy if in_force else Policy(following)) | {
        "effective_from": str(following),
        "reason": "",
    }
    form = typed or offered
    context: dict[str, Any] = {
        "form": form,
        "errors": errors or {},
        "labels": LABELS,
        "modes": {str(mode): words for mode, words in MODE_WORDS.items()},
        "limits_apply": Mode.WITHIN_LIMITS,
        "periods": _periods(following, form.get("effective_from", "")),
        "recorded": recorded,
        "texts_of": texts_of,
        "in_force": in_force,
        "following": following,
        "newest": newest,
        "saved": saved,
        "saved_policy": next((row for row in recorded if row.policy_id == saved), None),
        "refusal": why_not(user, CHANGE_SETTINGS),
    }
    return page(request, "approval_policy/approval_policy.html", context, status=status)


def _periods(following: Period, chosen: str) -> list[str]:
    around = [str(following.shifted(months)) for months in range(-1, _LATER + 1)]
    return around if not chosen or chosen in around else sorted([*around, chosen])
