"""What somebody saw when they decided, beside what is true by now."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from evbilling.errors import BadInput
from evbilling.payments.actions.expected import (
    is_as_expected,
    parse_totals,
    require_as_expected,
    total_by_currency,
    totals_text,
)

EUR = {"EUR": Decimal("19.04")}


def test_totals_are_summed_by_currency() -> None:
    """Exactly, in order of the currencies."""
    amounts = [(Decimal("0.10"), "USD"), (Decimal("0.20"), "EUR"), (Decimal("0.20"), "USD")]
    assert list(total_by_currency(amounts).items()) == [("EUR", Decimal("0.20")), ("USD", Decimal("0.30"))]
    assert total_by_currency([]) == {}


@pytest.mark.parametrize("value", ["19.04", 19.04, "19.040"])
def test_totals_are_read_as_written(value: object) -> None:
    """As text or as a JSON number, which is a float by then."""
    assert parse_totals({"EUR": value}, "here") == EUR


def test_no_totals_are_no_totals() -> None:
    """Nothing expected is not the same as nothing due."""
    assert parse_totals(None, "here") is None
    assert parse_totals({}, "here") == {}


@pytest.mark.parametrize("written", [{"EUR": "19.045"}, {"eur": "1"}, {"EUR": "-1"}, {"EUR": "NaN"}, {"EUR": None}])
def test_what_is_no_total_is_refused(written: dict[str, Any]) -> None:
    """Too many decimals, no currency, below zero, no number."""
    with pytest.raises(BadInput):
        parse_totals(written, "here")


@pytest.mark.parametrize(
    ("expected", "due", "agrees"),
    [
        (None, EUR, True),
        (EUR, {"EUR": Decimal("19.0400")}, True),
        (EUR | {"USD": Decimal(0)}, EUR, True),
        ({}, {"EUR": Decimal(0)}, True),
        (EUR, {"EUR": Decimal("19.05")}, False),
        (EUR, {"USD": Decimal("19.04")}, False),
        (EUR, EUR | {"USD": Decimal(1)}, False),
        ({}, EUR, False),
        (EUR, {}, False),
    ],
)
def test_only_the_very_same_is_as_expected(expected: Any, due: Any, agrees: bool) -> None:
    """In every currency, to the last digit; and a refusal says both figures."""
    assert is_as_expected(expected, due) is agrees
    if agrees:
        require_as_expected(expected, due, "here")
    else:
        with pytest.raises(BadInput) as caught:
            require_as_expected(expected, due, "here", ["one row"])
        assert f"{totals_text(expected)} was expected to be due, {totals_text(due)} is due now\n  one row" in str(
            caught.value
        )
