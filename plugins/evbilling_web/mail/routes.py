"""The Mail page: the outbox with each message's state, and the way to send a message again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from evbilling.errors import BadInput
from evbilling.mail import (
    FAILED_CHARGE,
    KIND_LABELS,
    STATE_HINTS,
    STATE_LABELS,
    STATES,
    MailFilter,
    MailRow,
    counts_by_state,
    mail_page,
    periods,
)
from evbilling.period import Period
from evbilling_airflow.actions import SEND_MAIL
from evbilling_airflow.connections import smtp_settings
from evbilling_web import warehouse
from evbilling_web.links import period_of
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.rights import SignedIn, right_to, why_not

router = APIRouter()

_ALL = "all"
STATE_BADGES = {
    "failed": "bad",
    "unknown": "warn",
    "pending": "plain",
    "sending": "plain",
    "held": "plain",
    "sent": "good",
}


@router.get("/mail", dependencies=[Depends(note_paused)])
def mail(
    request: Request,
    user: SignedIn,
    period: Annotated[str, Query(max_length=7)] = "",
    kind: Annotated[str, Query(max_length=40)] = "",
    state: Annotated[str, Query(max_length=40)] = "",
    account: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    """Messages by month, kind, state and account, newest first."""
    if kind and kind not in KIND_LABELS:
        raise HTTPException(404, f"There is no message kind {kind}.")
    if state and state not in STATES:
        raise HTTPException(404, f"There is no message state {state}.")
    with warehouse.reading() as connection:
        months = periods(connection)
        wanted = MailFilter(
            period=_chosen_period(period, months),
            kinds=(kind,) if kind else (),
            states=(state,) if state else (),
            account=account.strip() or None,
        )
        counts = counts_by_state(connection, wanted)
        rows, next_before = mail_page(connection, wanted, before=before)
    context = {
        "rows": rows,
        "counts": counts,
        "waiting": counts.get("pending", 0),
        "next_before": next_before,
        "before": before,
        "months": months,
        "chosen": {
            "period": str(wanted.period) if wanted.period else _ALL,
            "kind": kind,
            "state": state,
            "account": wanted.account or "",
        },
        "kinds": KIND_LABELS,
        "labels": STATE_LABELS,
        "hints": STATE_HINTS,
        "badges": STATE_BADGES,
        "no_server": _server_trouble(),
        "may_not_send": why_not(user, right_to(SEND_MAIL)),
        "query": _query,
        "send_query": send_query,
    }
    return page(request, "mail/mail.html", context)


def _query(chosen: dict[str, str], **changes: object) -> dict[str, object]:
    """The query of the same list with some fields changed; empty fields are left out."""
    return {name: value or None for name, value in (chosen | changes).items()}


def send_query(row: MailRow) -> dict[str, Any]:
    """The query that names a message on the page of Send by mail: the statement, and for a notice its kind."""
    return {"statement": row.statement_id, "kind": row.kind if row.kind == FAILED_CHARGE else None}


def _chosen_period(text: str, months: list[Period]) -> Period | None:
    """The period to show, the newest with mail by default; None for all."""
    if text:
        return None if text == _ALL else period_of(text)
    return months[0] if months else None


def _server_trouble() -> str | None:
    """Why nothing can be sent, as far as the connection shows; None if it is valid."""
    try:
        found = smtp_settings()
    except BadInput as wrong:
        return str(wrong)
    return (
        None
        if found
        else "No mail server is configured. Define the Airflow connection smtp; waiting messages are then sent."
    )
