"""How the collection of a connector statement goes, in sentences that its customer may be told. Pure.

A sentence follows from facts that are true when it is written: `situation_of` picks one situation from the facts, and
`CASES` has the sentences of each. What isn't known isn't promised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from evbilling.languages import Words, to_translate
from evbilling.payments.retries import decline_of
from evbilling.period import Period

# The charge on the 1st is made by the run that issues; the month's end tries what was never tried.
_CHARGED_WITHIN = timedelta(days=2)
# Retries are sent once a day, so a day after the planned time a try has been made.
_RETRIED_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Collection:
    """What the warehouse has of a connector statement's collection, as of `as_of` by its clock.

    The last attempt is the last that the gateway didn't refuse for a reason of ours; `was_refused` if there is such a
    refusal and no other attempt. `has_unaccounted`: the gateway has a payment for it that isn't recorded, so nothing is
    charged. `is_on_hold`: charging as a whole is on hold. `is_written_off`: what was due isn't
    collected. Amounts are in major units.
    """

    statement_id: str
    account_id: str
    financial_admin_id: str
    period: str
    time_zone: str
    currency: str
    issued_at: datetime
    balance: Decimal
    paid: Decimal
    last_outcome: str | None
    decline_code: str | None
    last_method: str | None
    was_refused: bool
    planned_at: datetime | None
    has_unaccounted: bool
    is_on_hold: bool
    as_of: datetime
    is_written_off: bool = False


class Situation(StrEnum):
    """How the collection stands; the value is how the table of cases names it."""

    PAID = "paid"
    SETTLED = "settled without a payment"
    IN_FAVOUR = "in the customer's favour"
    BEING_CHECKED = "a payment is being checked"
    UNDER_WAY = "a charge is under way"
    UNCONFIRMED = "the outcome isn't known"
    NO_METHOD = "no payment method"
    TO_BE_CHARGED = "to be charged"
    NEW_METHOD = "another payment method since the decline"
    RETRIED = "declined, to be tried again"
    DECLINED = "declined, no automatic try known"
    OUR_FAULT = "refused for a reason of ours"
    DUE = "due, no charge known"


@dataclass(frozen=True, slots=True)
class Case:
    """The facts of a situation in words, for the table of cases, and its sentences in their order.

    A sentence is a message of the catalogues, or `WHAT` or `ADVICE`: those of the decline.
    """

    facts: str
    sentences: tuple[str, ...]


WHAT, ADVICE = "what the decline means", "what to do about the decline"
NOT_COLLECTED = to_translate("We could not collect %(amount)s.")
# For a decline that asks for nothing, once nothing else is known to help.
OTHERWISE = to_translate("Please add another payment method.")
PARTLY = to_translate("%(paid)s is paid; %(amount)s is still due.")

CASES: dict[Situation, Case] = {
    Situation.PAID: Case(
        "nothing is due, and there are payments, at the gateway or marked as paid",
        (to_translate("The statement is paid. Thank you."),),
    ),
    Situation.SETTLED: Case(
        "nothing is due, without a payment or with a part written off: corrections, credits or that have settled it",
        (to_translate("Nothing is due."),),
    ),
    Situation.IN_FAVOUR: Case("the balance is below zero", (to_translate("%(amount)s is in your favour."),)),
    Situation.BEING_CHECKED: Case(
        "due; the gateway has collected a payment that isn't recorded, so nothing is charged",
        (to_translate("We have received a payment that we are still checking. Until then we charge nothing more."),),
    ),
    Situation.UNDER_WAY: Case(
        "due; the last attempt is pending",
        (to_translate("A charge of %(amount)s to your payment method is under way. You don't need to do anything."),),
    ),
    Situation.UNCONFIRMED: Case(
        "due; the outcome of the last attempt is unknown",
        (
            to_translate(
                "We are waiting for the payment provider to confirm a charge of %(amount)s. Until then we charge "
                "nothing more."
            ),
        ),
    ),
    Situation.NO_METHOD: Case(
        "due; the platform has no payment method for the payer, whatever was tried",
        (
            to_translate("No payment method is stored for you, so %(amount)s can't be charged."),
            to_translate("Please add a payment method."),
        ),
    ),
    Situation.TO_BE_CHARGED: Case(
        "due, never declined, with a payment method; charging isn't on hold. The statement was issued at most two days "
        "ago or its month isn't over, and nothing was tried; or a try is planned and retries are sent",
        (to_translate("%(amount)s will be charged to your stored payment method. You don't need to do anything."),),
    ),
    Situation.NEW_METHOD: Case(
        "due; the last attempt was declined with another payment method than the present one; charging isn't on hold "
        "and retries are sent",
        (to_translate("%(amount)s will be charged to your new payment method. You don't need to do anything."),),
    ),
    Situation.RETRIED: Case(
        "due; the last attempt was declined with the present payment method; a try is planned, charging isn't on hold "
        "and retries are sent. The day is that of the planned time and a day, as retries are sent daily",
        (NOT_COLLECTED, WHAT, ADVICE, to_translate("We will try again automatically, on %(day)s at the latest.")),
    ),
    Situation.DECLINED: Case(
        "due; the last attempt was declined with the present payment method; no try is planned, or charging is on "
        "hold, or retries aren't sent",
        (NOT_COLLECTED, WHAT, ADVICE),
    ),
    Situation.OUR_FAULT: Case(
        "due, with a payment method; the gateway refused our request, and there is no other attempt",
        (
            to_translate(
                "%(amount)s could not be charged for a technical reason on our side. You don't need to do anything."
            ),
        ),
    ),
    Situation.DUE: Case("due, and none of the other cases", (to_translate("%(amount)s is due."),)),
}

# The customer is asked for something, so the letter says where help is.
ASKING = frozenset({Situation.NO_METHOD, Situation.RETRIED, Situation.DECLINED})
# Nothing is due any more.
CLOSED = frozenset({Situation.PAID, Situation.SETTLED, Situation.IN_FAVOUR})


@dataclass(frozen=True, slots=True)
class Standing:
    """How the collection of a statement stands: the situation, and the facts that it follows from."""

    facts: Collection
    situation: Situation


def standing_of(facts: Collection, payment_method: str | None, *, are_retries_sent: bool) -> Standing:
    """How the collection stands.

    `payment_method` is the payer's in the platform now, None without one. `are_retries_sent`: False if their DAG is
    paused, or if that isn't known.
    """
    are_retries_sent = are_retries_sent and not facts.is_on_hold
    return Standing(facts, _situation(facts, payment_method, are_retries_sent=are_retries_sent))


def _situation(facts: Collection, payment_method: str | None, *, are_retries_sent: bool) -> Situation:
    if facts.balance <= 0:
        return _closed(facts)
    if facts.has_unaccounted:
        return Situation.BEING_CHECKED
    if facts.last_outcome == "pending":
        return Situation.UNDER_WAY
    if facts.last_outcome == "unknown":
        return Situation.UNCONFIRMED
    if payment_method is None:
        return Situation.NO_METHOD
    if facts.last_outcome == "declined":
        if facts.last_method != payment_method:
            return Situation.NEW_METHOD if are_retries_sent else Situation.DUE
        return Situation.RETRIED if are_retries_sent and facts.planned_at else Situation.DECLINED
    if facts.was_refused:
        return Situation.OUR_FAULT
    is_planned = are_retries_sent and facts.planned_at is not None
    return Situation.TO_BE_CHARGED if is_planned or _is_first_charge_to_come(facts) else Situation.DUE


def sentences(
    standing: Standing,
    words: Words,
    money: Callable[[Decimal], str],
    day: Callable[[datetime], str],
) -> list[str]:
    """The sentences of the situation in the customer's language; `money` and `day` write an amount and a day."""
    facts, situation = standing.facts, standing.situation
    decline = decline_of(facts.decline_code)
    values = {
        "amount": money(abs(facts.balance)),
        "day": day(max(facts.planned_at or facts.as_of, facts.as_of) + _RETRIED_WITHIN),
    }
    said = []
    if facts.paid > 0 and situation not in CLOSED:
        said.append(words.gettext(PARTLY, paid=money(facts.paid), amount=values["amount"]))
        if situation is Situation.DUE:
            return said
    for sentence in CASES[situation].sentences:
        message = {WHAT: decline.what, ADVICE: decline.advice}.get(sentence, sentence)
        if sentence == ADVICE and not message and situation is Situation.DECLINED:
            message = OTHERWISE
        if message:
            said.append(words.gettext(message, **values))
    return said


def _closed(facts: Collection) -> Situation:
    if facts.balance < 0:
        return Situation.IN_FAVOUR
    return Situation.PAID if facts.paid > 0 and not facts.is_written_off else Situation.SETTLED


def _is_first_charge_to_come(facts: Collection) -> bool:
    if facts.last_outcome is not None or facts.is_on_hold:
        return False
    is_month_over = facts.as_of.date() > Period.parse(facts.period).last_day
    return not is_month_over or facts.as_of - facts.issued_at < _CHARGED_WITHIN
