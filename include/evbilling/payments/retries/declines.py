"""What a decline means: whether trying again can help, and what to tell the financial admin. Pure.

Stripe publishes its codes but no division into hard and soft. Here a code is hard if the same payment method can't
succeed or card networks forbid another try, soft if another try may succeed, and the customer's if somebody has to act.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evbilling.languages import to_translate

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
    """A decline code, its class, and for the financial admin what happened and what to do; `advice` may be empty.

    Both are messages of the catalogues, and true whatever follows: whether it is tried again is another matter.
    """

    code: str
    decline_class: DeclineClass
    what: str
    advice: str

    @property
    def explanation(self) -> str:
        """What happened and what to do, in English."""
        return f"{self.what} {self.advice}".strip()


_ADVICE = {
    "do_not_try_again": DeclineClass.HARD,
    "try_again_later": DeclineClass.SOFT,
    "confirm_card_data": DeclineClass.NEEDS_CUSTOMER,
}

_HARD, _SOFT = DeclineClass.HARD, DeclineClass.SOFT
_CUSTOMER, _UNKNOWN = DeclineClass.NEEDS_CUSTOMER, DeclineClass.UNKNOWN

# What to do.
_ANOTHER = to_translate("Please add another payment method.")
_BANK = to_translate("Please ask your bank, or add another payment method.")
_AGAIN = to_translate("Please enter the card again, or add another payment method.")
_CORRECT = to_translate("Please correct it, or add another payment method.")
_RAISE = to_translate("Please raise it, or add another payment method.")
_US = to_translate("Please ask us how to pay it.")
_NOTHING = ""

# What happened. One text for lost, stolen and suspected cards: the card's user mustn't learn what the bank suspects.
_NEUTRAL = to_translate("The bank declined this card for good.")
_CONSENT_GONE = to_translate("The bank says that payments to us were stopped.")
_NO_REASON = to_translate("The bank declined the charge without giving a reason.")
_LATER = to_translate("The bank or its network couldn't handle the charge just then.")
_PIN = to_translate("The bank wants a PIN, which can't be given for this charge.")
_CARD_DATA = to_translate("The bank didn't recognise the card's details.")
_NUMBER = to_translate("The card's number is wrong.")
_EXPIRY = to_translate("The card's expiry date isn't valid.")
_CONFIRM = to_translate("The bank wants you to confirm the payment.")
_LIMIT = to_translate("The charge goes beyond the card's limit for now.")
_KIND = to_translate("The card doesn't allow this kind of charge.")

DECLINES: tuple[Decline, ...] = (
    # The bank or the card network: not with this card.
    Decline("card_not_supported", _HARD, _KIND, _ANOTHER),
    Decline("currency_not_supported", _HARD, to_translate("The card can't pay in this currency."), _ANOTHER),
    Decline("do_not_try_again", _HARD, _NO_REASON, _BANK),
    Decline("fraudulent", _HARD, _NEUTRAL, _ANOTHER),
    Decline("highest_risk_level", _HARD, _NEUTRAL, _ANOTHER),
    Decline("incorrect_number", _HARD, _NUMBER, _AGAIN),
    Decline("invalid_account", _HARD, to_translate("The card or its account isn't valid."), _ANOTHER),
    Decline("invalid_number", _HARD, _NUMBER, _AGAIN),
    Decline("lost_card", _HARD, _NEUTRAL, _ANOTHER),
    Decline("merchant_blacklist", _HARD, _NEUTRAL, _ANOTHER),
    Decline("not_permitted", _HARD, _KIND, _ANOTHER),
    Decline("pickup_card", _HARD, _NEUTRAL, _ANOTHER),
    Decline("restricted_card", _HARD, _NEUTRAL, _ANOTHER),
    Decline("revocation_of_all_authorizations", _HARD, _CONSENT_GONE, _BANK),
    Decline("revocation_of_authorization", _HARD, _CONSENT_GONE, _BANK),
    Decline("security_violation", _HARD, _NEUTRAL, _ANOTHER),
    Decline("service_not_allowed", _HARD, _KIND, _ANOTHER),
    Decline("stolen_card", _HARD, _NEUTRAL, _ANOTHER),
    Decline("stop_payment_order", _HARD, _CONSENT_GONE, _BANK),
    Decline("testmode_decline", _HARD, to_translate("A test card can't pay a real charge."), _ANOTHER),
    Decline("transaction_not_allowed", _HARD, _KIND, _ANOTHER),
    # Another try may succeed. Sources disagree on do_not_honor and generic_decline; card networks allow another try.
    Decline("approve_with_id", _SOFT, _LATER, _NOTHING),
    Decline(
        "card_decline_rate_limit_exceeded",
        _SOFT,
        to_translate("The card was declined too often in a short time."),
        _ANOTHER,
    ),
    Decline("card_velocity_exceeded", _SOFT, _LIMIT, _RAISE),
    Decline("do_not_honor", _SOFT, _NO_REASON, _BANK),
    Decline(
        "duplicate_transaction",
        _SOFT,
        to_translate("The bank took the charge for a repeated one."),
        to_translate("Please ask your bank whether you have paid it."),
    ),
    Decline("generic_decline", _SOFT, _NO_REASON, _BANK),
    Decline(
        "insufficient_funds",
        _SOFT,
        to_translate("There wasn't enough money on the card."),
        to_translate("Please top it up, or add another payment method."),
    ),
    Decline("issuer_not_available", _SOFT, _LATER, _NOTHING),
    Decline("processing_error", _SOFT, _LATER, _NOTHING),
    Decline("reenter_transaction", _SOFT, _LATER, _NOTHING),
    Decline("try_again_later", _SOFT, _LATER, _NOTHING),
    Decline(
        "withdrawal_count_limit_exceeded",
        _SOFT,
        _LIMIT,
        _RAISE,
    ),
    # Somebody has to act first; the same payment method may do then.
    Decline("authentication_not_handled", _CUSTOMER, _CONFIRM, _BANK),
    Decline("authentication_required", _CUSTOMER, _CONFIRM, _BANK),
    Decline(
        "expired_card",
        _CUSTOMER,
        to_translate("The card has expired."),
        to_translate("Please enter its new expiry date, or add another payment method."),
    ),
    Decline("incorrect_address", _CUSTOMER, to_translate("The billing address didn't match."), _CORRECT),
    Decline("incorrect_cvc", _CUSTOMER, _CARD_DATA, _AGAIN),
    Decline("incorrect_pin", _CUSTOMER, _PIN, _ANOTHER),
    Decline("incorrect_zip", _CUSTOMER, to_translate("The postal code didn't match."), _CORRECT),
    Decline("invalid_amount", _CUSTOMER, to_translate("The bank doesn't allow a charge of this amount."), _BANK),
    Decline("invalid_cvc", _CUSTOMER, _CARD_DATA, _AGAIN),
    Decline("invalid_expiry_month", _CUSTOMER, _EXPIRY, _AGAIN),
    Decline("invalid_expiry_year", _CUSTOMER, _EXPIRY, _AGAIN),
    Decline("invalid_pin", _CUSTOMER, _PIN, _ANOTHER),
    Decline("mobile_device_authentication_required", _CUSTOMER, _CONFIRM, _BANK),
    Decline(
        "new_account_information_available",
        _CUSTOMER,
        to_translate("The bank has new details for this card."),
        _AGAIN,
    ),
    Decline("offline_pin_required", _CUSTOMER, _PIN, _ANOTHER),
    Decline("online_or_offline_pin_required", _CUSTOMER, _PIN, _ANOTHER),
    Decline("payment_intent_authentication_failure", _CUSTOMER, _CONFIRM, _BANK),
    Decline("pin_try_exceeded", _CUSTOMER, _PIN, _ANOTHER),
    # Published without a reason.
    Decline("call_issuer", _UNKNOWN, _NO_REASON, _BANK),
    Decline("card_declined", _UNKNOWN, _NO_REASON, _BANK),
    Decline("no_action_taken", _UNKNOWN, _NO_REASON, _BANK),
    # What the gateway refuses as a request.
    Decline("amount_too_large", _HARD, to_translate("The amount is more than can be charged at once."), _US),
    Decline("amount_too_small", _HARD, to_translate("The amount is less than can be charged."), _US),
    Decline(
        "resource_missing",
        _CUSTOMER,
        to_translate("The payment provider doesn't know the stored payment method any more."),
        to_translate("Please add the payment method again."),
    ),
    # Our own.
    Decline(AMOUNT_NOT_CHARGEABLE, _HARD, to_translate("Exactly this amount can't be charged."), _US),
    Decline(
        NO_PAYMENT_METHOD,
        _CUSTOMER,
        to_translate("No payment method is stored, so nothing could be charged."),
        to_translate("Please add a payment method."),
    ),
    Decline(NOT_CHARGED, _SOFT, to_translate("The charge never took place."), _NOTHING),
)

_BY_CODE = {decline.code: decline for decline in DECLINES}


def classify(decline_code: str | None, advice_code: str | None) -> DeclineClass:
    """The class of a decline: what the card network advises, else what the code says, else UNKNOWN."""
    advised = _ADVICE.get(advice_code or "")
    if advised is not None:
        return advised
    known = _BY_CODE.get(decline_code or "")
    return known.decline_class if known else DeclineClass.UNKNOWN


def decline_of(decline_code: str | None) -> Decline:
    """What is known of a code, for a customer; a general text for one that isn't in the table."""
    code = decline_code or ""
    return _BY_CODE.get(code) or Decline(code, _UNKNOWN, to_translate("The charge was declined."), _BANK)


def explain(decline_code: str | None) -> str:
    """For finance, in English: what happened and what the customer is asked to do; it names a code without a text."""
    text = decline_of(decline_code).explanation
    named = f" ({decline_code})" if decline_code and decline_code not in _BY_CODE else ""
    return text.replace("declined.", f"declined{named}.") if named else text
