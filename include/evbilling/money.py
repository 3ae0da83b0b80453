"""Amounts of money: whole minor units inside, decimals in major units outside, never a float."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from iso4217 import Currency

from evbilling.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

Whole = TypeVar("Whole", int, "np.ndarray")

# With as many characters the decimals of a currency still fit into the precision of Python's arithmetic.
_LONGEST = 24
_DECIMAL = re.compile(rf"(?=.{{1,{_LONGEST}}}\Z)[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")


@lru_cache(maxsize=1)
def _minor_units() -> dict[str, int]:
    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def minor_unit(currency: object) -> int | None:
    """The number of decimals that ISO 4217 gives `currency` (JPY 0, EUR 2, KWD 3); None if it is no currency."""
    return _minor_units().get(currency) if isinstance(currency, str) else None


def decimals(amount: Decimal) -> int:
    """The number of decimals that `amount` needs: 5.10 needs one, 100 none."""
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def as_price(amount: Decimal, currency: object) -> Decimal:
    """`amount` with at least the decimals of `currency`: 6.5 EUR is 6.50. Unchanged if the currency is unknown."""
    unit = minor_unit(currency)
    return amount if unit is None else amount.quantize(Decimal(1).scaleb(-max(unit, decimals(amount))))


def to_minor(amount: Decimal, decimals_of_currency: int) -> int:
    """`amount` in whole minor units; raises `BadInput` if it has more decimals than the currency."""
    if decimals(amount) > decimals_of_currency:
        raise BadInput(
            f"{amount} has more decimals than its currency's {decimals_of_currency}",
            fix="give an amount that can be paid exactly",
        )
    return int(amount.scaleb(decimals_of_currency))


def from_minor(minor: int, decimals_of_currency: int) -> Decimal:
    """Minor units as a decimal in major units, with exactly the currency's decimals."""
    return Decimal(minor).scaleb(-decimals_of_currency)


def round_half_up(amount: Whole, divisor: int) -> Whole:
    """`amount / divisor`, rounded half-up, exactly; for non-negative integers, one or an array of them."""
    return (2 * amount + divisor) // (2 * divisor)


def tax_minor(net_minor: Whole, tax_rate_e6: Whole) -> Whole:
    """Tax on net amounts in minor units, each rounded half-up once; the rate is in millionths (190,000 is 19 %)."""
    return round_half_up(net_minor * tax_rate_e6, 1_000_000)


def parse_decimal(text: str) -> Decimal:
    """The exact decimal in `text`, written in plain digits; raises `BadInput` for anything else (1e3, NaN, 1,50).

    So it does for more characters than any amount has, which arithmetic would round.
    """
    if not _DECIMAL.fullmatch(text):
        shown = repr(text) if len(text) <= _LONGEST else f"a text of {len(text):,} characters"
        raise BadInput(f"{shown} is not a decimal number", fix="write it in plain digits, for example 4.50")
    return Decimal(text)
