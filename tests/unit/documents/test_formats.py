"""Amounts and dates as a country writes them."""

from __future__ import annotations

import string
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from evbilling.documents import formats
from evbilling.languages import FALLBACK
from evbilling.money import from_minor

NBSP, NARROW, APOSTROPHE = "\u00a0", "\u202f", "\u2019"


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "shown"),
    [
        ("1234.50", "EUR", "de_DE", f"1.234,50{NBSP}€"),
        ("1234.50", "USD", "en_US", "$1,234.50"),
        ("1234.50", "EUR", "fr_FR", f"1{NARROW}234,50{NBSP}€"),
        ("-5.95", "EUR", FALLBACK, "-€5.95"),
        ("5355", "JPY", "en_JP", "JP¥5,355"),
        ("1.25", "KWD", "en_US", f"KWD{NBSP}1.250"),
        ("12", "HUF", "en_HU", f"HUF{NBSP}12.00"),
        ("12", "ISK", "en_001", f"ISK{NBSP}12"),
        ("3.125", "KWD", "en_KW", f"KWD{NBSP}3.125"),
        ("1234.50", "CHF", "de_CH", f"CHF{NBSP}1{APOSTROPHE}234.50"),
        ("12345.50", "EUR", "pt_PT", f"12{NBSP}345,50{NBSP}€"),
        ("12345.50", "BRL", "pt_BR", f"R${NBSP}12.345,50"),
    ],
)
def test_money_has_exactly_the_decimals_of_its_currency(amount: str, currency: str, locale: str, shown: str) -> None:
    """ISO 4217's decimals, whatever is usual day to day; signs and groups are the country's."""
    assert formats.money(Decimal(amount), currency, locale) == shown


@given(
    minor=st.integers(-(10**15), 10**15),
    currency=st.sampled_from([c for c in Currency if c.exponent is not None]),
    locale=st.sampled_from(["de_DE", "en_US", "fr_FR", "es_ES", "it_CH", "nl_NL", "pt_PT", "de_CH", "en_IN", FALLBACK]),
)
def test_no_amount_is_rounded_or_loses_digits(minor: int, currency: Currency, locale: str) -> None:
    """The digits of every amount are those of its minor units, with and without the currency's sign."""
    unit = currency.exponent or 0
    value = from_minor(minor, unit)
    for shown in (formats.money(value, currency.code, locale), formats.amount(value, currency.code, locale)):
        digits = "".join(c for c in shown if c in string.digits)
        assert digits == str(abs(minor)).rjust(unit + 1, "0")
        assert ("-" in shown or "\u2212" in shown) == (minor < 0)


def test_nothing_deprecated_is_called() -> None:
    """A library's warning would come up in every task."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        formats.money(Decimal("1.00"), "EUR", "de_AT")
        formats.amount(Decimal("1.00"), "EUR", "de_AT")
        formats.percent(Decimal("0.19"), "de_AT")
        formats.month("2026-11", "de_AT")


def test_percent_shows_the_decimals_that_it_needs() -> None:
    """A tax rate is never rounded."""
    assert formats.percent(Decimal("0.190000"), "de_DE") == f"19{NBSP}%"
    assert formats.percent(Decimal("0.0825"), "en_US") == "8.25%"
    assert formats.percent(Decimal("0.081234"), "en_US") == "8.1234%"
    assert formats.percent(Decimal(0), "en_US") == "0%"
    assert formats.percent(Decimal("0.2"), "en_US") == "20%"


def test_days_months_and_numbers() -> None:
    """As the language and the country write them, in one form."""
    assert formats.day(date(2026, 11, 1), "de_DE") == "01.11.2026"
    assert formats.day(date(2026, 11, 1), "en_US") == "Nov 1, 2026"
    assert formats.day(date(2026, 11, 1), "en_KW") == "1 Nov 2026"
    assert formats.month("2026-11", "de_DE") == "November 2026"
    assert formats.month("2026-11", "en_JP") == "November 2026"
    assert formats.month("2026-11", "pt_BR") == "novembro de 2026"
    assert formats.number(1234567, "de_DE") == "1.234.567"


def test_instants_are_shown_by_the_clocks_of_the_account() -> None:
    """An instant late in the month is the next day in the east; a zone that is no more is UTC, and says so."""
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert formats.instant(late, "Europe/Berlin", "de_DE") == "01.11.2026, 00:30 (Europe/Berlin)"
    assert formats.instant(late, "Europe/Berlin", "de_DE") == "01.11.2026, 00:30 (Europe/Berlin)"
    assert formats.instant(late, "Mars/Olympus", "en_GB") == "31 Oct 2026, 23:30 (UTC)"
    assert formats.day_of(late, "Asia/Tokyo", "de_DE") == "01.11.2026"
    assert formats.day_of(late, "America/New_York", "de_DE") == "31.10.2026"
