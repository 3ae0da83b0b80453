"""Bill a month that was never billed, or issue what accounts are missing in one: what it comes to, and the form.

Accounts are counted one by one, by the run's own rules; a whole month has a plan, which a run makes first. Either way
the run issues exactly what was shown, or nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from evbilling.errors import BadInput
from evbilling.payments.actions import total_by_currency, totals_text
from evbilling.period import Period
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview import MissingStatement, MonthToBill, month_to_bill, preview_missing
from evbilling_airflow.actions import BILL_MONTH
from evbilling_web import warehouse
from evbilling_web.actions import dag_runs
from evbilling_web.actions.view import Form
from evbilling_web.forms import read_form
from evbilling_web.links import address, period_of, return_path
from evbilling_web.rendering import page
from evbilling_web.rights import requires, right_to, why_not

router = APIRouter()

# Each account is counted on its own.
_MOST = 50
_RIGHT = right_to(BILL_MONTH)


@dataclass(frozen=True, slots=True)
class Bill:
    """What is asked for: the month, or the accounts in it; `asked` are those that the address names."""

    month: MonthToBill
    missing: Sequence[MissingStatement]
    begins_at: datetime | None

    @property
    def is_whole(self) -> bool:
        """The month was never billed."""
        return not self.month.is_billed

    @property
    def able(self) -> list[MissingStatement]:
        """The accounts that would get a statement."""
        return [one for one in self.missing if not refusal(one)]

    @property
    def refused(self) -> list[tuple[MissingStatement, str]]:
        """The other accounts, each with the reason."""
        return [(one, words) for one in self.missing if (words := refusal(one))]

    @property
    def totals(self) -> dict[str, Decimal]:
        """What would be issued, by currency."""
        if self.is_whole:
            return self.month.plan.money if self.month.plan else {}
        return total_by_currency(
            (one.preview.current.total, one.preview.currency) for one in self.able if one.preview.currency
        )

    @property
    def can_begin(self) -> bool:
        """There is something to ask for."""
        return self.begins_at is None and (self.is_whole or bool(self.able))

    @property
    def conf(self) -> dict[str, Any]:
        """The Params of the run that issues exactly this; without a plan of a whole month, of the run that makes it."""
        period = {"period": str(self.month.period)}
        if not self.is_whole:
            expected = {one.account_id: str(one.preview.current.total) for one in self.able}
            return period | {"account_ids": list(expected), "expected": expected}
        return period | ({"plan_hash": self.month.plan.plan_hash} if self.month.plan else {"dry_run": True})

    @property
    def seen(self) -> str:
        """A hash of what the user decides on."""
        return hashlib.sha256(json.dumps(self.conf, sort_keys=True).encode()).hexdigest()[:32]


def refusal(one: MissingStatement) -> str | None:
    """Why the account gets no statement; None if it does."""
    now = one.preview.current
    if one.statement_id:
        return f"it has {one.statement_id} already"
    if one.forgiven_by:
        return f"the month is forgiven by {one.forgiven_by}; take that back on the account's page first"
    if now.terms is None or not now.terms.charge_connectors:
        return "it isn't charged for connectors in this month"
    if now.problems:
        return "; ".join(problem.detail for problem in now.problems)
    return now.nothing


def _bill(period: Period, accounts: Sequence[str]) -> Bill:
    now = warehouse.now()
    last_count = period.count_instant("Etc/GMT+12")
    with warehouse.reading() as connection:
        month = month_to_bill(connection, period, most=_MOST)
        if not month.is_billed:
            return Bill(month, (), last_count if last_count > now else None)
        wanted = list(dict.fromkeys(accounts)) or list(month.on_hold)
        platform = open_lookup(warehouse.services(with_platform=True).platform_url)
        missing = preview_missing(platform, connection, period, wanted, now=now)
    return Bill(month, missing, None)


def _checked(accounts: Sequence[str]) -> Sequence[str]:
    if len(set(accounts)) > _MOST:
        raise BadInput(f"{len(set(accounts))} accounts are selected; the limit is {_MOST}.", fix="Select fewer.")
    if any("\x00" in account for account in accounts):
        raise BadInput("There is no such account.", fix="Choose one from the list.")
    return accounts


@router.get("/actions/bill-month")
async def show(
    request: Request,
    period: str = "",
    account: Annotated[list[str] | None, Query()] = None,
    back: str | None = None,
) -> HTMLResponse:
    """What would be issued, with the form; without accounts what the month as a whole is missing."""
    bill = await run_in_threadpool(_bill, period_of(period), _checked(account or ()))
    return await _page(request, bill, Form({}), back=return_path(request, back))


@router.post("/actions/bill-month", dependencies=[Depends(requires(_RIGHT))])
async def do(request: Request) -> Response:
    """Start the run that issues exactly what was shown, and follow it."""
    fields = await read_form(request)
    form = Form({name: value for name, value in fields.items() if isinstance(value, str)})
    nonce, back = form.get("nonce"), return_path(request, form.get("back"))
    if not dag_runs.is_nonce(nonce):
        raise BadInput("This form is incomplete, so nothing was done.", fix="Open it again.")
    if await dag_runs.is_started(request, BILL_MONTH.dag_id, nonce):
        return _followed(request, nonce, back)
    accounts = _checked([text for text in fields.getlist("account") if isinstance(text, str)])
    bill = await run_in_threadpool(_bill, period_of(form.get("period")), accounts)
    reason = form.reason()
    if not bill.can_begin or form.get("seen") != bill.seen:
        return await _page(request, bill, form, back=back, changed=True, status=409)
    if form.errors:
        return await _page(request, bill, form, back=back, status=422)
    await dag_runs.start(request, BILL_MONTH.dag_id, nonce, bill.conf | {"reason": reason}, note=reason)
    return _followed(request, nonce, back)


def _followed(request: Request, nonce: str, back: str | None) -> RedirectResponse:
    place = f"/runs/{BILL_MONTH.dag_id}/{dag_runs.run_id(BILL_MONTH.dag_id, nonce)}"
    return RedirectResponse(address(request.scope.get("root_path", ""), place, back=back), status_code=303)


async def _page(
    request: Request, bill: Bill, form: Form, *, back: str | None, changed: bool = False, status: int = 200
) -> HTMLResponse:
    context = {
        "bill": bill,
        "month": bill.month,
        "total": totals_text(bill.totals),
        "form": form,
        "nonce": dag_runs.new_nonce() if changed or not form.get("nonce") else form.get("nonce"),
        "back": back,
        "changed": changed,
        "may_not": await run_in_threadpool(why_not, request.state.reader, _RIGHT),
        "hindered": await dag_runs.why_not_begun(request, BILL_MONTH.dag_id),
    }
    return page(request, "actions/bill_month.html", context, status=status)
