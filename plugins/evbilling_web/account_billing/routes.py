"""Account Billing: the list of accounts, and an account's settings with their history, a form and its preview."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from evbilling.money import as_price
from evbilling.settings import (
    COMPARED,
    BillingTerms,
    SettingChanged,
    TypedSetting,
    as_typed,
    check_reason,
    next_period,
    record_setting,
    settings_of,
    typed_setting,
)
from evbilling_web import warehouse
from evbilling_web.account_billing.view import AccountBilling, PreviewPanel, load_account, lookup, preview_panel
from evbilling_web.forms import sent_form
from evbilling_web.links import account_id_of, account_path, address
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.rights import CHANGE_SETTINGS, SignedIn, requires, why_not

router = APIRouter()

# In the order of the form; each name is also the id of its field, so that an error links to it.
LABELS = {
    "charge_connectors": "Charge the financial admin for connectors",
    "financial_admin_id": "Financial admin",
    "fee_per_connector": "Fee per connector and month",
    "fee_per_dc_connector": "Fee per DC connector and month",
    "tax_percent": "Tax in percent",
    "exclude_closed": "Exclude Closed",
    "exclude_private": "Exclude Private",
    "effective_from": "From period",
    "reason": "Reason",
}


def now() -> datetime:
    """The warehouse's time; a function so that tests can set it."""
    return warehouse.now()


@router.get("/accounts", dependencies=[Depends(note_paused)])
def accounts(request: Request, q: str = "", after: str | None = None, before: str | None = None) -> Response:
    """A page of accounts with their settings for the next period."""
    sought, after, before = (text and text.replace("\x00", "") for text in (q.strip(), after, before))
    platform = lookup()
    found = platform.find_accounts(sought or "", after=after, before=before)
    moment = now()
    with warehouse.reading() as connection:
        period = next_period(connection, moment)
        in_force = settings_of(connection, period, [account.account_id for account in found.rows])
    terms = {account_id: recorded.terms for account_id, recorded in in_force.items()}
    ids = {setting.financial_admin_id for setting in terms.values() if setting.financial_admin_id}
    context = {"found": found, "q": q, "period": period, "terms": terms, "admins": platform.users(sorted(ids))}
    return page(request, "account_billing/accounts.html", context | {"as_price": as_price})


@router.get("/accounts/{account_id}", dependencies=[Depends(note_paused)])
def account(request: Request, account_id: str, user: SignedIn, saved: int | None = None) -> Response:
    """One account with its form: the setting in force or, without JavaScript, the one to preview."""
    query = dict(request.query_params)
    form = typed_setting(query) if "effective_from" in query else None
    billing = load_account(account_id_of(account_id), now(), chosen=form.financial_admin_id if form else "")
    shown = preview_panel(billing, form) if form else None
    return _page(request, billing, user, form=form, shown=shown, errors=shown.errors if shown else {}, saved=saved)


@router.get("/accounts/{account_id}/preview")
def preview(request: Request, account_id: str) -> Response:
    """The panel beside the form, for the form's current values."""
    query = dict(request.query_params)
    form = typed_setting(query) if "effective_from" in query else None
    billing = load_account(account_id_of(account_id), now(), chosen=form.financial_admin_id if form else "")
    return page(
        request,
        "account_billing/preview.html",
        {"billing": billing, "shown": preview_panel(billing, form), "labels": LABELS},
    )


@router.post("/accounts/{account_id}", dependencies=[Depends(note_paused)])
def save(
    request: Request,
    account_id: str,
    user: Annotated[BaseUser, Depends(requires(CHANGE_SETTINGS))],
    sent: Annotated[Mapping[str, str], Depends(sent_form)],
) -> Response:
    """Record the setting as the signed-in user; errors are shown beside their fields, and nothing typed is lost."""
    form = typed_setting(sent)
    billing = load_account(account_id_of(account_id), now(), chosen=form.financial_admin_id)
    if billing.platform_error:
        return _page(request, billing, user, form=form, status=503)
    checked = billing.check(form)
    errors = {**checked.errors, **check_reason(form)}
    if errors or checked.terms is None:
        return _page(request, billing, user, form=form, errors=errors, seen=_seen(sent), status=422)
    warehouse_url = warehouse.services().warehouse_url
    try:
        added = record_setting(warehouse_url, checked.terms, user.get_name(), form.reason, seen=_seen(sent))
    except SettingChanged as conflict:
        # The user sees the other setting now, so the next save replaces it on purpose; a typing error shows nothing.
        seen = max(row.setting_id for row in conflict.recorded)
        return _page(request, billing, user, form=form, conflict=(conflict, checked.terms), seen=seen, status=409)
    done = address(request.scope.get("root_path", ""), account_path(billing.account_id), saved=added or 0)
    return RedirectResponse(done, status_code=303)


def _seen(sent: Mapping[str, str]) -> int:
    """The id of the last setting that the user had seen; 0 if it isn't a number."""
    text = sent.get("seen", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _page(
    request: Request,
    billing: AccountBilling,
    user: BaseUser,
    *,
    form: TypedSetting | None = None,
    shown: PreviewPanel | None = None,
    errors: Mapping[str, str] | None = None,
    saved: int | None = None,
    conflict: tuple[SettingChanged, BillingTerms] | None = None,
    seen: int | None = None,
    status: int = 200,
) -> Response:
    context: dict[str, Any] = {
        "billing": billing,
        "form": form or as_typed(billing.offered, billing.offered_period, billing.currency),
        "shown": shown,
        "errors": errors or {},
        "labels": LABELS,
        "account_path_below": account_path(billing.account_id),
        "compared": COMPARED,
        "refusal": why_not(user, CHANGE_SETTINGS),
        "saved": saved,
        "saved_setting": next((row for row in billing.recorded if row.setting_id == saved), None),
        "conflict": conflict[0] if conflict else None,
        "mine": conflict[1] if conflict else None,
        "seen": billing.last_setting_id if seen is None else seen,
    }
    return page(request, "account_billing/account.html", context, status=status)
