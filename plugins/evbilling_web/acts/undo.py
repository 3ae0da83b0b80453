"""Undo Mark as Paid: which payments of a statement were marked, and what taking one back would come to."""

from __future__ import annotations

from typing import Any

from evbilling.payments.actions import (
    ActionResult,
    OutsidePayment,
    UndoRequest,
    outside_payments,
    preview_reverse_payment,
    status_if_undone,
)
from evbilling.read_models.statement_list import CurrentStatement, read_current
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.acts.base import Act, Asked, Form, Proposal, Row, are_ids, no_id, reason, why_refused
from evbilling_web.runs import new_nonce


def propose(asked: Asked) -> Proposal:
    """A row for each payment that could be taken back, or for the one that is named; nothing is written."""
    (text,) = asked.statement_ids
    if not are_ids([text]):
        return Proposal((no_id(text),))
    with warehouse.reading() as connection:
        now = read_current(connection, [text]).get(text)
    payments = {payment.payment_id: payment for payment in outside_payments(warehouse.services(), text)}
    standing = [payment for payment in payments.values() if payment.undone_at is None]
    wanted = [asked.payment_id] if asked.payment_id else [payment.payment_id for payment in standing] or [""]
    return Proposal(tuple(_row(_preview(text, payment_id), now, payments.get(payment_id)) for payment_id in wanted))


def defaults(proposal: Proposal) -> dict[str, str]:
    """Where there is no choice, that payment."""
    able = [row.payment for row in proposal.able if row.payment]
    return {"payment": able[0].payment_id} if len(able) == 1 else {}


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG undo_mark_as_paid."""
    chosen = form.get("payment")
    if chosen not in {row.payment.payment_id for row in proposal.able if row.payment}:
        form.errors["payment"] = "Choose the payment that was marked by mistake."
    return {"statement_id": proposal.rows[0].statement_id, "payment_id": chosen, "reason": reason(form)}


UNDO_MARK_AS_PAID = Act(actions.UNDO_MARK_AS_PAID, "templates/undo_mark_as_paid.html", propose, read, defaults)


def _preview(statement_id: str, payment_id: str) -> ActionResult:
    request = UndoRequest(new_nonce(), "page", "", statement_id, payment_id)
    (undone,) = preview_reverse_payment(warehouse.services(), request)
    return undone


def _row(undone: ActionResult, now: CurrentStatement | None, payment: OutsidePayment | None) -> Row:
    then = None
    if now and now.balance is not None and now.paid is not None and undone.amount is not None:
        then = status_if_undone(now.balance, now.paid, undone.amount, has_failed=now.has_failed) or now.status
    return Row(undone.statement_id, now, undone.amount, undone.currency, then, why_refused(undone), payment=payment)
