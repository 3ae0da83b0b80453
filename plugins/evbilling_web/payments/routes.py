"""Payments of all statements with their references, the same as CSV, and breaks with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from evbilling.csv_output import CSV_FORMS, CsvForm, csv_form
from evbilling.mail import periods
from evbilling.read_models.payment_list import (
    WAYS,
    PaymentFilter,
    list_breaks,
    list_payments,
    open_breaks,
    payments_csv,
)
from evbilling_web import warehouse
from evbilling_web.links import period_of
from evbilling_web.rendering import page

router = APIRouter()

_Text = Annotated[str, Query(max_length=300)]


@router.get("/payments")
def payments(
    request: Request,
    period: _Text = "",
    method: _Text = "",
    reference: _Text = "",
    before: _Text = "",
    csv: _Text = "",
) -> HTMLResponse:
    """A page of payments by month, method, and exact id or reference, the newest first."""
    wanted = _filter(period, method, reference)
    with warehouse.reading() as connection:
        found = list_payments(connection, wanted, before=before or None)
        context = {
            "rows": found.rows,
            "next_before": found.rows[-1].key if found.has_later else None,
            "before": before,
            "months": periods(connection),
            "breaks": open_breaks(connection),
            "ways": WAYS,
            "csv_forms": CSV_FORMS,
            "chosen": {"period": period, "method": method, "reference": wanted.search or "", "csv": csv},
            "query": {
                "period": period or None,
                "method": method or None,
                "reference": wanted.search,
                "csv": csv or None,
            },
        }
    return page(request, "payments/payments.html", context)


@router.get("/payments.csv")
def payments_as_csv(period: _Text = "", method: _Text = "", reference: _Text = "", csv: _Text = "") -> Response:
    """All payments that the same address lists, streamed from the warehouse."""
    pieces = _pieces(_filter(period, method, reference), csv_form(csv))
    # The first piece is read here, so that an error is reported before the file starts.
    content = chain([next(pieces)], pieces)
    disposition = {"Content-Disposition": f'attachment; filename="payments-{period or "all"}.csv"'}
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=disposition)


@router.get("/payments/breaks")
def breaks(
    request: Request, state: _Text = "", before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> HTMLResponse:
    """Breaks between the gateway and our record: those that are open or, with `state=all`, all."""
    if state not in {"", "all"}:
        raise HTTPException(404, "Breaks are open, or all.")
    with warehouse.reading() as connection:
        found = list_breaks(connection, is_all=state == "all", below=before)
    context = {
        "rows": found.rows,
        "state": state,
        "before": before,
        "next_before": found.rows[-1].break_id if found.has_later else None,
    }
    return page(request, "payments/breaks.html", context)


def _pieces(wanted: PaymentFilter, form: CsvForm) -> Iterator[bytes]:
    """The file in pieces; the connection stays open until the last one has been sent."""
    with warehouse.reading() as connection:
        connection.execute("set local statement_timeout = '5min'")
        yield from payments_csv(connection, wanted, form)


def _filter(period: str, method: str, reference: str) -> PaymentFilter:
    if method and method not in WAYS:
        raise HTTPException(404, f"There is no method {method}.")
    if "\0" in reference:
        raise HTTPException(404, "There is no such reference.")
    return PaymentFilter(period_of(period) if period else None, method or None, reference.strip() or None)
