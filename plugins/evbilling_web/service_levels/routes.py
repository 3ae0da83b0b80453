"""The page Service levels: what is late, and by when it is due, with a form that changes that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from evbilling.errors import BadInput
from evbilling.service_levels import COUNTED_FROM, LEVELS, parse_time_limit, set_time_limit, time_limits
from evbilling.warehouse import read_clock
from evbilling_web import warehouse
from evbilling_web.forms import sent_form
from evbilling_web.links import address
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.rights import CHANGE_SETTINGS, SignedIn, requires, why_not
from evbilling_web.service_levels.reading import current_levels

router = APIRouter()

_FIELDS = ("service_level", "effective_from", "hours", "reason")


@router.get("/service-levels", dependencies=[Depends(note_paused)])
def service_levels(request: Request, user: SignedIn, saved: int | None = None) -> Response:
    """Every service level, what needs somebody first, and every time limit."""
    return _page(request, user, saved=saved)


@router.post("/service-levels", dependencies=[Depends(note_paused)])
def save(
    request: Request,
    user: Annotated[BaseUser, Depends(requires(CHANGE_SETTINGS))],
    sent: Annotated[Mapping[str, str], Depends(sent_form)],
) -> Response:
    """Record a time limit as the signed-in user; errors are shown beside their fields, and nothing typed is lost."""
    typed = {name: sent.get(name, "") for name in _FIELDS}
    with warehouse.reading() as connection:
        today = read_clock(connection).date()
    limit, errors = parse_time_limit(typed, today)
    if limit is None:
        return _page(request, user, typed=typed, errors=errors)
    try:
        is_new = set_time_limit(warehouse.services().warehouse_url, limit, user.get_name(), typed["reason"])
    except BadInput as error:
        return _page(request, user, typed=typed, errors={"reason": f"{error.what}; {error.fix}"})
    done = address(request.scope.get("root_path", ""), "/service-levels", saved=int(is_new))
    return RedirectResponse(done, status_code=303)


def _page(
    request: Request,
    user: BaseUser,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    saved: int | None = None,
) -> Response:
    levels = sorted(current_levels(request), key=lambda level: not level.needs_somebody)
    with warehouse.reading() as connection:
        limits, today = time_limits(connection), read_clock(connection).date()
    context = {
        "levels": levels,
        "limits": limits,
        "names": {name: f"{LEVELS[name][:1].upper()}{LEVELS[name][1:]}" for name in COUNTED_FROM},
        "form": typed or {"service_level": "", "effective_from": str(today), "hours": "", "reason": ""},
        "today": today,
        "errors": errors or {},
        "labels": {"service_level": "What", "effective_from": "From", "hours": "Hours"},
        "saved": saved,
        "refusal": why_not(user, CHANGE_SETTINGS),
    }
    return page(request, "service_levels/service_levels.html", context, status=422 if errors else 200)
