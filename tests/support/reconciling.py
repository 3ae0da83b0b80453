"""What the tests of reconciliation do at the gateway and look at: payments, refunds, Mark as Paid, comparisons."""

from __future__ import annotations

from decimal import Decimal

import stripe

from evbilling.payments.actions import MarkRequest, mark_statements
from evbilling.payments.reconciliation import Break, compare
from tests.support.month import NOW, PAID_ON
from tests.support.payments import KEY, LONG_AGO, PaymentWorld


def look(world: PaymentWorld) -> list[Break]:
    """The breaks there are now."""
    with world.payment_services() as payments:
        return compare(payments, LONG_AGO)


def refund(world: PaymentWorld, payment: str, amount: int | None = None) -> None:
    """Refund a payment as somebody would at the gateway."""
    with world.payment_services() as payments:
        client = stripe.StripeClient(KEY, http_client=payments.gateway._http, base_addresses={"api": world.sandbox.url})
        client.v1.refunds.create({"payment_intent": payment} | ({"amount": amount} if amount else {}))


def pay(world: PaymentWorld, amount: int, **metadata: str) -> str:
    """A payment at the gateway that says it is this warehouse's; returns its id."""
    ours = {"evbilling_installation": world.one("select installation_id::text from billing.installation"), **metadata}
    return str(world.sandbox.make_payment(amount, "eur", metadata=ours)["id"])


def mark(world: PaymentWorld, statement: str, reference: str, amount: Decimal | None = None) -> None:
    """Mark a statement as paid, with a payment's id as reference."""
    request = f"{statement} {reference} {amount}"
    mark_statements(
        world.services,
        MarkRequest(request, "ann", "at the gateway", (statement,), PAID_ON, reference, amount),
        NOW.date(),
    )
