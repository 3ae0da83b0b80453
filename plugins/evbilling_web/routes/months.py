"""The Month page: one period at a glance, and the list of all months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.read_models.month.reading import month_overview, months
from evbilling.read_models.month.state import month_state
from evbilling.read_models.statement_list.filters import StatementFilter
from evbilling_web import warehouse
from evbilling_web.account_ids import account_place
from evbilling_web.month_pictures import pictures
from evbilling_web.rendering import page

router = APIRouter()


@router.get("/months")
def list_of_months(request: Request) -> HTMLResponse:
    """Every month that was begun, the newest first."""
    with warehouse.reading() as connection:
        lines = months(connection)
    return page(request, "months.html", {"lines": lines})


@router.get("/months/{period}")
def one_month(request: Request, period: str) -> HTMLResponse:
    """A month at a glance; 404 for what is no month."""
    wanted = _period(period)
    with warehouse.reading() as connection:
        month = month_overview(connection, wanted, day=datetime.now(UTC).date())
    root = request.scope.get("root_path", "")

    def list_of(statuses: Sequence[str], currency: str | None = None, *, every_period: bool = False) -> str:
        period = None if every_period else wanted
        return (
            f"{root}/statements?{StatementFilter(('connector',), tuple(statuses), period, currency=currency).query()}"
        )

    given = {
        "month": month,
        "state": month_state(month),
        "charts": pictures(month, list_of),
        "list_of": list_of,
        "account_page": lambda account_id: root + account_place(account_id),
        "name": f"{month.period.first_day:%B %Y}",
        "before": _neighbour(wanted, -1),
        "after": _neighbour(wanted, 1),
    }
    return page(request, "month.html", given)


def _period(text: str) -> Period:
    try:
        return Period.parse(text)
    except BadInput as wrong:
        raise HTTPException(404, f"{wrong.what}: write it as YYYY-MM, for example 2026-11.") from None


def _neighbour(period: Period, months_later: int) -> Period | None:
    try:
        return Period.parse(str(period.shifted(months_later)))
    except BadInput:
        return None
