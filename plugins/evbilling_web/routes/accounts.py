"""Account Billing: pick an account, see what it is billed by and since when, and change it with a preview beside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
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
from evbilling_web import account_desk, warehouse
from evbilling_web.account_desk import AccountDesk, ShownPreview, desk_of, shown_preview
from evbilling_web.account_ids import account_of, account_place
from evbilling_web.rendering import address, page
from evbilling_web.rights import Right, SignedIn, requires, why_not

router = APIRouter()

# In the order of the form; each is also the id of its field, so that a fault leads to it.
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
    """The present; a function of its own, so that tests can tell the time."""
    return datetime.now(UTC)


async def sent_form(request: Request) -> Mapping[str, str]:
    """The texts of a form that was sent, by field."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


@router.get("/accounts")
def accounts(request: Request, q: str = "", after: str | None = None, before: str | None = None) -> Response:
    """Accounts to pick from, a page at a time, with what each is billed by next month."""
    sought, after, before = (text and text.replace("\x00", "") for text in (q.strip(), after, before))
    platform = account_desk.lookup()
    found = platform.find_accounts(sought or "", after=after, before=before)
    with warehouse.reading() as connection:
        period = next_period(connection, now())
        in_force = settings_of(connection, period, [account.account_id for account in found.accounts])
    terms = {account_id: recorded.terms for account_id, recorded in in_force.items()}
    ids = {setting.financial_admin_id for setting in terms.values() if setting.financial_admin_id}
    admins = {user.user_id: user for user in platform.users(sorted(ids))}
    given = {"found": found, "q": q, "period": period, "terms": terms, "admins": admins}
    return page(request, "accounts.html", given | {"as_price": as_price})


@router.get("/accounts/{account_id}")
def account(request: Request, account_id: str, user: SignedIn, saved: int | None = None) -> Response:
    """One account's form, filled with what is in force or, without JavaScript, with what is to be previewed."""
    given = dict(request.query_params)
    form = typed_setting(given) if "effective_from" in given else None
    desk = desk_of(account_of(account_id), now(), chosen=form.financial_admin_id if form else "")
    shown = shown_preview(desk, form) if form else None
    return _page(request, desk, user, form=form, shown=shown, errors=shown.errors if shown else {}, saved=saved)


@router.get("/accounts/{account_id}/preview")
def preview(request: Request, account_id: str) -> Response:
    """What stands beside the form, for what the form says now."""
    given = dict(request.query_params)
    form = typed_setting(given) if "effective_from" in given else None
    desk = desk_of(account_of(account_id), now(), chosen=form.financial_admin_id if form else "")
    return page(request, "account_preview.html", {"desk": desk, "shown": shown_preview(desk, form), "labels": LABELS})


@router.post("/accounts/{account_id}")
def save(
    request: Request,
    account_id: str,
    user: Annotated[BaseUser, Depends(requires(Right.CHANGE_SETTINGS))],
    sent: Annotated[Mapping[str, str], Depends(sent_form)],
) -> Response:
    """Record the setting as the signed-in user; what can't be is told beside its field, and nothing typed is lost."""
    form = typed_setting(sent)
    desk = desk_of(account_of(account_id), now(), chosen=form.financial_admin_id)
    if desk.trouble:
        return _page(request, desk, user, form=form, status=503)
    checked = desk.check(form)
    errors = {**checked.errors, **check_reason(form)}
    if errors or checked.terms is None:
        return _page(request, desk, user, form=form, errors=errors, seen=_seen(sent), status=422)
    warehouse_url = warehouse.services().warehouse_url
    try:
        added = record_setting(warehouse_url, checked.terms, user.get_name(), form.reason, seen=_seen(sent))
    except SettingChanged as conflict:
        # Whoever is told of it has seen it: the next save is deliberate. Whoever has only mistyped hasn't.
        seen = max(row.setting_id for row in conflict.recorded)
        return _page(request, desk, user, form=form, conflict=(conflict, checked.terms), seen=seen, status=409)
    done = address(request.scope.get("root_path", ""), account_place(desk.account_id), saved=added or 0)
    return RedirectResponse(done, status_code=303)


def _seen(sent: Mapping[str, str]) -> int:
    """The last setting that the form's reader had seen; what is no number was seen by nobody."""
    text = sent.get("seen", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _page(
    request: Request,
    desk: AccountDesk,
    user: BaseUser,
    *,
    form: TypedSetting | None = None,
    shown: ShownPreview | None = None,
    errors: Mapping[str, str] | None = None,
    saved: int | None = None,
    conflict: tuple[SettingChanged, BillingTerms] | None = None,
    seen: int | None = None,
    status: int = 200,
) -> Response:
    given: dict[str, Any] = {
        "desk": desk,
        "form": form or as_typed(desk.in_force, desk.following, desk.currency),
        "shown": shown,
        "errors": errors or {},
        "labels": LABELS,
        "compared": COMPARED,
        "refusal": why_not(user, Right.CHANGE_SETTINGS),
        "place": account_place(desk.account_id),
        "saved": saved,
        "saved_setting": next((row for row in desk.recorded if row.setting_id == saved), None),
        "conflict": conflict[0] if conflict else None,
        "mine": conflict[1] if conflict else None,
        "seen": desk.seen if seen is None else seen,
    }
    return page(request, "account.html", given, status=status)
