"""Acknowledges a refund or a lost dispute of a recorded payment: its debt is due again, or credited.

The same for a DAG, a page or a script.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.payments.actions.expected import Totals, is_as_expected, require_reason, totals_text
from evbilling.payments.actions.results import Action, ActionResult, Code, not_possible
from evbilling.services import Services

# Stands in for what a preview doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


class Debt(StrEnum):
    """What becomes of the debt: it is due again and collected, or credited, so that nothing is collected for it."""

    DUE_AGAIN = "due_again"
    CREDITED = "credited"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Which payment of a statement was given back, and what becomes of the debt. `request_id` makes it one request.

    Payment id empty: the only one that was given back. `expected_total`: what was given back of it and isn't
    acknowledged yet, by currency in major units, as seen when it was decided.
    """

    request_id: str
    actor: str
    reason: str
    statement_id: str
    debt: Debt
    payment_id: str = ""
    expected_total: Totals | None = None


@dataclass(frozen=True, slots=True)
class ReturnedPayment:
    """What the gateway gave back of a payment and nobody has acknowledged yet; `cause` is `refund` or `dispute`."""

    payment_id: str
    amount: Decimal
    currency: str
    cause: str


def returned_payments(services: Services, statement_id: str) -> list[ReturnedPayment]:
    """The payments of a statement that the gateway gave back and nobody has acknowledged, as it was last listed."""
    with services.warehouse() as connection:
        rows = connection.execute(
            """select r.gateway_payment_id, r.minor, s.minor_unit, r.currency, r.cause
               from billing.returned_payments(array[%s]) r join billing.statement s using (statement_id)""",
            (statement_id,),
        ).fetchall()
    return [ReturnedPayment(payment, from_minor(minor, unit), *rest) for payment, minor, unit, *rest in rows]


def preview_acknowledge_refund(services: Services, request: RefundRequest) -> list[ActionResult]:
    """What `acknowledge_refund` would do now: one row. The reason may still be empty; nothing is written."""
    try:
        return [_acknowledge(services, replace(request, reason=request.reason or _NOT_GIVEN), keep=False)]
    except BadInput as error:
        return [not_possible(Action.ACKNOWLEDGE_REFUND, request.statement_id, request.payment_id, error)]


def acknowledge_refund(services: Services, request: RefundRequest) -> ActionResult:
    """Book what the gateway gave back of a payment, all that isn't acknowledged yet, and what becomes of the debt.

    Raises `BadInput` for an unknown statement, where nothing was given back or several payments were, for another
    amount than expected, an empty reason, and while a charge is under way. Safe to repeat with the same request_id.
    """
    return _acknowledge(services, request, keep=True)


def _acknowledge(services: Services, request: RefundRequest, *, keep: bool) -> ActionResult:
    require_reason(request.reason, f"acknowledge_refund {request.statement_id}")
    with services.warehouse() as connection:
        result = _book(connection, request)
        if not keep:
            connection.rollback()
    return result


def _book(connection: psycopg.Connection[Any], request: RefundRequest) -> ActionResult:
    payment_id, minor, cause, is_new = connection.execute(
        "select payment_id, amount_minor, cause, is_new from billing.acknowledge_return(%s, %s, %s, %s, %s, %s)",
        (
            request.request_id,
            request.statement_id,
            request.payment_id.strip() or None,
            request.debt is Debt.DUE_AGAIN,
            request.actor,
            request.reason.strip(),
        ),
    ).fetchone()  # type: ignore[misc]
    # Read under the lock: the previous holder of it may have changed the balance.
    currency, unit, due = connection.execute(
        """select currency, minor_unit, billing.balance_minor(statement_id)
           from billing.statement where statement_id = %s""",
        (request.statement_id,),
    ).fetchone()  # type: ignore[misc]
    amount = from_minor(minor, unit)
    if is_new and not is_as_expected(request.expected_total, {currency: amount}):
        # Raised inside the transaction, which is rolled back then.
        raise BadInput(
            f"{totals_text(request.expected_total or {})} was expected to be given back, and {amount} {currency} is",
            where=f"acknowledge_refund {request.statement_id}",
            fix="nothing was done; look again at what was given back, and ask anew",
        )
    return ActionResult(
        Action.ACKNOWLEDGE_REFUND,
        request.statement_id,
        Code.ACKNOWLEDGED if is_new else Code.ACKNOWLEDGED_BEFORE,
        amount,
        currency,
        from_minor(due, unit),
        payment_id=payment_id,
        detail=f"{'lost in a dispute' if cause == 'dispute' else 'refunded'}, "
        f"{'due again' if request.debt is Debt.DUE_AGAIN else 'credited'}",
    )
