"""The gateway's units: what it takes for every currency, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from evbilling.errors import BadInput
from evbilling.payments.gateway.amounts import chargeable_step, from_gateway, to_gateway

CURRENCIES = sorted(currency.code for currency in Currency if currency.exponent is not None)


@pytest.mark.parametrize(
    ("currency", "minor", "units"),
    [
        ("EUR", 1234, 1234),
        ("USD", 50, 50),
        ("JPY", 500, 500),
        ("KRW", 500, 500),
        ("ISK", 500, 50_000),
        ("UGX", 500, 50_000),
        ("MGA", 500_00, 500),
        ("BHD", 1_230, 1_230),
        ("KWD", 1_230, 1_230),
    ],
)
def test_units_of_the_gateway(currency: str, minor: int, units: int) -> None:
    assert to_gateway(minor, currency) == units
    assert from_gateway(units, currency) == minor


@given(st.sampled_from(CURRENCIES), st.integers(0, 10**12))
def test_round_trip_over_every_currency(currency: str, steps: int) -> None:
    minor = steps * chargeable_step(currency)
    assert from_gateway(to_gateway(minor, currency), currency) == minor


@given(st.sampled_from(["BHD", "JOD", "KWD", "OMR", "TND", "MGA"]), st.integers(1, 10**9))
def test_what_is_no_multiple_of_the_step_is_refused(currency: str, minor: int) -> None:
    step = chargeable_step(currency)
    if minor % step == 0:
        assert to_gateway(minor, currency) > 0
        return
    with pytest.raises(BadInput, match=f"multiples of {step} only"):
        to_gateway(minor, currency)


def test_steps() -> None:
    assert {code: chargeable_step(code) for code in CURRENCIES if chargeable_step(code) != 1} == {
        **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 10),
        "MGA": 100,
    }


def test_a_part_of_a_krona_is_refused() -> None:
    with pytest.raises(BadInput, match="50001 hundredths of ISK"):
        from_gateway(50_001, "ISK")


@pytest.mark.parametrize("currency", ["eur", "XXX", ""])
def test_no_currency_in_use(currency: str) -> None:
    for convert in (to_gateway, from_gateway):
        with pytest.raises(BadInput, match="isn't a currency in use"):
            convert(100, currency)
