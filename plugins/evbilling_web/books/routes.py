"""Books: what is left of the ledger to export, the exports made, their files, and the form that makes one."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from evbilling.books import FORMATS, exports, left_to_export, one_export, stored_file
from evbilling.errors import BadInput
from evbilling.paging import make_page
from evbilling.period import Period
from evbilling.warehouse import read_clock
from evbilling_airflow.actions import EXPORT_JOURNAL
from evbilling_web import warehouse
from evbilling_web.actions import dag_runs
from evbilling_web.actions.view import Form
from evbilling_web.forms import read_form
from evbilling_web.links import address, period_of
from evbilling_web.rendering import page
from evbilling_web.rights import requires, right_to, why_not

router = APIRouter()

_RIGHT = right_to(EXPORT_JOURNAL)
_PAGE_SIZE = 25
_MONTHS = 24


@router.get("/books")
async def show(
    request: Request,
    period: Annotated[str, Query(max_length=7)] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    """The exports, the newest first; with a period what an export of it would have, and the form."""
    return await _page(request, Form({}), period_of(period) if period else None, before=before)


@router.post("/books", dependencies=[Depends(requires(_RIGHT))])
async def export(request: Request) -> Response:
    """Start the run that exports the month, and follow it."""
    fields = await read_form(request)
    form = Form({name: value for name, value in fields.items() if isinstance(value, str)})
    nonce, period = form.get("nonce"), period_of(form.get("period"))
    if not dag_runs.is_nonce(nonce):
        raise BadInput("This form is incomplete, so nothing was done.", fix="Open it again.")
    reason = form.reason()
    if form.errors and not await dag_runs.is_started(request, EXPORT_JOURNAL.dag_id, nonce):
        return await _page(request, form, period, status=422)
    conf = {"period": str(period), "reason": reason}
    await dag_runs.start(request, EXPORT_JOURNAL.dag_id, nonce, conf, note=reason)
    place = f"/runs/{EXPORT_JOURNAL.dag_id}/{dag_runs.run_id(EXPORT_JOURNAL.dag_id, nonce)}"
    return RedirectResponse(address(request.scope.get("root_path", ""), place, back="/books"), status_code=303)


@router.get("/books/{export_id}/{format_name}")
def download(
    export_id: Annotated[int, Path(ge=1, lt=2**63)], format_name: Annotated[str, Path(max_length=40)]
) -> Response:
    """A file of an export, as it was made; its hash is checked."""
    with warehouse.reading() as connection:
        made = one_export(connection, export_id)
    file, content = stored_file(warehouse.services().evidence, made, format_name)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(content, media_type=FORMATS[format_name].media_type, headers=headers)


async def _page(
    request: Request, form: Form, period: Period | None, *, before: int | None = None, status: int = 200
) -> HTMLResponse:
    context = await run_in_threadpool(_read, period, before)
    context |= {
        "form": form,
        "formats": FORMATS,
        "before": before,
        "nonce": form.get("nonce") or dag_runs.new_nonce(),
        "may_not": await run_in_threadpool(why_not, request.state.reader, _RIGHT),
        "hindered": await dag_runs.why_not_begun(request, EXPORT_JOURNAL.dag_id) if period else None,
    }
    return page(request, "books/books.html", context, status=status)


def _read(period: Period | None, before: int | None) -> dict[str, Any]:
    with warehouse.reading() as connection:
        found = exports(connection, below=before, most=_PAGE_SIZE + 1)
        made = make_page(found, _PAGE_SIZE, is_first=before is None)
        return {
            "months": _months(connection),
            "left": left_to_export(connection, period) if period else None,
            "exports": made.rows,
            "next_before": made.rows[-1].export_id if made.has_later else None,
        }


def _months(connection: psycopg.Connection[Any]) -> list[Period]:
    """The months to choose from, the last one that is over first."""
    now = read_clock(connection)
    this = Period(now.year, now.month)
    return [this.shifted(-1), this, *(this.shifted(-number) for number in range(2, _MONTHS))]
