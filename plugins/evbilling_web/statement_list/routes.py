"""Driver Statements: the list of statements with filters, sorting and totals, and the same list as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import psycopg
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from evbilling.csv_output import CSV_FORMS, csv_form
from evbilling.errors import BadInput
from evbilling.read_models.due import figures_of, read_due
from evbilling.read_models.statement_list import (
    STATUSES,
    TYPE_LABELS,
    Sort,
    StatementFilter,
    StatementPage,
    choices,
    export_rows,
    list_statements,
    statements_csv,
)
from evbilling_web import warehouse
from evbilling_web.actions.offers import Offers, why_not_rebill
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.statement_list.view import PAGE_SIZES, ListAddress, Tab, action_facts, tabs_of, totals_by_currency

router = APIRouter()


# Column, head, how its head sorts (None: it doesn't; - for descending), alignment.
_COLUMNS = (
    ("statement", "Statement", "statement", ""),
    ("account", "Account", "account", ""),
    ("admin", "Financial admin", None, ""),
    ("type", "Type", None, ""),
    ("period", "Period", "-period", ""),
    ("issued", "Issued", None, ""),
    ("connectors", "Connectors", "-connectors", "right"),
    ("total", "Total", "-total", "right"),
    ("balance", "Balance due", "-balance", "right"),
    ("status", "Status", None, ""),
)


@router.get("/statements", dependencies=[Depends(note_paused)])
def statements(request: Request) -> HTMLResponse:
    """The page of the list that the address describes; an invalid filter is reported beside its field, with 422."""
    with warehouse.reading() as connection:
        available = choices(connection)
        chosen = ListAddress.read(request.query_params.multi_items(), available.latest)
        listed = _listed(connection, chosen)
        tabs = _tabs(request, connection)
        due = read_due(
            connection, [row.statement_id for row in listed.rows if row.has_failed and (row.balance or 0) > 0]
        )
    refused = why_not_rebill(due)
    offers = Offers.to(request.state.reader)
    context: dict[str, Any] = {
        "chosen": chosen,
        "tabs_shown": tabs,
        "choices": available,
        "types": TYPE_LABELS,
        "statuses": STATUSES,
        "listed": listed,
        "totals": totals_by_currency(listed.totals),
        "count": sum(one.statements for one in listed.totals),
        "rows": [(row, offers.on(action_facts(row), refused.get(row.statement_id))) for row in listed.rows],
        "on_many": offers.on_many,
        "columns": _COLUMNS,
        "page_sizes": PAGE_SIZES,
        "csv_forms": CSV_FORMS,
        "back": f"/statements?{chosen.query()}",
    }
    return page(request, "statement_list/statement_list.html", context, status=422 if chosen.errors else 200)


def _tabs(request: Request, connection: psycopg.Connection[Any]) -> list[Tab]:
    """The tabs, counted some seconds ago at most: counting takes longer than this list does."""
    briefly, key = request.app.state.briefly, ("tabs", warehouse.services().warehouse_url)
    tabs: list[Tab] | None = briefly.get(key)
    if tabs is None:
        tabs = tabs_of(connection, figures_of(connection))
        briefly.put(key, tabs)
    return tabs


def _listed(connection: psycopg.Connection[Any], chosen: ListAddress) -> StatementPage:
    """The page of the list; empty if the filter is invalid, with the error noted beside its field."""
    if not chosen.errors:
        try:
            place = {"after": chosen.after, "before": chosen.before}
            return list_statements(connection, chosen.wanted, chosen.sort, **place, limit=chosen.rows)
        except BadInput as wrong:
            chosen.note(wrong)
    return StatementPage([], None, None, [])


@router.get("/statements.csv")
def statements_as_csv(request: Request) -> Response:
    """All statements that the same address lists, in the same order, streamed from the warehouse."""
    pairs = request.query_params.multi_items()
    period = next((value for name, value in reversed(pairs) if name == "period"), "latest")
    pieces = _pieces(pairs)
    # The first piece is read here, so that an error is reported before the file starts.
    content = chain([next(pieces)], pieces)
    # The filter has been parsed by now: the period is valid, or "all".
    disposition = {"Content-Disposition": f'attachment; filename="statements-{period or "latest"}.csv"'}
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=disposition)


def _pieces(pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    """The file in pieces; the connection stays open until the last one has been sent."""
    form = csv_form(next((value for name, value in reversed(pairs) if name == "csv"), ""))
    with warehouse.reading() as connection:
        wanted = StatementFilter.parse(pairs, choices(connection).latest)
        sort = Sort.parse(next((value for name, value in reversed(pairs) if name == "sort"), ""))
        # Sorting a million rows takes longer than the time limit of a page.
        connection.execute("set local statement_timeout = '5min'")
        yield from statements_csv(export_rows(connection, wanted, sort), form)
