"""The Month page: one period at a glance, and the list of all months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from evbilling.approvals import asked_of
from evbilling.errors import BadInput, NotReady
from evbilling.missed_months import missed_months
from evbilling.period import Period
from evbilling.read_models.due import DueFilter
from evbilling.read_models.month import MonthOverview, month_overview, month_state, months, steps_under_way
from evbilling.read_models.plan import account_plan, changed_accounts, month_plan
from evbilling.read_models.statement_list import StatementFilter
from evbilling.warehouse import read_clock
from evbilling_web import warehouse
from evbilling_web.links import period_of
from evbilling_web.month.approval import read_approval
from evbilling_web.month.bars import bar_tables
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.rights import SignedIn

router = APIRouter()

# Accounts of a plan on the month's page, and on a page of their own; and the last that one is asked for.
_LARGEST, _SHOWN, _LAST = 10, 50, 10_000_000


@router.get("/months", dependencies=[Depends(note_paused)])
def list_of_months(request: Request) -> HTMLResponse:
    """Every month that was started, newest first, and what accounts have missed."""
    with warehouse.reading() as connection:
        now = read_clock(connection)
        lines, missed = months(connection, now), missed_months(connection, now)
        under_way = [line.period for line in lines if line.state == "open"]
        waiting = {period for period in under_way if asked_of(connection, str(period))}
    return page(request, "month/months.html", {"lines": lines, "missed": missed, "waiting": waiting})


@router.get("/months/{period}/plan")
def one_plan(request: Request, period: str, account: str = "", first: int = 0) -> HTMLResponse:
    """Accounts of a month's plan with their causes; 404 for an invalid period or one without a plan."""
    wanted, first = period_of(period), min(max(first, 0), _LAST)
    account_id = account.strip()
    with warehouse.reading() as connection:
        plan = month_plan(connection, wanted)
        if plan is None:
            raise NotReady(f"{wanted} has no plan", fix="it has one once connector_statements has planned it")
        found = (
            account_plan(connection, plan, account_id)
            if account_id
            else changed_accounts(connection, plan, first=first, limit=_SHOWN + 1)
        )
    context = {
        "period": wanted,
        "name": f"{wanted.first_day:%B %Y}",
        "plan": plan,
        "account_id": account_id,
        "found": found[:_SHOWN],
        "first": first,
        "shown": _SHOWN,
        "has_more": len(found) > _SHOWN,
    }
    return page(request, "month/plan.html", context)


@router.get("/months/{period}", dependencies=[Depends(note_paused)])
def one_month(request: Request, period: str, user: SignedIn) -> HTMLResponse:
    """A month at a glance; 404 for an invalid period."""
    wanted = period_of(period)
    with warehouse.reading() as connection:
        now = read_clock(connection)
        month = month_overview(connection, wanted, day=now.date(), now=now)
        steps = steps_under_way(connection, wanted)
        approval = read_approval(connection, wanted, user)
        plan = month_plan(connection, wanted)
        changes = changed_accounts(connection, plan, limit=_LARGEST) if plan else []
    root = request.scope.get("root_path", "")

    def list_address(statuses: Sequence[str], currency: str | None = None) -> str:
        chosen = StatementFilter(("connector",), tuple(statuses), wanted, currency=currency)
        return f"{root}/statements?{chosen.query()}"

    def due_address(age: str | None, currency: str) -> str:
        return f"{root}/due?{DueFilter(age=age, currency=currency).query()}"

    context = {
        "month": month,
        "state": month_state(month, (asked.asked_at, asked.due_at) if (asked := approval.asked) else None),
        "steps": steps,
        "approval": approval,
        "plan": plan,
        "changes": changes,
        "charts": bar_tables(month, list_address, due_address) if month.is_begun or month.receivables else [],
        "list_address": list_address,
        "can_bill": _can_bill(month, now, is_partly_issued=approval.is_partly_issued),
        "name": f"{month.period.first_day:%B %Y}",
        "before": _neighbour(wanted, -1),
        "after": _neighbour(wanted, 1),
    }
    return page(request, "month/month.html", context)


def _can_bill(month: MonthOverview, now: datetime, *, is_partly_issued: bool) -> bool:
    """True for a month that was never billed, or whose canary alone was, once it has begun everywhere."""
    is_billed = month.issued_at is not None or (month.this_month.statements > 0 and not is_partly_issued)
    return not is_billed and now >= month.period.count_instant("Etc/GMT+12")


def _neighbour(period: Period, months: int) -> Period | None:
    try:
        return Period.parse(str(period.shifted(months)))
    except BadInput:
        return None
