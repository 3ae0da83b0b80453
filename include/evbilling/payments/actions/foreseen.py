"""The status that a statement would have after an action, in the words of finance.statements. Pure."""

from __future__ import annotations

from decimal import Decimal

ISSUED = "Issued"
PAID = "Paid"
FAILED = "Billing failure"
RESOLVED = "Billing failure (resolved)"
BY_HAND = "Paid manually"
PARTLY = "Partly paid"


def status_if_charged(balance: Decimal, amount: Decimal, *, has_failed: bool) -> str:
    """The status once the gateway has collected `amount` of what is due; `has_failed`: a charge was ever declined."""
    if amount < balance:
        return PARTLY
    return RESOLVED if has_failed else PAID


def status_if_marked(balance: Decimal, amount: Decimal) -> str:
    """The status once `amount` of what is due was paid by other means."""
    return PARTLY if amount < balance else BY_HAND


def status_if_undone(balance: Decimal, paid: Decimal, amount: Decimal, *, has_failed: bool) -> str | None:
    """The status once a payment of `amount` was taken back; None if nothing is due even then, thanks to a credit."""
    if balance + amount <= 0:
        return None
    if paid > amount:
        return PARTLY
    return FAILED if has_failed else ISSUED
