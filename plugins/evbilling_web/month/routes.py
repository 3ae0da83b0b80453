"""The Month page: one period at a glance, and the list of all months."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.read_models.month import month_overview, month_state, months, steps_under_way
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


@router.get("/months", dependencies=[Depends(note_paused)])
def list_of_months(request: Request) -> HTMLResponse:
    """Every month that was started, newest first."""
    with warehouse.reading() as connection:
        lines = months(connection, read_clock(connection))
    return page(request, "month/months.html", {"lines": lines})


@router.get("/months/{period}", dependencies=[Depends(note_paused)])
def one_month(request: Request, period: str, user: SignedIn) -> HTMLResponse:
    """A month at a glance; 404 for an invalid period."""
    wanted = period_of(period)
    with warehouse.reading() as connection:
        now = read_clock(connection)
        month = month_overview(connection, wanted, day=now.date(), now=now)
        steps = steps_under_way(connection, wanted)
        approval = read_approval(connection, wanted, user)
    root = request.scope.get("root_path", "")

    def list_address(statuses: Sequence[str], currency: str | None = None, *, every_period: bool = False) -> str:
        period = None if every_period else wanted
        chosen = StatementFilter(("connector",), tuple(statuses), period, currency=currency)
        return f"{root}/statements?{chosen.query()}"

    context = {
        "month": month,
        "state": month_state(month),
        "steps": steps,
        "approval": approval,
        "charts": bar_tables(month, list_address) if month.is_begun or month.receivables else [],
        "list_address": list_address,
        "name": f"{month.period.first_day:%B %Y}",
        "before": _neighbour(wanted, -1),
        "after": _neighbour(wanted, 1),
    }
    return page(request, "month/month.html", context)


def _neighbour(period: Period, months: int) -> Period | None:
    try:
        return Period.parse(str(period.shifted(months)))
    except BadInput:
        return None
