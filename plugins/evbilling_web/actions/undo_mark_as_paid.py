"""Undo Mark as Paid: the payments of a statement that can be undone, and the result of undoing one."""

from __future__ import annotations

from typing import Any

from evbilling.payments.actions import (
    ActionResult,
    UndoRequest,
    outside_payments,
    preview_reverse_payment,
)
from evbilling.read_models.statement_list import read_current
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection


def propose(selection: Selection) -> Proposal:
    """A row for each payment that can be undone, or for the given one; nothing is written."""
    (text,) = selection.statement_ids
    if not selection.valid_ids:
        return Proposal.of(selection, (), Row.of_due_again)
    with warehouse.reading() as connection:
        now = read_current(connection, [text]).get(text)
    payments = {payment.payment_id: payment for payment in outside_payments(warehouse.services(), text)}
    active = [payment for payment in payments.values() if payment.undone_at is None]
    wanted = [selection.payment_id] if selection.payment_id else [payment.payment_id for payment in active] or [""]
    return Proposal(
        tuple(
            Row.of_due_again(_preview(text, payment_id), now, payment=payments.get(payment_id)) for payment_id in wanted
        )
    )


def defaults(proposal: Proposal) -> dict[str, str]:
    """The payment, if there is only one."""
    able = [row.payment for row in proposal.able if row.payment]
    return {"payment": able[0].payment_id} if len(able) == 1 else {}


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG undo_mark_as_paid."""
    chosen = form.get("payment")
    if chosen not in {row.payment.payment_id for row in proposal.able if row.payment}:
        form.errors["payment"] = "Choose the payment that was marked by mistake."
    return {"statement_id": proposal.rows[0].statement_id, "payment_id": chosen, "reason": form.reason()}


UNDO_MARK_AS_PAID = ActionPage(actions.UNDO_MARK_AS_PAID, "actions/undo_mark_as_paid.html", propose, read, defaults)


def _preview(statement_id: str, payment_id: str) -> ActionResult:
    request = UndoRequest(new_nonce(), "page", "", statement_id, payment_id)
    (undone,) = preview_reverse_payment(warehouse.services(), request)
    return undone
