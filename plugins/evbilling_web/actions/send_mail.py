"""Send by mail: which message would be sent to whom, and whether it was sent before."""

from __future__ import annotations

from typing import Any

from evbilling.errors import BadInput
from evbilling.mail import KIND_LABELS, KINDS, SendRequest, preview_send
from evbilling.payments.actions import ActionResult, Code
from evbilling.read_models.statement_list import CurrentStatement
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection

# A dry run has no reason yet; this one is never stored.
_NOT_GIVEN = "not given yet"


def propose(selection: Selection) -> Proposal:
    """A row for each statement's own message, or for the given kind; nothing is written or sent."""
    if selection.kind and selection.kind not in KINDS:
        raise BadInput("There is no such message kind.", fix=f"Use one of: {', '.join(KINDS)}.")
    ids = selection.valid_ids
    return Proposal.of(selection, _preview(ids, selection.kind) if ids else (), _row)


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG mail_delivery."""
    return {"statement_ids": proposal.statement_ids, "kind": form.get("kind") or None, "reason": form.reason()}


SEND_MAIL = ActionPage(actions.SEND_MAIL, "actions/send_mail.html", propose, read)


def _preview(ids: tuple[str, ...], kind: str | None) -> list[ActionResult]:
    request = SendRequest(new_nonce(), "page", _NOT_GIVEN, statement_ids=ids, kind=kind)
    return preview_send(warehouse.services(with_platform=True), request, in_full=True)


def _row(sending: ActionResult, now: CurrentStatement | None) -> Row:
    letter = KIND_LABELS.get(sending.mail_kind or "")
    return Row.of(sending, now, payer=sending.payer, letter=letter, is_copy=sending.code is Code.TO_SEND_AGAIN)
