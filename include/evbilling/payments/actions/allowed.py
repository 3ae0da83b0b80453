"""Which actions a statement allows, and why not the others: by what it is, not by who asks. Pure.

What only a look at the payment method or the history of attempts tells (no method, declined for good, tried too often)
isn't among the reasons: the preview of a Re-Bill says it. Whatever is refused here, the action itself refuses too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from evbilling.errors import BadInput
from evbilling.money import minor_unit, to_minor
from evbilling.payments.actions.refusals import REFUSALS
from evbilling.payments.gateway.amounts import chargeable_step


class Action(StrEnum):
    """What may be done with a statement; but for show and send, its value is the id of the DAG that does it."""

    SHOW = "show"
    REBILL = "rebill"
    MARK_AS_PAID = "mark_as_paid"
    UNDO_MARK_AS_PAID = "undo_mark_as_paid"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What of a statement decides on its actions. `balance_due` is None but for connector statements.

    `standing_outside_payments`: how many payments marked as paid aren't undone.
    """

    kind: str
    currency: str
    balance_due: Decimal | None
    is_charge_under_way: bool
    standing_outside_payments: int


def refused_actions(facts: ActionFacts) -> dict[Action, str | None]:
    """Of every action why it can't work now, in plain words; None: it can."""
    return {
        Action.SHOW: None,
        Action.REBILL: _why_not_rebill(facts),
        Action.MARK_AS_PAID: _why_not_collect(facts),
        Action.UNDO_MARK_AS_PAID: _why_not_undo(facts),
        Action.SEND: _CORRECTION_NOT_SENT if facts.kind == "correction" else None,
    }


_NOT_COLLECTED = {
    "account": "an account statement sums up: see the connector statements that it lists",
    "correction": "a correction isn't paid by itself: see the statement that it corrects",
}
_CORRECTION_NOT_SENT = "a correction isn't sent by itself: the next account statement lists it"


def _why_not_rebill(facts: ActionFacts) -> str | None:
    if (why := _why_not_collect(facts)) or facts.balance_due is None:
        return why
    try:
        step = chargeable_step(facts.currency)
    except BadInput as error:
        return error.what
    return REFUSALS["too_small"] if to_minor(facts.balance_due, minor_unit(facts.currency) or 0) < step else None


def _why_not_undo(facts: ActionFacts) -> str | None:
    if facts.kind != "connector":
        return _NOT_COLLECTED[facts.kind]
    if not facts.standing_outside_payments:
        return "nothing on it is marked as paid"
    return REFUSALS["open_attempt"] if facts.is_charge_under_way else None


def _why_not_collect(facts: ActionFacts) -> str | None:
    if facts.kind != "connector":
        return _NOT_COLLECTED[facts.kind]
    if facts.balance_due is None or facts.balance_due <= 0:
        return REFUSALS["paid"]
    return REFUSALS["open_attempt"] if facts.is_charge_under_way else None
