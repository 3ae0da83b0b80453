"""Amounts, days and instants as the account's country writes them. Pure; a locale is named as Babel does (`de_DE`).

Texts of a right-to-left country are wrapped in Unicode isolates, so that they read right inside English.
"""

from __future__ import annotations

import copy
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import NumberPattern, format_decimal

from evbilling.money import minor_unit
from evbilling.period import Period, is_time_zone

# English as it is read anywhere: 1 Nov 2026, €1,234.50.
FALLBACK = "en_001"


@lru_cache(maxsize=512)
def locale_of(country: str | None) -> str:
    """The locale of `country`'s most spoken language; `FALLBACK` if the country is missing, unknown or has none.

    `country` is what the platform has: an ISO 3166 code of two letters or three, in any case.
    """
    code = (country or "").strip().upper()
    # Such a code would be a language or a region of the world to Babel.
    if len(code) not in {2, 3} or not (code.isascii() and code.isalpha()):
        return FALLBACK
    # Old and three-letter codes have an alias; a country that was split up has several.
    alias = get_global("territory_aliases").get(code, [code])[0]
    try:
        locale = Locale.parse(f"und_{alias}")
    except (UnknownLocaleError, ValueError):
        return FALLBACK
    return str(locale) if locale.territory == alias else FALLBACK


def money(amount: Decimal, currency: str, locale: str) -> str:
    """`amount`, in major units, with its currency and exactly the currency's decimals (ISO 4217): `1.234,50 €`."""
    pattern = _money_pattern(locale, _decimals(amount, currency))
    return _isolated(str(pattern.apply(amount, _parsed(locale), currency=currency, currency_digits=False)), locale)


def amount(amount: Decimal, currency: str, locale: str) -> str:
    """As `money`, without the currency's sign, for columns below a heading that names it: `1.234,50`."""
    return str(_number_pattern(locale, _decimals(amount, currency)).apply(amount, _parsed(locale)))


def number(count: int, locale: str) -> str:
    """A whole number in groups: `1.234`."""
    return format_decimal(count, locale=_parsed(locale))


def percent(rate: Decimal, locale: str) -> str:
    """A rate as percent with the decimals that it needs and no others: 0.19 is `19 %`, 0.0825 is `8,25 %`."""
    exponent = (rate * 100).normalize().as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    pattern = copy.copy(_parsed(locale).percent_formats[None])
    pattern.frac_prec = (decimals, decimals)
    return str(pattern.apply(rate, _parsed(locale)))


def day(on: date, locale: str) -> str:
    """A calendar day: `01.11.2026`, `Nov 1, 2026`, `1 nov. 2026`."""
    return _isolated(format_date(on, "medium", locale=_parsed(locale)), locale)


def day_of(at: datetime, time_zone: str, locale: str) -> str:
    """The calendar day of an instant in `time_zone`."""
    return day(at.astimezone(_zone(time_zone)).date(), locale)


def month(period: Period | str, locale: str) -> str:
    """A billing period: `November 2026`, `2026年11月`."""
    parsed = Period.parse(period) if isinstance(period, str) else period
    return _isolated(format_skeleton("yMMMM", parsed.first_day, locale=_parsed(locale)), locale)


def instant(at: datetime, time_zone: str, locale: str) -> str:
    """An instant as the clocks of `time_zone` show it: `01.11.2026, 00:00 (Europe/Berlin)`.

    A zone that isn't known any more is shown as UTC.
    """
    zone = _zone(time_zone)
    local = at.astimezone(zone)
    parsed = _parsed(locale)
    joined = str(parsed.datetime_formats["medium"])
    text = joined.replace("{1}", format_date(local, "medium", locale=parsed)).replace(
        "{0}", format_time(local, "short", tzinfo=zone, locale=parsed)
    )
    return f"{_isolated(text, locale)} ({zone.key})"


def is_right_to_left(locale: str) -> bool:
    """True if the locale's language is written from right to left."""
    return _parsed(locale).text_direction == "rtl"


def _isolated(text: str, locale: str) -> str:
    return f"\u2067{text}\u2069" if is_right_to_left(locale) else text


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if is_time_zone(name) else "UTC")


@lru_cache(maxsize=512)
def _parsed(locale: str) -> Locale:
    try:
        return Locale.parse(locale)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(FALLBACK)


def _decimals(amount: Decimal, currency: str) -> int:
    known = minor_unit(currency)
    if known is not None:
        return known
    # A currency that ISO has dropped since: amounts still carry the decimals that they were issued with.
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@lru_cache(maxsize=2048)
def _money_pattern(locale: str, decimals: int) -> NumberPattern:
    return _with_decimals(_parsed(locale).currency_formats["standard"], decimals)


@lru_cache(maxsize=2048)
def _number_pattern(locale: str, decimals: int) -> NumberPattern:
    return _with_decimals(_parsed(locale).decimal_formats[None], decimals)


def _with_decimals(pattern: NumberPattern, decimals: int) -> NumberPattern:
    # Babel's own decimals of a currency are those of daily use, not ISO's: none for the Hungarian forint, say.
    changed = copy.copy(pattern)
    changed.frac_prec = (decimals, decimals)
    return changed
