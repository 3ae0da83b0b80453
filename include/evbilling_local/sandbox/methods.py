"""Test payment methods: the outcome of a charge on each of them, with the codes that Stripe publishes."""

from __future__ import annotations

from dataclasses import dataclass

AUTHENTICATION_REQUIRED = "authentication_required"

# Reasons that are an error code of their own and come without a decline code.
_CODES_OF_THEIR_OWN = frozenset({"expired_card", "incorrect_cvc", "incorrect_number", "processing_error"})

_ADVISED = {
    "try_again_later": ("generic_decline", "insufficient_funds", "processing_error"),
    "do_not_try_again": ("lost_card", "stolen_card", "fraudulent"),
    "confirm_card_data": ("expired_card", "incorrect_cvc", "incorrect_number"),
}
_ADVICE = {reason: advice for advice, reasons in _ADVISED.items() for reason in reasons}

_VISA = ("visa", "visa_debit", "us")
_OTHERS = ("mastercard", "mastercard_debit", "mastercard_prepaid", "amex", "discover", "diners", "jcb", "unionpay")
_BRANDS = {name: "visa" for name in _VISA} | {name: name.partition("_")[0] for name in _OTHERS}

# Stripe's names for methods with a special outcome: the reason of the decline, and the number of the test card.
_SPECIAL = """
chargeDeclined                           generic_decline          4000000000000002
chargeDeclinedInsufficientFunds          insufficient_funds       4000000000009995
chargeDeclinedLostCard                   lost_card                4000000000009987
chargeDeclinedStolenCard                 stolen_card              4000000000009979
chargeDeclinedExpiredCard                expired_card             4000000000000069
chargeDeclinedProcessingError            processing_error         4000000000000119
chargeDeclinedIncorrectCvc               incorrect_cvc            4000000000000127
chargeDeclinedFraudulent                 fraudulent               4100000000000019
radarBlock                               fraudulent               -
chargeCustomerFail                       generic_decline          4000000000000341
authenticationRequired                   authentication_required  4000002760003184
authenticationRequiredOnSetup            authentication_required  -
authenticationRequiredSetupForOffSession -                        4000003800000446
"""
_ROWS = [line.split() for line in _SPECIAL.strip().splitlines()]
_REASONS = {name: None if reason == "-" else reason for name, reason, _ in _ROWS}
_NUMBERS = {number: name for name, _, number in _ROWS if number != "-"} | {
    "4242424242424242": "visa",
    "5555555555554444": "mastercard",
    "378282246310005": "amex",
    "6011111111111117": "discover",
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
    if ending not in _REASONS:
        return None
    reason = _REASONS[ending]
    # Methods of the other names can be attached to a customer, and fail only when they are charged.
    is_attachable = not ending.startswith(("chargeDeclined", "radar"))
    return Behaviour(reason, _ADVICE.get(reason or ""), is_attachable=is_attachable)
