"""The fields of a billing setting: text in, typed value out. No file, no database."""

from __future__ import annotations

from decimal import Decimal

from evbilling.errors import BadInput
from evbilling.money import decimals, parse_decimal
from evbilling.period import Period
from evbilling.platform import LONGEST_ID
from evbilling.typed_text import fault_in

# No currency has more; whether a fee fits its account's currency is checked when the month is billed.
FEE_DECIMALS = 4
FEE_LIMIT = Decimal(1_000_000)
TAX_DECIMALS = 6


def parse_account_id(text: str) -> str:
    """The account's id as given; raises `BadInput` if it is empty, blank or too long."""
    if not text.strip():
        raise BadInput("is empty, but is required")
    return parse_id(text)


def parse_id(text: str) -> str:
    """An id as given; raises `BadInput` if it is longer than any id may be."""
    if len(text) > LONGEST_ID:
        raise BadInput(f"has {len(text):,} characters; an id has at most {LONGEST_ID}")
    return text


def parse_effective_from(text: str) -> Period:
    """The first period the setting counts for; raises `BadInput` if it isn't `YYYY-MM`."""
    try:
        return Period.parse(text)
    except BadInput as error:
        raise BadInput(f"{error.what}; {error.fix}") from None


def parse_flag(text: str) -> bool:
    """True for `true`, False for `false`; raises `BadInput` for anything else."""
    if text not in {"true", "false"}:
        raise BadInput(f"{text!r} is not true or false")
    return text == "true"


def parse_fee(text: str) -> Decimal:
    """A monthly fee in major units, 0 to 1,000,000 with at most 4 decimals; raises `BadInput` otherwise."""
    fee = _plain(text)
    if fee < 0:
        raise BadInput(f"{text} is below zero")
    if fee > FEE_LIMIT:
        raise BadInput(f"{text} is above {FEE_LIMIT:,}; a fee is a month's price of one connector in major units")
    if decimals(fee) > FEE_DECIMALS:
        raise BadInput(f"{text} has more than {FEE_DECIMALS} decimals, more than any currency")
    return fee


def parse_tax_rate(text: str) -> Decimal:
    """A tax rate as a fraction, 0 <= rate < 1, with at most 6 decimals; raises `BadInput` otherwise."""
    rate = _plain(text)
    if rate < 0:
        raise BadInput(f"{text} is below zero")
    if rate >= 1:
        raise BadInput(f"{text} is not a fraction below 1; {text} % is written {rate.scaleb(-2):f}")
    if decimals(rate) > TAX_DECIMALS:
        raise BadInput(f"{text} has more than {TAX_DECIMALS} decimals")
    return rate


def parse_tax_percent(text: str) -> Decimal:
    """The fraction of a percentage: `7` is 0.07. 0 <= percent < 100, at most 4 decimals.

    Raises `BadInput` otherwise.
    """
    percent = _plain(text)
    if percent < 0:
        raise BadInput(f"{text} is below zero")
    if percent >= 100:
        raise BadInput(f"{text} is 100 % or more")
    if decimals(percent) > TAX_DECIMALS - 2:
        raise BadInput(f"{text} has more than {TAX_DECIMALS - 2} decimals")
    return percent.scaleb(-2)


def percent_of(rate: Decimal) -> Decimal:
    """A tax rate as a percentage with no more digits than it needs: 0.07 is 7."""
    return Decimal(f"{(rate * 100).normalize():f}")


def parse_reason(text: str) -> str:
    """Why a setting is changed, stripped; raises `BadInput` if it is blank or has what may not be kept."""
    reason = text.strip()
    if not reason:
        raise BadInput("is empty, but is required: it is kept with the change")
    if fault := fault_in(reason):
        raise BadInput(fault)
    return reason


def _plain(text: str) -> Decimal:
    if not text:
        raise BadInput("is empty, but is required")
    try:
        return parse_decimal(text)
    except BadInput as error:
        raise BadInput(f"{error.what}; {error.fix}") from None
