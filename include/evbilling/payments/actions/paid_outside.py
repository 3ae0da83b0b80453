"""Mark as Paid: record a payment of one statement that was made outside the gateway. Several: `marking_several`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import decimals, from_minor, to_minor
from evbilling.payments.retries.plans import PAID
from evbilling.services import Services

# What the warehouse can hold as an amount.
_LARGEST_MINOR = 2**63 - 1


@dataclass(frozen=True, slots=True)
class PaidOutside:
    """A payment made by other ways. Amount None: all that is due; currency None: the statement's."""

    request_id: str
    actor: str
    reason: str
    statement_id: str
    paid_on: date
    reference: str
    amount: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class MarkedAsPaid:
    """What was recorded, or would be: the amount, and what stays due. `is_new` False: it was recorded before."""

    statement_id: str
    amount: Decimal
    currency: str
    balance_due: Decimal
    is_new: bool

    def sentence(self) -> str:
        """The result in one line."""
        said = "paid by other means" if self.is_new else "recorded before"
        return f"{self.statement_id}: {self.amount} {self.currency} {said}; {self.balance_due} {self.currency} stay due"


def preview_mark_as_paid(services: Services, payment: PaidOutside, today: date) -> MarkedAsPaid:
    """What `mark_as_paid` would record; refuses what that refuses, and writes nothing."""
    return _mark(services, payment, today, keep=False)


def mark_as_paid(services: Services, payment: PaidOutside, today: date) -> MarkedAsPaid:
    """Record a payment made outside the gateway, in full or in part.

    Raises `BadInput` for an unknown or paid statement, an amount that isn't above zero, has too many decimals or is
    above what is due, another currency, a day in the future, an empty reason or reference, and while a charge is under
    way. Safe to repeat with the same request_id.
    """
    return _mark(services, payment, today, keep=True)


def _mark(services: Services, payment: PaidOutside, today: date, *, keep: bool) -> MarkedAsPaid:
    where = f"mark_as_paid {payment.statement_id}"
    require_payment(payment.reason, payment.reference, payment.paid_on, today, where)
    with services.warehouse() as connection:
        marked = book(connection, payment)
        close_plans(connection, [marked])
        if not keep:
            connection.rollback()
    return marked


def book(connection: psycopg.Connection[Any], payment: PaidOutside) -> MarkedAsPaid:
    """Record one payment in the caller's transaction; the statement stays locked to its end.

    Raises `BadInput`, or the database's EV004, for what `mark_as_paid` refuses. The caller calls `close_plans` at last.
    """
    where = f"mark_as_paid {payment.statement_id}"
    row = connection.execute(
        "select currency, minor_unit from billing.statement where statement_id = %s", (payment.statement_id,)
    ).fetchone()
    if row is None:
        raise BadInput("there is no such statement", where=where, fix="look up its id in finance.statements")
    currency, minor_unit = row
    asked = _amount_minor(payment, currency, minor_unit, where)
    recorded, is_new = connection.execute(
        """select amount_minor, is_new
           from billing.record_paid_outside(%s, %s, %s::bigint, %s, %s, %s, %s, %s)""",
        (
            payment.request_id,
            payment.statement_id,
            asked,
            currency,
            payment.paid_on,
            payment.reference.strip(),
            payment.actor,
            payment.reason.strip(),
        ),
    ).fetchone()  # type: ignore[misc]
    due = connection.execute("select billing.balance_minor(%s)", (payment.statement_id,)).fetchone()[0] or 0  # type: ignore[index]
    return MarkedAsPaid(
        payment.statement_id, from_minor(recorded, minor_unit), currency, from_minor(due, minor_unit), is_new
    )


def close_plans(connection: psycopg.Connection[Any], marked: Sequence[MarkedAsPaid]) -> None:
    """End the plans of those on which nothing is due any more.

    After all statements concerned are locked, and in the order of their ids: so whoever takes both takes turns.
    """
    paid = sorted(row.statement_id for row in marked if row.balance_due == 0)
    if paid:
        connection.execute(
            """select from billing.payment_plan where statement_id = any(%s) and reason_id <> %s
               order by statement_id for update""",
            (paid, PAID),
        )
        connection.execute(
            """update billing.payment_plan set planned_at = null, reason_id = %s, detail = 'nothing is due',
                      decided_at = now() where statement_id = any(%s) and reason_id <> %s""",
            (PAID, paid, PAID),
        )


def _amount_minor(payment: PaidOutside, currency: str, minor_unit: int, where: str) -> int | None:
    """The amount in minor units; None for all that is due, which the warehouse tells once nobody else can change it."""
    if payment.currency not in {None, currency}:
        raise BadInput(
            f"the statement is in {currency}, not in {payment.currency}",
            where=where,
            fix="give the amount in the statement's currency",
        )
    if payment.amount is None:
        return None
    if not payment.amount.is_finite() or payment.amount <= 0:
        raise BadInput(f"the amount is {payment.amount}", where=where, fix="give one above zero")
    if decimals(payment.amount) > minor_unit:
        raise BadInput(
            f"{payment.amount} has more decimals than {currency} has ({minor_unit})",
            where=where,
            fix="give an amount that can be paid exactly",
        )
    minor = to_minor(payment.amount, minor_unit)
    if minor > _LARGEST_MINOR:
        raise BadInput(
            f"{payment.amount} {currency} is more than any statement comes to", where=where, fix="give what was paid"
        )
    return minor


def require_payment(reason: str, reference: str, paid_on: date, today: date, where: str) -> None:
    """Return if a payment says why, what it is and when it was; raise `BadInput` otherwise."""
    require_reason(reason, where)
    if not reference.strip():
        raise BadInput("no reference is given", where=where, fix="give what identifies the payment, as its bank does")
    if paid_on > today:
        raise BadInput(f"paid_on is {paid_on}, which is still to come", where=where, fix="give the day it was paid")


def require_reason(reason: str, where: str) -> None:
    """Return if a reason is given; raise `BadInput` otherwise."""
    if not reason.strip():
        raise BadInput("no reason is given", where=where, fix="say why, in a few words: it is kept in the audit")


def latest_today(now: datetime) -> date:
    """The day that it is at `now` where the day begins first: nobody's today lies in the future."""
    return (now.astimezone(UTC) + timedelta(hours=14)).date()
