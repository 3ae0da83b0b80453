"""Undo of a mistaken Mark as Paid: a reversing entry with a reason. The same for a DAG, a page or a script."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.payments.actions.expected import require_reason
from evbilling.payments.actions.results import Action, ActionResult, Code, not_possible
from evbilling.services import Services
from evbilling.warehouse import fetch_all

_PAYMENT_ID = re.compile(r"paid-outside-([1-9][0-9]{0,17})")

# Stands in for what a preview doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """Which payment of a statement to undo. Payment id empty: its only one. `request_id` makes it one request."""

    request_id: str
    actor: str
    reason: str
    statement_id: str
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class OutsidePayment:
    """A payment of a statement that was marked as paid, and, if it was, who undid it when and why."""

    payment_id: str
    amount: Decimal
    currency: str
    paid_on: date
    reference: str
    recorded_by: str
    recorded_at: datetime
    reason: str
    undone_by: str | None
    undone_at: datetime | None
    undone_because: str | None


def outside_payments(services: Services, statement_id: str) -> list[OutsidePayment]:
    """All payments of a statement that were marked as paid, undone ones too, oldest first; for a choice among them."""
    with services.warehouse() as connection:
        rows = fetch_all(connection, "payments/outside_payments", statement=statement_id)
    return [OutsidePayment(row[0], from_minor(row[1], row[2]), *row[3:]) for row in rows]


def preview_reverse_payment(services: Services, request: UndoRequest) -> list[ActionResult]:
    """What `reverse_payment` would do now: one row. The reason may still be empty; nothing is written."""
    try:
        return [_undo(services, replace(request, reason=request.reason or _NOT_GIVEN), keep=False)]
    except BadInput as error:
        return [not_possible(Action.UNDO_MARK_AS_PAID, request.statement_id, request.payment_id, error)]


def reverse_payment(services: Services, request: UndoRequest) -> ActionResult:
    """Take back a payment that was marked as paid by mistake: all of it, once. What is due again is planned anew.

    Raises `BadInput` for an unknown statement or payment, one that is undone already, several to choose from, an empty
    reason, one that the gateway itself collected, and while a charge is under way. Safe to repeat with the same
    request_id.
    """
    return _undo(services, request, keep=True)


def _undo(services: Services, request: UndoRequest, *, keep: bool) -> ActionResult:
    where = f"undo_mark_as_paid {request.statement_id}"
    require_reason(request.reason, where)
    number = _number(request.payment_id.strip(), where)
    with services.warehouse() as connection:
        undone = _reverse(connection, request, number)
        if not keep:
            connection.rollback()
    return undone


def _reverse(connection: psycopg.Connection[Any], request: UndoRequest, number: int | None) -> ActionResult:
    found, is_new = connection.execute(
        "select paid_outside_id, is_new from billing.reverse_paid_outside(%s, %s, %s, %s, %s)",
        (request.request_id, request.statement_id, number, request.actor, request.reason.strip()),
    ).fetchone()  # type: ignore[misc]
    # Read under the lock: the previous holder of it may have changed both.
    amount, unit, currency, paid_on, reference, due = connection.execute(
        """select amount_minor, minor_unit, currency, paid_on, reference, billing.balance_minor(statement_id)
           from billing.paid_outside where paid_outside_id = %s""",
        (found,),
    ).fetchone()  # type: ignore[misc]
    return ActionResult(
        Action.UNDO_MARK_AS_PAID,
        request.statement_id,
        Code.UNDONE if is_new else Code.UNDONE_BEFORE,
        from_minor(amount, unit),
        currency,
        from_minor(due, unit),
        payment_id=f"paid-outside-{found}",
        paid_on=paid_on,
        reference=reference,
    )


def _number(payment_id: str, where: str) -> int | None:
    if not payment_id:
        return None
    if match := _PAYMENT_ID.fullmatch(payment_id):
        return int(match[1])
    raise BadInput(
        f"{payment_id!r} is no payment that was marked as paid",
        where=where,
        fix="give its payment_id of finance.payments, such as paid-outside-12",
    )
