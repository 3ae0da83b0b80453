"""What a decline means: whether trying again can help, and what to tell the financial admin. Pure.

Stripe publishes its codes but no division into hard and soft. Here a code is hard if the same payment method can't
succeed or card networks forbid another try, soft if another try may succeed, and the customer's if somebody has to act.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NO_PAYMENT_METHOD = "no_payment_method"
NOT_CHARGED = "not_charged"
AMOUNT_NOT_CHARGEABLE = "amount_not_chargeable"


class DeclineClass(StrEnum):
    """What may follow a decline.

    HARD: nothing, until the payment method changes. SOFT: another try later. NEEDS_CUSTOMER: a try once the customer
    has acted. UNKNOWN: no known meaning, so very few tries.
    """

    HARD = "hard"
    SOFT = "soft"
    NEEDS_CUSTOMER = "needs_customer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decline:
    """A decline code, its class, and one sentence for a financial admin: what happened and what to do."""

    code: str
    decline_class: DeclineClass
    explanation: str


_ADVICE = {
    "do_not_try_again": DeclineClass.HARD,
    "try_again_later": DeclineClass.SOFT,
    "confirm_card_data": DeclineClass.NEEDS_CUSTOMER,
}

_HARD, _SOFT = DeclineClass.HARD, DeclineClass.SOFT
_CUSTOMER, _UNKNOWN = DeclineClass.NEEDS_CUSTOMER, DeclineClass.UNKNOWN

# The same text for lost, stolen and suspected cards: the card's user mustn't learn what the bank suspects.
_NEUTRAL = "The bank declined this card for good; please add another payment method."
_CONSENT_GONE = "The bank says that payments to us were stopped; please ask your bank, or add another payment method."
_ASK_BANK = "The bank declined the charge without a reason; please ask your bank, or add another payment method."
_LATER = "The bank or its network couldn't handle the charge just then; you needn't do anything, we'll try again."
_PIN = "The bank wants a PIN, which can't be given for this charge; please add another payment method."
_CARD_DATA = "The bank didn't recognise the card's details; please enter the card again or add another one."
_CONFIRM = "The bank wants you to confirm the payment; please pay it yourself or confirm the card again."
_LIMIT = "The charge goes beyond the card's limit for now; please raise the limit, or wait for the next automatic try."
_KIND = "The card doesn't allow this kind of charge; please add another payment method."

DECLINES: tuple[Decline, ...] = (
    # The bank or the card network: not with this card.
    Decline("card_not_supported", _HARD, _KIND),
    Decline("currency_not_supported", _HARD, "The card can't pay in this currency; please add another payment method."),
    Decline("do_not_try_again", _HARD, _ASK_BANK),
    Decline("fraudulent", _HARD, _NEUTRAL),
    Decline("highest_risk_level", _HARD, _NEUTRAL),
    Decline("incorrect_number", _HARD, "The card's number is wrong; please add the card again or another one."),
    Decline("invalid_account", _HARD, "The card or its account isn't valid; please add another payment method."),
    Decline("invalid_number", _HARD, "The card's number isn't valid; please add the card again or another one."),
    Decline("lost_card", _HARD, _NEUTRAL),
    Decline("merchant_blacklist", _HARD, _NEUTRAL),
    Decline("not_permitted", _HARD, _KIND),
    Decline("pickup_card", _HARD, _NEUTRAL),
    Decline("restricted_card", _HARD, _NEUTRAL),
    Decline("revocation_of_all_authorizations", _HARD, _CONSENT_GONE),
    Decline("revocation_of_authorization", _HARD, _CONSENT_GONE),
    Decline("security_violation", _HARD, _NEUTRAL),
    Decline("service_not_allowed", _HARD, _KIND),
    Decline("stolen_card", _HARD, _NEUTRAL),
    Decline("stop_payment_order", _HARD, _CONSENT_GONE),
    Decline("testmode_decline", _HARD, "A test card can't pay a real charge; please add a real payment method."),
    Decline("transaction_not_allowed", _HARD, _KIND),
    # Another try may succeed. Sources disagree on do_not_honor and generic_decline; card networks allow another try.
    Decline("approve_with_id", _SOFT, _LATER),
    Decline(
        "card_decline_rate_limit_exceeded",
        _SOFT,
        "The card was declined too often in a short time; please add another one, or wait for the next try.",
    ),
    Decline("card_velocity_exceeded", _SOFT, _LIMIT),
    Decline("do_not_honor", _SOFT, _ASK_BANK),
    Decline(
        "duplicate_transaction",
        _SOFT,
        "The bank saw the same charge a moment before; please check whether it was paid; otherwise we'll try it again.",
    ),
    Decline("generic_decline", _SOFT, _ASK_BANK),
    Decline(
        "insufficient_funds",
        _SOFT,
        "There wasn't enough money on the card; please top it up or add another payment method; we'll try it again.",
    ),
    Decline("issuer_not_available", _SOFT, _LATER),
    Decline("processing_error", _SOFT, _LATER),
    Decline("reenter_transaction", _SOFT, _LATER),
    Decline("try_again_later", _SOFT, _LATER),
    Decline("withdrawal_count_limit_exceeded", _SOFT, _LIMIT),
    # Somebody has to act first; the same payment method may do then.
    Decline("authentication_not_handled", _CUSTOMER, _CONFIRM),
    Decline("authentication_required", _CUSTOMER, _CONFIRM),
    Decline(
        "expired_card",
        _CUSTOMER,
        "The card has expired; please enter its new expiry date or add another payment method.",
    ),
    Decline("incorrect_address", _CUSTOMER, "The billing address didn't match; please correct it or add another card."),
    Decline("incorrect_cvc", _CUSTOMER, _CARD_DATA),
    Decline("incorrect_pin", _CUSTOMER, _PIN),
    Decline("incorrect_zip", _CUSTOMER, "The postal code didn't match; please correct it or add another card."),
    Decline(
        "invalid_amount",
        _CUSTOMER,
        "The bank doesn't allow a charge of this amount; please ask your bank, or add another payment method.",
    ),
    Decline("invalid_cvc", _CUSTOMER, _CARD_DATA),
    Decline("invalid_expiry_month", _CUSTOMER, "The card's expiry month isn't valid; please enter the card again."),
    Decline("invalid_expiry_year", _CUSTOMER, "The card's expiry year isn't valid; please enter the card again."),
    Decline("invalid_pin", _CUSTOMER, _PIN),
    Decline("mobile_device_authentication_required", _CUSTOMER, _CONFIRM),
    Decline(
        "new_account_information_available",
        _CUSTOMER,
        "The bank has new details for this card; please enter the card again or add another one.",
    ),
    Decline("offline_pin_required", _CUSTOMER, _PIN),
    Decline("online_or_offline_pin_required", _CUSTOMER, _PIN),
    Decline("payment_intent_authentication_failure", _CUSTOMER, _CONFIRM),
    Decline("pin_try_exceeded", _CUSTOMER, _PIN),
    # Published without a reason.
    Decline("call_issuer", _UNKNOWN, _ASK_BANK),
    Decline("card_declined", _UNKNOWN, _ASK_BANK),
    Decline("no_action_taken", _UNKNOWN, _ASK_BANK),
    # What the gateway refuses as a request.
    Decline(
        "amount_too_large",
        _HARD,
        "The amount is more than the gateway can charge at once; please use another payment method.",
    ),
    Decline(
        "amount_too_small", _HARD, "The amount is less than the gateway can charge; please use another payment method."
    ),
    Decline(
        "resource_missing",
        _CUSTOMER,
        "The gateway doesn't know the stored customer or payment method; please add the payment method again.",
    ),
    # Our own.
    Decline(
        AMOUNT_NOT_CHARGEABLE, _HARD, "The gateway can't charge exactly this amount; please use another payment method."
    ),
    Decline(NO_PAYMENT_METHOD, _CUSTOMER, "No payment method is stored, so nothing could be charged; please add one."),
    Decline(
        NOT_CHARGED, _SOFT, "The charge never took place at the gateway; you needn't do anything, we'll try again."
    ),
)

_BY_CODE = {decline.code: decline for decline in DECLINES}


def classify(decline_code: str | None, advice_code: str | None) -> DeclineClass:
    """The class of a decline: what the card network advises, else what the code says, else UNKNOWN."""
    advised = _ADVICE.get(advice_code or "")
    if advised is not None:
        return advised
    known = _BY_CODE.get(decline_code or "")
    return known.decline_class if known else DeclineClass.UNKNOWN


def explain(decline_code: str | None) -> str:
    """One sentence for a financial admin: what happened and what to do; a general one for a code not in the table."""
    known = _BY_CODE.get(decline_code or "")
    if known:
        return known.explanation
    named = f" ({decline_code})" if decline_code else ""
    return f"The charge was declined{named}; please ask your bank, or add another payment method."
