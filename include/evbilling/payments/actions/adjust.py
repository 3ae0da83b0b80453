"""Adjustments of a statement by hand: a credit, an extra debit, a write-off or its undoing, a credit sent back.

The same for a DAG, a page or a script. Each has a reason for the audit, which no customer reads; a credit or debit may
have a sentence for the customer, who reads it on its note and in the mail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import starmap
from typing import Any

import psycopg

from evbilling import __version__
from evbilling.errors import BadInput
from evbilling.money import decimals, from_minor, minor_unit, parse_decimal, to_minor
from evbilling.payments.actions.expected import require_reason
from evbilling.payments.actions.mark_as_paid import close_plans
from evbilling.payments.actions.results import Action, ActionResult, Code, not_possible
from evbilling.services import Services
from evbilling.typed_text import fault_in, require_text
from evbilling.warehouse import connected, fetch_all

# What a customer reads is a sentence or two.
LONGEST_CUSTOMER_TEXT = 300

# Stands in for what a preview doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


class Adjustment(StrEnum):
    """What is adjusted; `billing.adjust_statement` says what each does to the debt."""

    GOODWILL = "goodwill"
    EXTRA_DEBIT = "extra_debit"
    WRITE_OFF = "write_off"
    UNDO_WRITE_OFF = "undo_write_off"
    REFUND_OUTSIDE = "refund_outside"


_ACTIONS = {
    Adjustment.GOODWILL: Action.ADJUST,
    Adjustment.EXTRA_DEBIT: Action.ADJUST,
    Adjustment.WRITE_OFF: Action.WRITE_OFF,
    Adjustment.UNDO_WRITE_OFF: Action.WRITE_OFF,
    Adjustment.REFUND_OUTSIDE: Action.REFUND_OUTSIDE,
}
_DONE = {
    Adjustment.GOODWILL: "credited",
    Adjustment.EXTRA_DEBIT: "charged in addition",
    Adjustment.WRITE_OFF: "written off",
    Adjustment.UNDO_WRITE_OFF: "no longer written off",
    Adjustment.REFUND_OUTSIDE: "sent back by other means",
}


@dataclass(frozen=True, slots=True)
class AdjustRequest:
    """How to adjust a statement. `request_id` makes it one request. The amount includes tax, in major units.

    Amount None: all that is due, written off or in credit; a credit or debit needs an amount. `customer_text`, for
    these two, is what the customer reads; `paid_on` and `reference` are those of the payment by which a credit was sent
    back. `approves`: the number of another person's request that this carries out.
    """

    request_id: str
    actor: str
    reason: str
    statement_id: str
    kind: Adjustment
    amount: Decimal | None = None
    currency: str | None = None
    customer_text: str = ""
    paid_on: date | None = None
    reference: str = ""
    approves: int | None = None


@dataclass(frozen=True, slots=True)
class WaitingAdjustment:
    """An adjustment that a person asked for and that waits for a second one. Amount in major units."""

    number: int
    kind: str
    amount: Decimal
    currency: str
    customer_text: str | None
    requested_by: str
    reason: str
    paid_on: date | None
    reference: str | None


def set_adjustment_limit(url: str, currency: str, amount: str, actor: str, reason: str) -> None:
    """Record what one person may adjust alone on one statement from now on; `none`: any amount. `url`: the warehouse.

    Raises `BadInput` for what is no currency, no amount of it, or no reason.
    """
    where = f"limit {currency}"
    require_reason(reason, where)
    unit = minor_unit(currency)
    limit = None if amount == "none" else parse_decimal(amount)
    if unit is None or (limit is not None and (limit < 0 or decimals(limit) > unit)):
        raise BadInput(f"{amount} {currency} is no amount", where=where, fix="write EUR 100.00, or EUR none")
    with connected(url, what="warehouse") as connection:
        connection.execute(
            "select billing.set_adjustment_limit(%s, %s::bigint, %s::smallint, %s, %s)",
            (currency, None if limit is None else to_minor(limit, unit), unit, actor, reason.strip()),
        )


def waiting_adjustments(services: Services, statement_id: str) -> list[WaitingAdjustment]:
    """The adjustments of a statement that wait for a second person, oldest first."""
    with services.warehouse() as connection:
        rows = fetch_all(connection, "payments/waiting_adjustments", statement_id=statement_id)
    return list(starmap(WaitingAdjustment, rows))


def preview_adjust_statement(services: Services, request: AdjustRequest) -> list[ActionResult]:
    """What `adjust_statement` would do now: one row. Reason and reference may still be empty; nothing is written."""
    given = replace(request, reason=request.reason or _NOT_GIVEN)
    if request.kind is Adjustment.REFUND_OUTSIDE:
        given = replace(given, reference=request.reference or _NOT_GIVEN)
    try:
        return [_adjust(services, given, keep=False)]
    except BadInput as error:
        return [not_possible(_ACTIONS[request.kind], request.statement_id, "", error)]


def adjust_statement(services: Services, request: AdjustRequest) -> ActionResult:
    """Adjust a statement, or record the request where the amount takes a second person; returns its row.

    Raises `BadInput` for an unknown statement, an amount beyond what was billed, is due or in credit, an empty reason,
    a text that may not be kept, an approval that doesn't fit or is the same person's, and while a charge is under way.
    Safe to repeat with the same request_id.
    """
    return _adjust(services, request, keep=True)


def _adjust(services: Services, request: AdjustRequest, *, keep: bool) -> ActionResult:
    where = f"{_ACTIONS[request.kind]} {request.statement_id}"
    require_reason(request.reason, where)
    if fault := fault_in(request.customer_text.strip(), LONGEST_CUSTOMER_TEXT):
        raise BadInput(f"the text for the customer {fault}", where=where, fix="shorten or change it")
    if request.kind is Adjustment.REFUND_OUTSIDE:
        require_text("reference", request.reference, where, missing="give what identifies the payment")
    with services.warehouse() as connection:
        result = _book(connection, request, where)
        if not keep:
            connection.rollback()
    return result


def _book(connection: psycopg.Connection[Any], request: AdjustRequest, where: str) -> ActionResult:
    query = "select currency, minor_unit from billing.statement where statement_id = %s"
    currency, unit = connection.execute(query, (request.statement_id,)).fetchone() or ("", 0)
    if request.amount is not None and (not request.amount.is_finite() or decimals(request.amount) > unit):
        raise BadInput(
            f"{request.amount} is no amount of {currency or 'money'}", where=where, fix=f"write at most {unit} decimals"
        )
    minor, correction, number, is_new = connection.execute(
        """select amount_minor, correction_id, request_no, is_new
           from billing.adjust_statement(%s, %s, %s, %s::bigint, %s, %s, %s, %s, %s::bigint, %s, %s, %s)""",
        (
            request.request_id,
            request.kind,
            request.statement_id,
            None if request.amount is None else to_minor(request.amount, unit),
            request.currency or currency,
            request.customer_text,
            request.paid_on,
            request.reference.strip() or None,
            request.approves,
            request.actor,
            request.reason.strip(),
            __version__,
        ),
    ).fetchone()  # type: ignore[misc]
    # Read under the lock: the previous holder of it may have changed the balance.
    (due,) = connection.execute("select billing.balance_minor(%s)", (request.statement_id,)).fetchone()  # type: ignore[misc]
    if due <= 0:
        close_plans(connection, [request.statement_id])
    detail = f"{_DONE[request.kind]}{f' by {correction}' if correction else ''}"
    if number is not None:
        detail = f"to be {detail} once a second person has carried out request {number}"
    code = Code.ADJUSTED if is_new else Code.ADJUSTED_BEFORE
    return ActionResult(
        _ACTIONS[request.kind],
        request.statement_id,
        code if number is None else Code.SECOND_PERSON,
        from_minor(minor, unit),
        currency,
        from_minor(due, unit),
        payment_id=correction,
        detail=detail,
    )
