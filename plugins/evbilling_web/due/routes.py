"""Due: what is unpaid of all months, why, and who has to act; and the same as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import Any

import psycopg
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from evbilling.csv_output import csv_form
from evbilling.errors import BadInput
from evbilling.payments.due import DUE_REASONS
from evbilling.read_models.due import AGE_SLUGS, DueFilter, DuePage, due_csv, export_due, figures_of, list_due
from evbilling.read_models.statement_list import choices
from evbilling.warehouse import read_clock
from evbilling_web import warehouse
from evbilling_web.actions.offers import Offers, why_not_rebill
from evbilling_web.due.view import WHO_LABELS, DueAddress, balances, count_ages, count_reasons, matching
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.statement_list.view import PAGE_SIZES, action_facts, tabs_of

router = APIRouter()

# Column, head, how its head sorts (None: it doesn't; - for descending), alignment.
_COLUMNS = (
    ("statement", "Statement", "statement", ""),
    ("account", "Account", None, ""),
    ("age", "Age", "statement", "right"),
    ("balance", "Balance due", "-balance", "right"),
    ("why", "Why", None, ""),
    ("tries", "Tried", None, ""),
    ("next", "Next try", "next", ""),
    ("who", "Who has to act", None, ""),
)


@router.get("/due", dependencies=[Depends(note_paused)])
def due(request: Request) -> HTMLResponse:
    """The page of what is due that the address describes; an invalid filter is reported beside its field, with 422."""
    chosen = DueAddress.read(request.query_params.multi_items())
    with warehouse.reading() as connection:
        available = choices(connection)
        day = read_clock(connection).date()
        figures = figures_of(connection)
        listed = _listed(connection, chosen, day)
        tabs = tabs_of(connection, figures)
    offers = Offers.to(request.state.reader)
    refused = why_not_rebill(row for row, _ in listed.rows)
    matched = matching(figures, chosen.wanted, day)
    context: dict[str, Any] = {
        "chosen": chosen,
        "choices": available,
        "tabs_shown": tabs,
        "tab": ("/due", chosen.tab_query),
        "reasons": DUE_REASONS,
        "by_reason": count_reasons(figures, chosen.wanted, day),
        "ages": AGE_SLUGS,
        "by_age": count_ages(figures, chosen.wanted, day),
        "who_labels": WHO_LABELS,
        "listed": listed,
        "balances": balances(matched) if listed.matches is None else {},
        "count": sum(one.statements for one in matched) if listed.matches is None else listed.matches,
        "is_anything_due": bool(figures),
        "rows": [
            (row, stated, offers.on(action_facts(stated), refused.get(row.statement_id))) for row, stated in listed.rows
        ],
        "on_many": offers.on_many,
        "columns": _COLUMNS,
        "page_sizes": PAGE_SIZES,
        "back": f"/due?{chosen.query()}",
    }
    return page(request, "due/due.html", context, status=422 if chosen.errors else 200)


def _listed(connection: psycopg.Connection[Any], chosen: DueAddress, day: date) -> DuePage:
    """The page of the list; empty if the filter is invalid, with the error noted beside its field."""
    if not chosen.errors:
        try:
            place = {"after": chosen.after, "before": chosen.before}
            return list_due(connection, chosen.wanted, day, chosen.sort, **place, limit=chosen.rows)
        except BadInput as wrong:
            chosen.note(wrong)
    return DuePage([], None, None)


@router.get("/due.csv")
def due_as_csv(request: Request) -> Response:
    """All that the same address lists, in the order of statements, streamed from the warehouse."""
    pieces = _pieces(request.query_params.multi_items())
    # The first piece is read here, so that an error is reported before the file starts.
    content = chain([next(pieces)], pieces)
    disposition = {"Content-Disposition": 'attachment; filename="due.csv"'}
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=disposition)


def _pieces(pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    """The file in pieces; the connection stays open until the last one has been sent."""
    wanted = DueFilter.parse(pairs)
    form = csv_form(next((value for name, value in reversed(pairs) if name == "csv"), ""))
    with warehouse.reading() as connection:
        connection.execute("set local statement_timeout = '5min'")
        yield from due_csv(export_due(connection, wanted, read_clock(connection).date()), form)
