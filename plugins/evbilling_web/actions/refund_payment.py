"""Refund: what of a statement's payments can be given back through the gateway, and what becomes of the debt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.money import parse_decimal
from evbilling.payments.actions import (
    Action,
    ActionResult,
    Code,
    RefundPaymentRequest,
    load_action_facts,
    preview_refund_payment,
    refused_actions,
    waiting_adjustments,
)
from evbilling.read_models.statement_list import read_current
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection

_PAYMENTS = """select payment_id from finance.payments
               where statement_id = %s and paid_by = 'gateway' and reverses_payment_id is null order by recorded_at"""


def propose(selection: Selection) -> Proposal:
    """A row for each payment at the gateway with what can be refunded of it; nothing is written."""
    (text,) = selection.statement_ids
    if not selection.valid_ids:
        return Proposal.of(selection, (), Row.of)
    with warehouse.reading() as connection:
        now = read_current(connection, [text]).get(text)
        facts = load_action_facts(connection, [text]).get(text)
        payments = [payment for (payment,) in connection.execute(_PAYMENTS, (text,))]
    refused = refused_actions(facts)[Action.REFUND_PAYMENT] if facts else Code.UNKNOWN
    if refused:
        return Proposal((Row.of(ActionResult(Action.REFUND_PAYMENT, text, refused), now),))
    waiting = tuple(
        w for w in waiting_adjustments(warehouse.services(), text) if w.kind.startswith("refund_") or w.kind == "refund"
    )
    rows = [
        Row.of(_preview(text, payment, is_due_again=True), now, waiting=waiting, charged=payment)
        for payment in payments
    ]
    return Proposal(tuple(row for row in rows if row.refused is None) or tuple(rows[:1]))


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG: those of the request that is carried out, or as they were typed."""
    row = proposal.rows[0]
    asked = next((w for w in row.waiting if str(w.number) == form.get("approves")), None)
    if form.get("approves") and asked is None:
        form.errors["approves"] = "This request was carried out already; look at the statement."
    conf: dict[str, Any] = {"statement_id": row.statement_id, "reason": form.reason()}
    if asked:
        debt = "due_again" if asked.kind == "refund_due_again" else "credit"
        conf |= {"approves": asked.number, "payment_id": asked.reference, "amount": str(asked.amount), "debt": debt}
    else:
        if form.get("payment") not in [able.charged for able in proposal.able]:
            form.errors["payment"] = "Choose the payment to refund."
        if form.get("debt") not in {"credit", "due_again"}:
            form.errors["debt"] = "Choose what becomes of the debt."
        conf |= {"payment_id": form.get("payment"), "amount": form.get("amount"), "debt": form.get("debt")}
    if not form.errors:
        _try(form, conf)
    return conf


def defaults(proposal: Proposal) -> dict[str, str]:
    """The payment, if there is only one; of a credit its amount."""
    able, now = proposal.able, proposal.rows[0].now
    values = {"payment": able[0].charged or ""} if len(able) == 1 else {}
    if able and now and now.balance is not None and now.balance < 0:
        values |= {"debt": "credit", "amount": f"{min(-now.balance, able[0].amount or -now.balance):f}"}
    return values


REFUND_PAYMENT = ActionPage(actions.REFUND_PAYMENT, "actions/refund_payment.html", propose, read, defaults)


def _try(form: Form, conf: dict[str, Any]) -> None:
    try:
        amount = parse_decimal(conf["amount"])
    except BadInput:
        form.errors["amount"] = "Write the amount with a decimal point and no other separators, for example 12.50."
        return
    result = _preview(
        conf["statement_id"], conf["payment_id"], amount, conf.get("approves"), is_due_again=conf["debt"] == "due_again"
    )
    if result.is_refused:
        form.errors["amount"] = f"This isn't possible: {result.detail}."


def _preview(
    statement_id: str,
    payment_id: str,
    amount: Decimal | None = None,
    approves: int | None = None,
    *,
    is_due_again: bool,
) -> ActionResult:
    request = RefundPaymentRequest(new_nonce(), "page", "", statement_id, payment_id, amount, is_due_again, approves)
    (result,) = preview_refund_payment(warehouse.services(), request)
    return result
