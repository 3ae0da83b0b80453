"""One message: what became of it, and its letter and attachment as they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from evbilling.errors import EvbillingError
from evbilling.mail import (
    KIND_LABELS,
    STATE_HINTS,
    STATE_LABELS,
    KeptMail,
    MailFilter,
    MailRow,
    Sending,
    kept_sendings,
    mail_page,
    read_kept,
)
from evbilling_airflow.actions import SEND_MAIL
from evbilling_web import warehouse
from evbilling_web.mail.routes import STATE_BADGES, send_query
from evbilling_web.rendering import page
from evbilling_web.rights import SignedIn, right_to, why_not

router = APIRouter()

MailId = Annotated[int, Path(ge=1, lt=2**63)]
TryNo = Annotated[int, Path(ge=1, lt=2**31)]

# Of a try; the words of a message's state are the outbox's.
_OUTCOMES = STATE_LABELS | {"refused": "Not accepted"}
_BADGES = STATE_BADGES | {"refused": "bad"}
# A letter has styles of its own and nothing else: no script, no picture, no form, no link that opens.
_LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; form-action 'none'; base-uri 'none'; "
    "sandbox"
)


@router.get("/mail/{mail_id}")
def message(
    request: Request, user: SignedIn, mail_id: MailId, attempt: Annotated[int | None, Query(ge=1, lt=2**31)] = None
) -> HTMLResponse:
    """A message with its last letter as sent, or that of another attempt to send it."""
    row, sendings = _look(mail_id)
    shown = _of_try(sendings, attempt) if attempt else next(iter(sendings), None)
    kept, trouble = None, None
    if shown:
        try:
            kept = read_kept(warehouse.services().evidence, shown)
        except EvbillingError as wrong:
            # All else on the page is as true without the file.
            trouble = wrong
    context = {
        "row": row,
        "sendings": sendings,
        "shown": shown,
        "kept": kept,
        "trouble": trouble,
        "kinds": KIND_LABELS,
        "labels": _OUTCOMES,
        "hints": STATE_HINTS,
        "badges": _BADGES,
        "may_not_send": why_not(user, right_to(SEND_MAIL)),
        "send_query": send_query,
    }
    return page(request, "mail/message.html", context)


@router.get("/mail/{mail_id}/{try_no}/letter")
def letter(mail_id: MailId, try_no: TryNo) -> HTMLResponse:
    """The letter's HTML as sent, with nothing around it; the page shows it in a frame."""
    html = _read(mail_id, try_no).html
    return HTMLResponse(html, headers={"Content-Security-Policy": _LETTER_POLICY})


@router.get("/mail/{mail_id}/{try_no}/attachment")
def attachment(mail_id: MailId, try_no: TryNo) -> Response:
    """The PDF as sent."""
    attached = _read(mail_id, try_no).attachments
    if not attached:
        raise HTTPException(404, "This message has no attachment.")
    ((name, content),) = attached
    return _file(name, "application/pdf", content)


@router.get("/mail/{mail_id}/{try_no}/message")
def whole_message(mail_id: MailId, try_no: TryNo) -> Response:
    """The message as the mail server was given it, byte by byte."""
    return _file(f"mail-{mail_id}-{try_no}.eml", "message/rfc822", _read(mail_id, try_no).content)


def _look(mail_id: int) -> tuple[MailRow, list[Sending]]:
    with warehouse.reading() as connection:
        rows, _ = mail_page(connection, MailFilter(mail_id=mail_id), most=1)
        if not rows:
            raise HTTPException(404, f"There is no message {mail_id}.")
        return rows[0], kept_sendings(connection, mail_id)


def _of_try(sendings: Sequence[Sending], try_no: int) -> Sending:
    for sending in sendings:
        if sending.try_no == try_no:
            return sending
    raise HTTPException(404, f"Nothing is kept of attempt {try_no} to send this message.")


def _read(mail_id: int, try_no: int) -> KeptMail:
    _, sendings = _look(mail_id)
    return read_kept(warehouse.services().evidence, _of_try(sendings, try_no))


def _file(name: str, media_type: str, content: bytes) -> Response:
    # Names consist of statement ids and numbers.
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
