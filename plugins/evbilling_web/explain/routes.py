"""Why one connector was billed in a month, or wasn't."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from evbilling.period import Period
from evbilling.read_models.explain import explain_connector
from evbilling_web import warehouse
from evbilling_web.rendering import page

router = APIRouter()


@router.get("/connector")
def connector_page(
    request: Request,
    charger: Annotated[str, Query(max_length=1000)],
    period: Annotated[str, Query(max_length=20)],
    connector: Annotated[int, Query(ge=-(2**31), lt=2**31)] = 1,
) -> HTMLResponse:
    """The connector in the month; a message for one that isn't on record."""
    with warehouse.reading() as connection:
        found = explain_connector(connection, charger, connector, Period.parse(period))
    return page(request, "explain/explain.html", {"found": found})
