"""Money: exact between major and minor units, and rounded half-up just once."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.money import as_price, decimals, from_minor, minor_unit, parse_decimal, tax_minor, to_minor

minors = st.integers(0, 4_000_000_000_000)
units = st.integers(0, 4)
rates_e6 = st.integers(0, 999_999)


@given(st.integers(-(10**15), 10**15), units)
def test_minor_units_survive_the_way_out_and_back(minor: int, unit: int) -> None:
    """An amount in minor units is the same after being written in major units, with exactly the currency's decimals."""
    amount = from_minor(minor, unit)
    assert to_minor(amount, unit) == minor
    assert amount.as_tuple().exponent == -unit


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6), units)
def test_an_amount_with_too_many_decimals_is_refused_never_rounded(amount: Decimal, unit: int) -> None:
    """To minor units goes just what can be paid exactly."""
    is_exact = amount == amount.quantize(Decimal(1).scaleb(-unit))
    assert is_exact == (decimals(amount) <= unit)
    if is_exact:
        assert from_minor(to_minor(amount, unit), unit) == amount
    else:
        with pytest.raises(BadInput, match="more decimals"):
            to_minor(amount, unit)


@given(minors, rates_e6)
def test_tax_is_rounded_half_up(net: int, rate_e6: int) -> None:
    """The tax of one amount, and of an array as the month computes it, is the half-up rounding of net times rate."""
    expected = int((Decimal(net) * rate_e6 / 1_000_000).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    assert tax_minor(net, rate_e6) == expected
    assert tax_minor(np.array([net], dtype=np.int64), np.array([rate_e6], dtype=np.int64)).tolist() == [expected]


@pytest.mark.parametrize(
    ("net", "rate_e6", "tax"),
    [(50, 10_000, 1), (49, 10_000, 0), (150, 10_000, 2), (250, 10_000, 3), (1, 499_999, 0), (1, 500_000, 1)],
)
def test_a_half_goes_up(net: int, rate_e6: int, tax: int) -> None:
    """Halves go up, also where half-even would go down."""
    assert tax_minor(net, rate_e6) == tax


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("JPY", 0),
        ("USD", 2),
        ("EUR", 2),
        ("KWD", 3),
        ("CLF", 4),
        ("usd", None),
        ("XXX", None),
        ("", None),
        (None, None),
        (978, None),
    ],
)
def test_minor_units_are_iso_4217_s(code: object, unit: int | None) -> None:
    """Currencies have the decimals of the standard; what isn't a currency with a unit has none."""
    assert minor_unit(code) == unit


@pytest.mark.parametrize(
    "text",
    ["1e3", "NaN", "Infinity", "1,50", " 1", "1 ", "1_000", "", "abc", "\N{FULLWIDTH DIGIT ONE}", "1\n", ".", "9" * 25],
)
def test_what_is_not_plain_digits_is_no_amount(text: str) -> None:
    """Forms that people mistype are refused with the text in question."""
    with pytest.raises(BadInput, match="not a decimal number"):
        parse_decimal(text)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=4))
def test_plain_digits_are_read_exactly(amount: Decimal) -> None:
    """A decimal written in plain digits is read as just that."""
    assert parse_decimal(f"{amount:f}") == amount


@pytest.mark.parametrize(
    ("amount", "currency", "price"),
    [
        ("6.5", "EUR", "6.50"),
        ("6.5000", "EUR", "6.50"),
        ("6.505", "EUR", "6.505"),
        ("700", "JPY", "700"),
        ("7", "KWD", "7.000"),
        ("6.5", "XXX", "6.5"),
        ("6.5", None, "6.5"),
    ],
)
def test_a_price_has_the_decimals_of_its_currency_and_loses_none(amount: str, currency: str | None, price: str) -> None:
    assert str(as_price(Decimal(amount), currency)) == price
