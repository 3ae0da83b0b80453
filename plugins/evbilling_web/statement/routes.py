"""One statement: its page, its PDF, and its lines as CSV."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from evbilling.errors import EvbillingError
from evbilling.mail import FAILED_CHARGE, KIND_LABELS, STATE_LABELS, MailFilter, MailRow, mail_page
from evbilling.payments.actions import load_action_facts
from evbilling.read_models.due import read_due
from evbilling.read_models.statement import (
    CONNECTOR,
    CORRECTION,
    ExcludedConnector,
    Header,
    StatementView,
    charger_page,
    corrected_page,
    excluded_page,
    item_page,
    lines_csv,
    show_statement,
)
from evbilling_web import warehouse
from evbilling_web.actions.offers import offers
from evbilling_web.due.view import WHO_LABELS
from evbilling_web.mail.routes import STATE_BADGES
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page

router = APIRouter()
log = logging.getLogger(__name__)

# Rows per page of lists that may have millions.
_CHARGERS = 50
_ROWS = 100
_MAILS = 20
# With more connectors than this, counting those that aren't billed takes longer than a page should.
_COUNTED_AT_ONCE = 200_000
# Rows in the print view; the PDF and the CSV have more.
_PRINTED = 1_000

_TEMPLATES = {CONNECTOR: "statement/connector.html", CORRECTION: "statement/correction.html"}


@router.get("/statements/{statement_id}.pdf")
def statement_pdf_file(statement_id: str) -> Response:
    """The statement as PDF as of now; what was mailed is on the message's page. 404 for an unknown id."""
    with warehouse.reading() as connection:
        view = show_statement(connection, statement_id)
    from evbilling.documents import Issuer, statement_pdf

    locale, addressee = _addressee(view.header)
    pdf = statement_pdf(view, locale=locale, issuer=Issuer.from_environment(os.environ), addressee=addressee)
    return Response(pdf, media_type="application/pdf", headers=_attached(f"{view.header.statement_id}.pdf"))


@router.get("/statements/{statement_id}/lines.csv")
def statement_lines_file(statement_id: str, what: Literal["billed", "excluded"] = "billed") -> StreamingResponse:
    """All lines of the statement: connectors billed or not billed, items, or connectors that a correction changes."""
    with warehouse.reading() as connection:
        view = show_statement(connection, statement_id, chargers=1, items=1, count_excluded_up_to=0)
    chunks = lines_csv(warehouse.reading, view.header, is_archived=view.is_archived, what=what)
    name = view.header.statement_id + ("-not-billed" if what == "excluded" else "")
    return StreamingResponse(chunks, media_type="text/csv; charset=utf-8", headers=_attached(f"{name}.csv"))


@router.get("/statements/{statement_id}", dependencies=[Depends(note_paused)])
def statement_page(
    request: Request,
    statement_id: str,
    after: Annotated[str | None, Query(max_length=1000)] = None,
    connector: Annotated[int, Query(ge=-(2**31), lt=2**31)] = 0,
    start: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    count: bool = False,
    view: Literal["print"] | None = None,
) -> HTMLResponse:
    """The statement's page; `after` (and `connector`) or `start` is where its list continues."""
    most = _PRINTED if view else _CHARGERS
    with warehouse.reading() as connection:
        shown = show_statement(
            connection,
            statement_id,
            chargers=most,
            items=_PRINTED if view else _ROWS,
            count_excluded_up_to=None if count else _COUNTED_AT_ONCE,
        )
        facts = load_action_facts(connection, [shown.header.statement_id])[shown.header.statement_id]
        shown = _from(connection, shown, after, connector, start, most)
        excluded = _some_excluded(connection, shown)
        due = read_due(connection, [shown.header.statement_id])
        mails, _ = mail_page(connection, MailFilter(statement=shown.header.statement_id), most=_MAILS)
    context = {
        "view": shown,
        "header": shown.header,
        "due": due[0] if due else None,
        "who_labels": WHO_LABELS,
        "offers": offers(request.state.reader, facts),
        "unaccounted_payment": None if facts.is_charge_under_way else facts.unaccounted_payment,
        "excluded": excluded,
        "more_excluded": shown.excluded_count > len(excluded),
        "is_print": view == "print",
        "page_chargers": most,
        "page_rows": _ROWS,
        "after": after,
        "start": start,
        "local": _local,
        "mails": mails,
        "as_sent": next((row for row in mails if _has_pdf_as_sent(row)), None),
        "mail_kinds": KIND_LABELS,
        "mail_states": STATE_LABELS,
        "mail_badges": STATE_BADGES,
    }
    return page(request, _TEMPLATES.get(shown.header.kind, "statement/account.html"), context)


def _from(
    connection: Any, view: StatementView, after: str | None, connector: int, start: int, most: int
) -> StatementView:
    """The view with the requested page of its list."""
    header = view.header
    if header.kind == CONNECTOR and after is not None and view.charger_count:
        return replace(view, chargers=charger_page(connection, header, after=after, most=most))
    if header.kind == CORRECTION and after is not None:
        rows = corrected_page(connection, header, header.statement_id, after=(after, connector), most=_ROWS)
        return replace(view, corrected=rows)
    if start and view.item_totals:
        return replace(view, items=item_page(connection, header, offset=start, most=_ROWS))
    return view


def _some_excluded(connection: Any, view: StatementView) -> tuple[ExcludedConnector, ...]:
    if not view.excluded:
        return ()
    return excluded_page(connection, view.header, most=_ROWS)


def _has_pdf_as_sent(row: MailRow) -> bool:
    """True for a message that was sent with the statement attached, since messages are kept."""
    return row.state == "sent" and row.kept_try is not None and row.kind != FAILED_CHARGE


def _local(header: Header, at: Any) -> str:
    """An instant in the account's time zone."""
    from evbilling.documents import instant

    return instant(at, header.time_zone, "en_GB")


def _addressee(header: Header) -> tuple[str, str]:
    """The account's locale and the financial admin's name from the platform; English and "" if it doesn't answer."""
    from evbilling.languages import FALLBACK, locale_of
    from evbilling.platform.access import open_lookup

    try:
        platform = open_lookup(warehouse.services(with_platform=True).platform_url)
        accounts = platform.account_rows([header.account_id])
        admin = platform.users([header.financial_admin_id]).own(header.financial_admin_id, header.account_id)
    except EvbillingError as error:
        log.warning("the PDF of %s has no language and name from the platform: %s", header.statement_id, error)
        return FALLBACK, ""
    locale = locale_of(accounts[0].country, accounts[0].language) if accounts else FALLBACK
    return locale, (admin.full_name or "" if admin else "")


def _attached(name: str) -> dict[str, str]:
    # Airflow's frame can't show a PDF, so files are always downloads. Ids consist of letters, digits and dashes.
    return {"Content-Disposition": f'attachment; filename="{name}"'}
