"""Refund of a payment through the gateway: of the statement's credit, or with the debt due again.

The same for a DAG or a script; a page previews it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import decimals, from_minor, to_minor
from evbilling.payments.actions.expected import require_reason
from evbilling.payments.actions.results import Action, ActionResult, Code, not_possible
from evbilling.payments.gateway.interface import Outcome
from evbilling.payments.refunds import OpenedRefund, send_refund
from evbilling.payments.services import PaymentServices
from evbilling.services import Services

# Stands in for what a preview doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


@dataclass(frozen=True, slots=True)
class RefundPaymentRequest:
    """Which payment of a statement to refund, and how much of it. `request_id` makes it one request.

    Payment id empty: the only one. Amount None: the statement's credit or, if the debt is to be due again, all that is
    left of the payment. `approves`: the number of another person's request that this carries out.
    """

    request_id: str
    actor: str
    reason: str
    statement_id: str
    payment_id: str = ""
    amount: Decimal | None = None
    is_due_again: bool = False
    approves: int | None = None


def preview_refund_payment(services: Services, request: RefundPaymentRequest) -> list[ActionResult]:
    """What `refund_payment` would ask the gateway for: one row. The reason may still be empty; nothing is written."""
    given = replace(request, reason=request.reason or _NOT_GIVEN)
    try:
        _require_sense(given)
        with services.warehouse() as connection:
            opened, result = _open(connection, given)
            connection.rollback()
    except BadInput as error:
        return [not_possible(Action.REFUND_PAYMENT, request.statement_id, request.payment_id, error)]
    if opened.request_no is None:
        result = replace(result, code=Code.REFUNDED, detail="to be refunded at the gateway")
    return [result]


def refund_payment(services: PaymentServices, request: RefundPaymentRequest) -> ActionResult:
    """Refund a payment at the gateway and book it, or record the request that takes a second person; returns its row.

    Without an answer its outcome is unknown until payment_reconciliation has asked the gateway. Raises `BadInput` for
    what can't be refunded, an empty reason, and while a charge or another refund is under way; `NotReady` while
    charging is on hold. Safe to repeat with the same request_id.
    """
    _require_sense(request)
    services.require_charging()
    with services.warehouse() as connection:
        opened, result = _open(connection, request)
    if opened.refund_id is None:
        return result
    outcome, message = send_refund(services, opened.refund_id)
    with services.warehouse() as connection:
        result = _result(connection, request, opened)
    if outcome is Outcome.SUCCEEDED:
        return replace(result, code=Code.REFUNDED, detail="refunded at the gateway")
    if outcome is Outcome.REFUSED:
        raise BadInput(
            f"the gateway gave nothing back: {message}",
            where=f"refund_payment {request.statement_id}",
            fix="look at the payment in its dashboard, and ask anew",
        )
    return replace(result, code=Code.OUTCOME_UNKNOWN, detail="asked for, and the outcome isn't known yet")


def _require_sense(request: RefundPaymentRequest) -> None:
    where = f"refund_payment {request.statement_id}"
    require_reason(request.reason, where)
    if request.amount is not None and not request.amount.is_finite():
        raise BadInput(f"{request.amount} is no amount", where=where, fix="write an amount above zero")


def _open(connection: psycopg.Connection[Any], request: RefundPaymentRequest) -> tuple[OpenedRefund, ActionResult]:
    query = "select currency, minor_unit from billing.statement where statement_id = %s"
    currency, unit = connection.execute(query, (request.statement_id,)).fetchone() or ("", 0)
    if request.amount is not None and decimals(request.amount) > unit:
        raise BadInput(
            f"{request.amount} is no amount of {currency or 'money'}",
            where=f"refund_payment {request.statement_id}",
            fix=f"write at most {unit} decimals",
        )
    row = connection.execute(
        "select * from billing.open_refund(%s, %s, %s, %s::bigint, %s, %s, %s::bigint, %s, %s)",
        (
            request.request_id,
            request.statement_id,
            request.payment_id.strip() or None,
            None if request.amount is None else to_minor(request.amount, unit),
            currency,
            request.is_due_again,
            request.approves,
            request.actor,
            request.reason.strip(),
        ),
    ).fetchone()
    opened = OpenedRefund(*row)  # type: ignore[misc]
    return opened, _result(connection, request, opened)


def _result(connection: psycopg.Connection[Any], request: RefundPaymentRequest, opened: OpenedRefund) -> ActionResult:
    currency, unit, due = connection.execute(
        """select currency, minor_unit, billing.balance_minor(statement_id)
           from billing.statement where statement_id = %s""",
        (request.statement_id,),
    ).fetchone()  # type: ignore[misc]
    return ActionResult(
        Action.REFUND_PAYMENT,
        request.statement_id,
        Code.SECOND_PERSON,
        from_minor(opened.amount_minor, unit),
        currency,
        from_minor(due, unit),
        payment_id=opened.payment_id,
        detail=f"to be refunded once a second person has carried out request {opened.request_no}",
    )
