"""Test payment methods: the outcome of a charge on each of them, with the codes that Stripe publishes."""

from __future__ import annotations

from dataclasses import dataclass

DO_NOT_TRY_AGAIN = "do_not_try_again"
TRY_AGAIN_LATER = "try_again_later"
CONFIRM_CARD_DATA = "confirm_card_data"

AUTHENTICATION_REQUIRED = "authentication_required"

# Reasons that are an error code of their own and come without a decline code.
_CODES_OF_THEIR_OWN = frozenset({"expired_card", "incorrect_cvc", "incorrect_number", "processing_error"})

_ADVICE = {
    "generic_decline": TRY_AGAIN_LATER,
    "insufficient_funds": TRY_AGAIN_LATER,
    "processing_error": TRY_AGAIN_LATER,
    "lost_card": DO_NOT_TRY_AGAIN,
    "stolen_card": DO_NOT_TRY_AGAIN,
    "fraudulent": DO_NOT_TRY_AGAIN,
    "expired_card": CONFIRM_CARD_DATA,
    "incorrect_cvc": CONFIRM_CARD_DATA,
    "incorrect_number": CONFIRM_CARD_DATA,
}

_BRANDS = {
    "visa": "visa",
    "visa_debit": "visa",
    "mastercard": "mastercard",
    "mastercard_debit": "mastercard",
    "mastercard_prepaid": "mastercard",
    "amex": "amex",
    "discover": "discover",
    "diners": "diners",
    "jcb": "jcb",
    "unionpay": "unionpay",
    "us": "visa",
}

_ENDINGS = {
    "chargeDeclined": "generic_decline",
    "chargeDeclinedInsufficientFunds": "insufficient_funds",
    "chargeDeclinedLostCard": "lost_card",
    "chargeDeclinedStolenCard": "stolen_card",
    "chargeDeclinedExpiredCard": "expired_card",
    "chargeDeclinedProcessingError": "processing_error",
    "chargeDeclinedIncorrectCvc": "incorrect_cvc",
    "chargeDeclinedFraudulent": "fraudulent",
    "radarBlock": "fraudulent",
    "chargeCustomerFail": "generic_decline",
    "authenticationRequired": AUTHENTICATION_REQUIRED,
    "authenticationRequiredOnSetup": AUTHENTICATION_REQUIRED,
    "authenticationRequiredSetupForOffSession": None,
}

# These can be attached to a customer, and fail only when they are charged.
_ATTACHABLE = frozenset(name for name in _ENDINGS if not name.startswith(("chargeDeclined", "radar")))

_NUMBERS = {
    "4242424242424242": "visa",
    "5555555555554444": "mastercard",
    "378282246310005": "amex",
    "6011111111111117": "discover",
    "4000000000000002": "chargeDeclined",
    "4000000000009995": "chargeDeclinedInsufficientFunds",
    "4000000000009987": "chargeDeclinedLostCard",
    "4000000000009979": "chargeDeclinedStolenCard",
    "4000000000000069": "chargeDeclinedExpiredCard",
    "4000000000000119": "chargeDeclinedProcessingError",
    "4000000000000127": "chargeDeclinedIncorrectCvc",
    "4100000000000019": "chargeDeclinedFraudulent",
    "4000000000000341": "chargeCustomerFail",
    "4000002760003184": "authenticationRequired",
    "4000003800000446": "authenticationRequiredSetupForOffSession",
}


@dataclass(frozen=True)
class Behaviour:
    """The outcome of a charge on a payment method: a decline for `reason`, or success if there is none."""

    reason: str | None = None
    advice_code: str | None = None
    brand: str = "visa"
    is_attachable: bool = True

    @property
    def code(self) -> str:
        """The error code of the decline."""
        own = self.reason in _CODES_OF_THEIR_OWN or self.reason == AUTHENTICATION_REQUIRED
        return self.reason if own and self.reason else "card_declined"

    @property
    def decline_code(self) -> str | None:
        """The decline code; None for the reasons that have only an error code."""
        return None if self.reason in _CODES_OF_THEIR_OWN else self.reason

    @property
    def message(self) -> str:
        """The decline in words."""
        return f"The card was declined: {(self.reason or 'no reason').replace('_', ' ')}."


def declining(reason: str | None, advice_code: str | None = None) -> Behaviour:
    """A payment method that declines for `reason` (succeeds for None), with the usual advice if none is given."""
    return Behaviour(reason, advice_code or _ADVICE.get(reason or ""))


def of_test_method(method_id: str) -> Behaviour | None:
    """What one of Stripe's ready-made test methods (`pm_card_visa`, `pm_card_chargeDeclined`) does; None for others."""
    return _of_name(method_id.removeprefix("pm_card_")) if method_id.startswith("pm_card_") else None


def of_token(token: str) -> Behaviour | None:
    """What a method made of a test token such as `tok_visa` does; None if it isn't one."""
    return _of_name(token.removeprefix("tok_")) if token.startswith("tok_") else None


def of_number(number: str) -> Behaviour | None:
    """What a method made of a test card's number does; None if it isn't one."""
    return _of_name(_NUMBERS.get(number.replace(" ", ""), ""))


def _of_name(name: str) -> Behaviour | None:
    if name in _BRANDS:
        return Behaviour(brand=_BRANDS[name])
    ending = name.removeprefix("visa_")
    if ending not in _ENDINGS:
        return None
    reason = _ENDINGS[ending]
    return Behaviour(reason, _ADVICE.get(reason or ""), is_attachable=ending in _ATTACHABLE)
