"""Which actions a statement allows, regardless of the user, and why not the others. Pure.

Reasons that need the payment method or the history of attempts (no method, declined for good, tried too often) come
from the preview of a Re-Bill instead. Whatever is refused here, the action itself refuses too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from evbilling.errors import BadInput
from evbilling.money import minor_unit, to_minor
from evbilling.payments.actions.results import Action, Code
from evbilling.payments.gateway.amounts import chargeable_step


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What of a statement decides on its actions. `balance_due` is None but for connector statements.

    `standing_outside_payments`: how many payments marked as paid aren't undone. `unaccounted_payment`: the id of a
    payment that the gateway has collected for it and that isn't recorded. `returned_payments`: how many of its payments
    the gateway gave back that nobody has acknowledged. `written_off`: how many write-offs aren't undone.
    `gateway_payments`: how many payments of it the gateway has collected.
    """

    kind: str
    currency: str
    balance_due: Decimal | None
    is_charge_under_way: bool
    standing_outside_payments: int
    unaccounted_payment: str | None = None
    returned_payments: int = 0
    written_off: int = 0
    gateway_payments: int = 0


def refused_actions(facts: ActionFacts) -> dict[Action, Code | None]:
    """Why each action isn't possible now; None where it is."""
    return {
        Action.REBILL: _why_not_rebill(facts),
        Action.MARK_AS_PAID: _why_not_collect(facts),
        Action.UNDO_MARK_AS_PAID: _why_not_undo(facts),
        Action.ACKNOWLEDGE_REFUND: _why_not_acknowledge(facts),
        Action.CORRECT: _why_not_correct(facts),
        Action.ADJUST: _why_not_adjust(facts),
        Action.WRITE_OFF: _why_not_write_off(facts),
        Action.REFUND_OUTSIDE: _why_not_send_back(facts),
        Action.REFUND_PAYMENT: _why_not_adjust(facts) or (None if facts.gateway_payments else Code.NOT_COLLECTED),
        Action.SEND_MAIL: None,
    }


_NOT_COLLECTED = {"account": Code.SUMS_UP, "correction": Code.CORRECTION_NOT_PAID}


def _why_not_rebill(facts: ActionFacts) -> Code | None:
    if (why := _why_not_collect(facts)) or facts.balance_due is None:
        return why
    if facts.unaccounted_payment:
        return Code.UNACCOUNTED_PAYMENT
    try:
        step = chargeable_step(facts.currency)
    except BadInput:
        return Code.CURRENCY_NOT_CHARGEABLE
    return Code.TOO_SMALL if to_minor(facts.balance_due, minor_unit(facts.currency) or 0) < step else None


def _why_not_correct(facts: ActionFacts) -> Code | None:
    if facts.kind != "connector":
        return Code.NOT_CORRECTED
    if facts.written_off:
        return Code.WRITTEN_OFF
    return Code.OPEN_ATTEMPT if facts.is_charge_under_way else None


def _why_not_undo(facts: ActionFacts) -> Code | None:
    if facts.kind != "connector":
        return _NOT_COLLECTED[facts.kind]
    if not facts.standing_outside_payments:
        return Code.NOT_MARKED
    return Code.OPEN_ATTEMPT if facts.is_charge_under_way else None


def _why_not_acknowledge(facts: ActionFacts) -> Code | None:
    if facts.kind != "connector":
        return _NOT_COLLECTED[facts.kind]
    if not facts.returned_payments:
        return Code.NOT_GIVEN_BACK
    return Code.OPEN_ATTEMPT if facts.is_charge_under_way else None


def _why_not_adjust(facts: ActionFacts) -> Code | None:
    if facts.kind != "connector":
        return _NOT_COLLECTED[facts.kind]
    if facts.written_off:
        return Code.WRITTEN_OFF
    return Code.OPEN_ATTEMPT if facts.is_charge_under_way else None


def _why_not_write_off(facts: ActionFacts) -> Code | None:
    """Why it can't be written off, nor an earlier write-off be undone."""
    if facts.kind == "connector" and facts.written_off:
        return Code.OPEN_ATTEMPT if facts.is_charge_under_way else None
    return _why_not_collect(facts) or (Code.UNACCOUNTED_PAYMENT if facts.unaccounted_payment else None)


def _why_not_send_back(facts: ActionFacts) -> Code | None:
    if (why := _why_not_adjust(facts)) or facts.balance_due is None:
        return why
    return Code.NO_CREDIT if facts.balance_due >= 0 else None


def _why_not_collect(facts: ActionFacts) -> Code | None:
    if facts.kind != "connector":
        return _NOT_COLLECTED[facts.kind]
    if facts.balance_due is None or facts.balance_due <= 0:
        return Code.WRITTEN_OFF if facts.written_off else Code.PAID
    return Code.OPEN_ATTEMPT if facts.is_charge_under_way else None


# The status that an action would lead to, in the words of finance.statements.

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
