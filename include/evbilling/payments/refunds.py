"""Refunds of recorded payments through the gateway: opened, claimed, sent, recorded.

The row is committed before the gateway is called, and the key is in it; a success is booked with its answer,
also one that comes after the refund was settled as not made.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from evbilling.errors import Mismatch, TransientError
from evbilling.payments.gateway.interface import Lease, NotSentError, Outcome, Refund, RefundResult
from evbilling.payments.services import PaymentServices

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedRefund:
    """A refund on record, or only a request of this number, which waits for a second person. Amount in minor units."""

    refund_id: int | None
    payment_id: str
    amount_minor: int
    request_no: int | None


@dataclass(frozen=True, slots=True)
class AskedRefund:
    """A refund that is on record: what it is looked for by at the gateway."""

    refund_id: int
    payment_id: str
    idempotency_key: str


def record_refund(
    services: PaymentServices, asked: AskedRefund, result: RefundResult, claim: datetime | None = None
) -> str:
    """Record the gateway's answer on a refund, and book a success; returns the outcome on record, as the function says.

    `claim`: of an answer that was only concluded, the claim on which it was. Raises `Mismatch` for a success of a
    refund that was settled otherwise and can't be booked by itself.
    """
    with services.warehouse() as connection:
        (outcome,) = connection.execute(
            "select billing.record_refund(%s, %s, %s, %s, %s)",
            (asked.refund_id, result.outcome, result.gateway_refund_id, result.message, claim),
        ).fetchone()  # type: ignore[misc]
    if outcome != "late":
        return str(outcome)
    if not book_late_refund(services, asked):
        raise Mismatch(
            f"refund {asked.refund_id} ({result.gateway_refund_id}) succeeded after it was settled as not made",
            where="refund",
            fix="run payment_reconciliation; if it finds the payment given back, acknowledge it",
        )
    return Outcome.SUCCEEDED


def book_late_refund(services: PaymentServices, asked: AskedRefund) -> bool:
    """Book a refund that was settled as not made, if the gateway has made it and nothing else accounts for it.

    Returns whether it is booked; otherwise the comparison has it as a break.
    """
    made = services.gateway.find_refund(asked.payment_id, asked.idempotency_key)
    if made is None or made.outcome is not Outcome.SUCCEEDED:
        return False
    with services.warehouse() as connection:
        (is_booked,) = connection.execute(
            "select billing.book_late_refund(%s, %s, %s)",
            (asked.refund_id, made.gateway_refund_id, made.refunded_minor),
        ).fetchone()  # type: ignore[misc]
    log.info("refund %s of payment %s was made late; booked: %s", asked.refund_id, asked.payment_id, is_booked)
    return bool(is_booked)


def send_refund(services: PaymentServices, refund_id: int) -> tuple[Outcome, str | None]:
    """Send a refund on record, or ask what became of it, and record the answer; returns its outcome and why.

    Safe to repeat: the same key goes to the gateway. Raises `TransientError` while somebody else is sending it.
    """
    # Made before the claim, so that it ends first.
    lease = Lease(services.lease_seconds)
    with services.warehouse() as connection:
        does, statement_id, payment_id, minor, currency, key, message = connection.execute(
            "select * from billing.claim_refund(%s, %s * interval '1 second')", (refund_id, services.lease_seconds)
        ).fetchone()  # type: ignore[misc]
    if does == "busy":
        raise TransientError(f"refund {refund_id} is being sent", where=statement_id, fix="it is tried again by itself")
    if does in {Outcome.SUCCEEDED, Outcome.REFUSED}:
        return Outcome(does), message
    # Asked before it is sent: a warehouse that was restored has forgotten what was sent with this key, and the gateway
    # forgets the key.
    result = services.gateway.find_refund(payment_id, key)
    if result is None and does == "ask":
        result = RefundResult(
            Outcome.UNKNOWN, message="the gateway has no such refund yet; payment_reconciliation settles it"
        )
    elif result is None:
        metadata = {"evbilling_statement": statement_id}
        try:
            result = services.gateway.refund(Refund(key, payment_id, minor, currency, metadata, lease))
        except NotSentError:
            result = RefundResult(Outcome.UNKNOWN, message="it wasn't sent in time; payment_reconciliation settles it")
    outcome = record_refund(services, AskedRefund(refund_id, payment_id, key), result)
    return Outcome(outcome), result.message
