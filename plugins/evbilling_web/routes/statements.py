"""Driver Statements: the list of statements, filtered, sorted and added up, and the same as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from evbilling.errors import BadInput
from evbilling.read_models.statement_list.csv_export import statements_csv
from evbilling.read_models.statement_list.filters import STATUSES, TYPE_LABELS, Sort, StatementFilter
from evbilling.read_models.statement_list.listing import (
    Choices,
    StatementPage,
    choices,
    export_rows,
    find_accounts,
    list_statements,
    totals,
)
from evbilling_web import warehouse
from evbilling_web.listing import ROWS, Chosen, by_currency, facts_of
from evbilling_web.offers import Offers
from evbilling_web.rendering import page

router = APIRouter()


@router.get("/statements")
def statements(request: Request) -> HTMLResponse:
    """A page of the list that the address says; what the address can't mean is told beside its field, with 422."""
    with warehouse.reading() as connection:
        there = choices(connection)
        chosen = Chosen.read(request.query_params.multi_items(), there.latest)
        found = _look(connection, chosen) if not chosen.errors else None
    listed, sums = found or (StatementPage([], None, None), [])
    offers = Offers.to(request.state.reader)
    given: dict[str, Any] = {
        "chosen": chosen,
        "choices": there,
        "types": TYPE_LABELS,
        "statuses": STATUSES,
        "listed": listed,
        "totals": by_currency(sums),
        "count": sum(one.statements for one in sums),
        "rows": [(row, offers.on(facts_of(row))) for row in listed.rows],
        "on_many": offers.on_many,
        "columns": _COLUMNS,
        "page_sizes": ROWS,
        "back": f"/statements?{chosen.query()}",
        "hint": _hint(chosen, there) if not listed.rows else None,
    }
    return page(request, "statements.html", given, status=422 if chosen.errors else 200)


@router.get("/statements.csv")
def statements_as_csv(request: Request) -> Response:
    """Everything that the same address lists, in the same order, as it is read from the warehouse."""
    pairs = request.query_params.multi_items()
    period = next((value for name, value in reversed(pairs) if name == "period"), "latest")
    pieces = _pieces(pairs)
    # What is wrong with the filter or the warehouse is told before the file begins.
    begun = chain([next(pieces)], pieces)
    # By now the period is one, or "all".
    disposition = {"Content-Disposition": f'attachment; filename="statements-{period or "latest"}.csv"'}
    return StreamingResponse(begun, media_type="text/csv; charset=utf-8", headers=disposition)


def _pieces(pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    """The file; its connection is kept for as long as somebody reads."""
    with warehouse.reading() as connection:
        wanted = StatementFilter.parse(pairs, choices(connection).latest)
        sort = Sort.parse(next((value for name, value in reversed(pairs) if name == "sort"), ""))
        # A million rows take longer to sort than a page may take.
        connection.execute("set local statement_timeout = '5min'")
        yield from statements_csv(export_rows(connection, wanted, sort))


# What can be sorted by has the way of sorting beside it; numbers come with the largest first.
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


def _look(connection: psycopg.Connection[Any], chosen: Chosen) -> tuple[StatementPage, list[Any]] | None:
    """The page and the totals; None, and the error beside its field, if the warehouse can't find what is meant."""
    try:
        accounts = find_accounts(connection, chosen.wanted)
        place = {"after": chosen.after, "before": chosen.before}
        listed = list_statements(connection, chosen.wanted, chosen.sort, **place, limit=chosen.rows, accounts=accounts)
        return listed, totals(connection, chosen.wanted, accounts=accounts)
    except BadInput as wrong:
        chosen.note(wrong)
        return None


def _hint(chosen: Chosen, there: Choices) -> str:
    """What may help where nothing is listed."""
    if not there.periods:
        return "nothing issued"
    return "first page" if chosen.after or chosen.before else "filter"
