"""Acknowledge refund: the payments of a statement that the gateway gave back, and what becomes of the debt."""

from __future__ import annotations

from typing import Any

from evbilling.payments.actions import (
    ActionResult,
    Debt,
    RefundRequest,
    preview_acknowledge_refund,
    returned_payments,
)
from evbilling.read_models.statement_list import read_current
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection


def propose(selection: Selection) -> Proposal:
    """A row for each payment that was given back, or for the given one; nothing is written."""
    (text,) = selection.statement_ids
    if not selection.valid_ids:
        return Proposal.of(selection, (), Row.of_due_again)
    with warehouse.reading() as connection:
        now = read_current(connection, [text]).get(text)
    returned = {payment.payment_id: payment for payment in returned_payments(warehouse.services(), text)}
    wanted = [selection.payment_id] if selection.payment_id else list(returned) or [""]
    return Proposal(
        tuple(
            Row.of_due_again(_preview(text, payment_id), now, returned=returned.get(payment_id))
            for payment_id in wanted
        )
    )


def defaults(proposal: Proposal) -> dict[str, str]:
    """The payment, if there is only one; what becomes of the debt is always chosen."""
    able = [row.returned for row in proposal.able if row.returned]
    return {"payment": able[0].payment_id} if len(able) == 1 else {}


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG acknowledge_refund."""
    by_id = {row.returned.payment_id: row.returned for row in proposal.able if row.returned}
    chosen = by_id.get(form.get("payment"))
    if chosen is None:
        form.errors["payment"] = "Choose the payment that was given back."
    if form.get("debt") not in list(Debt):
        form.errors["debt"] = "Choose what becomes of the debt."
    return {
        "statement_id": proposal.rows[0].statement_id,
        "payment_id": chosen.payment_id if chosen else None,
        "debt": form.get("debt"),
        "expected_total": {chosen.currency: str(chosen.amount)} if chosen else None,
        "reason": form.reason(),
    }


ACKNOWLEDGE_REFUND = ActionPage(actions.ACKNOWLEDGE_REFUND, "actions/acknowledge_refund.html", propose, read, defaults)


def _preview(statement_id: str, payment_id: str) -> ActionResult:
    request = RefundRequest(new_nonce(), "page", "", statement_id, Debt.DUE_AGAIN, payment_id)
    (row,) = preview_acknowledge_refund(warehouse.services(), request)
    return row
