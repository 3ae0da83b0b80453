"""Forgive missed months, of an account, of a month or of both: what each would cost, and the form; and take it back.

Like a setting, it is recorded by the page: nothing is issued, charged or mailed by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from evbilling.errors import BadInput
from evbilling.missed_months import BASIS, ForgivenMonth, forgive, forgiven_months, open_months, take_back
from evbilling.payments.actions import total_by_currency, totals_text
from evbilling.period import Period
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview import MissedAmount, preview_missed
from evbilling.warehouse import read_clock
from evbilling_web import warehouse
from evbilling_web.actions.view import Form
from evbilling_web.forms import sent_form
from evbilling_web.links import address, period_of, return_path
from evbilling_web.rendering import page
from evbilling_web.rights import CHANGE_SETTINGS, SignedIn, requires, why_not

router = APIRouter()

# Each is counted on its own.
MOST = 50


@dataclass(frozen=True, slots=True)
class Selection:
    """Which missed months are asked for: of an account, of a month, of both, or all; and what they would cost."""

    account_id: str | None
    period: Period | None
    missed: Sequence[MissedAmount] = ()
    has_more: bool = False

    @property
    def totals(self) -> dict[str, Decimal]:
        """What is known of the amounts, by currency."""
        return total_by_currency(
            (one.month.amount, one.month.currency)
            for one in self.missed
            if one.month.amount is not None and one.month.currency
        )

    @property
    def seen(self) -> str:
        """A hash of what the user decides on."""
        shown = [(one.month.account_id, str(one.month.period), str(one.month.amount)) for one in self.missed]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]


def _form(sent: Annotated[Mapping[str, str], Depends(sent_form)]) -> Form:
    return Form(sent)


Sent = Annotated[Form, Depends(_form)]
Allowed = Annotated[BaseUser, Depends(requires(CHANGE_SETTINGS))]


@router.get("/missed-months")
def show(
    request: Request,
    user: SignedIn,
    account: str = "",
    period: str = "",
    back: str | None = None,
    done: int | None = None,
) -> Response:
    """What is missed, with what it would cost and the form to forgive it."""
    return _page(request, user, _select(account, period), Form({}), back=return_path(request, back), done=done)


@router.post("/missed-months")
def forgive_all(request: Request, user: Allowed, form: Sent) -> Response:
    """Forgive what was shown, or nothing if it is something else by now."""
    back = return_path(request, form.get("back"))
    selection = _select(form.values.get("account", ""), form.get("period"))
    reason = form.reason()
    if not selection.missed or form.get("seen") != selection.seen:
        return _page(request, user, selection, form, back=back, changed="What is missed has changed.", status=409)
    if form.errors:
        return _page(request, user, selection, form, back=back, status=422)
    try:
        with warehouse.services().warehouse() as connection:
            done = forgive(connection, [one.month for one in selection.missed], actor=user.get_name(), reason=reason)
    except BadInput as error:
        return _page(request, user, _select_again(selection), form, back=back, changed=f"{error.what}.", status=409)
    place = {"account": selection.account_id, "period": selection.period, "back": back, "done": done}
    return RedirectResponse(address(request.scope.get("root_path", ""), "/missed-months", **place), status_code=303)


@router.get("/missed-months/take-back")
def show_forgiven(request: Request, user: SignedIn, account: str = "", period: str = "") -> Response:
    """A month that is forgiven, with the form to take that back."""
    return _take_back_page(request, user, account, period_of(period), Form({}))


@router.post("/missed-months/take-back")
def take_one_back(request: Request, user: Allowed, form: Sent) -> Response:
    """Make a forgiven month a missed one again, and go back to the account's page."""
    account, period = form.values.get("account", ""), period_of(form.get("period"))
    reason = form.reason()
    if form.errors:
        return _take_back_page(request, user, account, period, form, status=422)
    try:
        with warehouse.services().warehouse() as connection:
            take_back(connection, account, period, actor=user.get_name(), reason=reason)
    except BadInput:
        return _take_back_page(request, user, account, period, form, status=409)
    place = {"account": account, "period": period, "back": return_path(request, form.get("back"))}
    return RedirectResponse(address(request.scope.get("root_path", ""), "/missed-months", **place), status_code=303)


def _select(account: str, period: str) -> Selection:
    account_id = account.replace("\x00", "\ufffd") or None
    wanted = period_of(period) if period else None
    with warehouse.reading() as connection:
        now = read_clock(connection)
        found = open_months(connection, now, account_id=account_id, period=wanted, limit=MOST + 1)
        if not found:
            return Selection(account_id, wanted)
        platform = open_lookup(warehouse.services(with_platform=True).platform_url)
        missed = preview_missed(platform, connection, found[:MOST], now=now)
    return Selection(account_id, wanted, missed, len(found) > MOST)


def _select_again(selection: Selection) -> Selection:
    return _select(selection.account_id or "", str(selection.period or ""))


def _page(
    request: Request,
    user: BaseUser,
    selection: Selection,
    form: Form,
    *,
    back: str | None,
    done: int | None = None,
    changed: str | None = None,
    status: int = 200,
) -> Response:
    context: Mapping[str, object] = {
        "selection": selection,
        "total": totals_text(selection.totals),
        "basis": BASIS,
        "most": MOST,
        "form": form,
        "back": back,
        "done": done,
        "changed": changed,
        "may_not": why_not(user, CHANGE_SETTINGS),
    }
    return page(request, "missed_months/missed_months.html", dict(context), status=status)


def _take_back_page(
    request: Request, user: BaseUser, account: str, period: Period, form: Form, *, status: int = 200
) -> Response:
    account_id = account.replace("\x00", "\ufffd")
    with warehouse.reading() as connection:
        months: list[ForgivenMonth] = forgiven_months(connection, account_id)
    context = {
        "account_id": account_id,
        "period": period,
        "forgiven": next((one for one in months if one.period == period), None),
        "form": form,
        "may_not": why_not(user, CHANGE_SETTINGS),
    }
    return page(request, "missed_months/take_back.html", context, status=status)
