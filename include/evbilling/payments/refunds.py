"""Refunds of recorded payments through the gateway: opened, claimed, sent, recorded.

The row is committed before the gateway is called, and the key is in it; a success is booked with its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.errors import Mismatch, TransientError
from evbilling.payments.gateway.interface import Lease, NotSentError, Outcome, Refund, RefundResult
from evbilling.payments.services import PaymentServices


@dataclass(frozen=True, slots=True)
class OpenedRefund:
    """A refund on record, or only a request of this number, which waits for a second person. Amount in minor units."""

    refund_id: int | None
    payment_id: str
    amount_minor: int
    request_no: int | None


def record_refund(
    connection: psycopg.Connection[Any], refund_id: int, result: RefundResult, claim: datetime | None = None
) -> str:
    """Record the gateway's answer on a refund, and book a success; returns the outcome on record, as the function says.

    `claim`: of an answer that was only concluded, the claim on which it was. Raises `Mismatch` for a success of a
    refund that was settled otherwise.
    """
    (outcome,) = connection.execute(
        "select billing.record_refund(%s, %s, %s, %s, %s)",
        (refund_id, result.outcome, result.gateway_refund_id, result.message, claim),
    ).fetchone()  # type: ignore[misc]
    if outcome == "late":
        raise Mismatch(
            f"refund {refund_id} ({result.gateway_refund_id}) succeeded after it was settled as not made",
            where="refund",
            fix="run payment_reconciliation, which finds the payment given back, and acknowledge it",
        )
    return str(outcome)


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
    if does == "ask":
        result = services.gateway.find_refund(payment_id, key) or RefundResult(
            Outcome.UNKNOWN, message="the gateway has no such refund yet; payment_reconciliation settles it"
        )
    else:
        metadata = {"evbilling_statement": statement_id}
        try:
            result = services.gateway.refund(Refund(key, payment_id, minor, currency, metadata, lease))
        except NotSentError:
            result = RefundResult(Outcome.UNKNOWN, message="it wasn't sent in time; payment_reconciliation settles it")
    with services.warehouse() as connection:
        outcome = record_refund(connection, refund_id, result)
    return Outcome(outcome), result.message
