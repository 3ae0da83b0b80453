"""Which amounts may be charged: positive, at most 8 digits, above the smallest charge, in the currency's own steps."""

from __future__ import annotations

from evbilling.money import minor_unit
from evbilling_local.sandbox.replies import Refusal

_MOST_DIGITS = 8

# Written with three decimals, but charged in steps of ten of them.
_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})

# Currencies without decimals that are nevertheless written with two, which then have to be 00.
_TWO_EMPTY_DECIMALS = frozenset({"isk", "ugx"})

# About half a US dollar, where the smallest charge isn't 50 of the smallest unit.
_SMALLEST_TEXT = """
aed 200  bgn 100  czk 1500  dkk 250  gbp 30  hkd 400  huf 17500  mxn 1000  myr 200  nok 300  pln 200  ron 200  sek 300
thb 1000  bhd 190  jod 360  kwd 160  omr 200  tnd 1500
"""
_SMALLEST = {pair[:3]: int(pair[4:]) for pair in _SMALLEST_TEXT.strip().replace("\n", "  ").split("  ")}
_SMALLEST_ELSEWHERE = 50


def check_currency(currency: str) -> None:
    """Return if `currency` can be charged; else a `Refusal`."""
    if not currency.islower() or minor_unit(currency.upper()) is None:
        message = f"Invalid currency: {currency}. Give a three-letter ISO code in lower case."
        raise Refusal(400, message, param="currency")


def check_amount(amount: int, currency: str) -> None:
    """Return if `amount`, in the currency's smallest unit, can be charged; else a `Refusal`."""
    if amount < 1:
        message = "Invalid positive integer: the amount must be at least 1."
        raise Refusal(400, message, code="parameter_invalid_integer", param="amount")
    if len(str(amount)) > _MOST_DIGITS:
        message = f"The amount may have at most {_MOST_DIGITS} digits."
        raise Refusal(400, message, code="amount_too_large", param="amount")
    smallest = _SMALLEST.get(currency, _SMALLEST_ELSEWHERE)
    if amount < smallest:
        message = f"The amount must be at least {smallest} in {currency}, which is about half a US dollar."
        raise Refusal(400, message, code="amount_too_small", param="amount")
    step = 10 if currency in _THREE_DECIMALS else 100 if currency in _TWO_EMPTY_DECIMALS else 1
    if amount % step:
        message = f"Invalid integer: an amount in {currency} must be divisible by {step}."
        raise Refusal(400, message, code="parameter_invalid_integer", param="amount")
