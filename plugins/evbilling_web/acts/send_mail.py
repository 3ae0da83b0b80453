"""Send by mail: which message of each statement would go to whom, and whether for a second time."""

from __future__ import annotations

from typing import Any

from evbilling.errors import BadInput
from evbilling.mail import KIND_LABELS, KINDS, SendRequest, preview_send
from evbilling.payments.actions import ActionResult, Code
from evbilling.read_models.statement_list import CurrentStatement, read_current
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.acts.base import Act, Asked, Form, Proposal, Row, are_ids, no_id, reason, why_refused
from evbilling_web.runs import new_nonce

# Stands in for what a dry run doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


def propose(asked: Asked) -> Proposal:
    """A row for each statement's own message, or for the kind that is named; nothing is written and nothing sent."""
    if asked.kind and asked.kind not in KINDS:
        raise BadInput("There is no such kind of message.", fix=f"It is one of: {', '.join(KINDS)}.")
    ids = are_ids(asked.statement_ids)
    found = {row.statement_id: row for row in _preview(tuple(ids), asked.kind)} if ids else {}
    with warehouse.reading() as connection:
        now = read_current(connection, ids)
    return Proposal(
        tuple(_row(found[text], now.get(text)) if text in found else no_id(text) for text in asked.statement_ids)
    )


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG mail_delivery."""
    return {
        "statement_ids": proposal.statement_ids,
        "kind": form.get("kind") or None,
        "reason": reason(form),
    }


SEND_MAIL = Act(actions.SEND_MAIL, "templates/send_mail.html", propose, read)


def _preview(ids: tuple[str, ...], kind: str | None) -> list[ActionResult]:
    request = SendRequest(new_nonce(), "page", _NOT_GIVEN, statement_ids=ids, kind=kind)
    return preview_send(warehouse.services(with_platform=True), request)


def _row(sending: ActionResult, now: CurrentStatement | None) -> Row:
    return Row(
        sending.statement_id,
        now,
        refused=why_refused(sending),
        payer=sending.payer,
        letter=KIND_LABELS.get(sending.mail_kind or ""),
        is_copy=sending.code is Code.TO_SEND_AGAIN,
    )
