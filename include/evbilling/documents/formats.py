"""Amounts, days and instants as a locale of `evbilling.languages` writes them (`de_CH`). Pure."""

from __future__ import annotations

import copy
import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import NumberPattern, format_decimal

from evbilling.languages import babel_locale
from evbilling.money import minor_unit
from evbilling.period import Period, is_time_zone

_CODE_BEFORE_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")


def money(amount: Decimal, currency: str, locale: str) -> str:
    """`amount`, in major units, with its currency and exactly the currency's decimals (ISO 4217): `1.234,50 €`."""
    pattern = _money_pattern(locale, _decimals(amount, currency))
    shown = str(pattern.apply(amount, babel_locale(locale), currency=currency, currency_digits=False))
    # Babel leaves out the blank that CLDR wants after a code in letters.
    return _CODE_BEFORE_DIGIT.sub("\u00a0", shown)


def amount(amount: Decimal, currency: str, locale: str) -> str:
    """As `money`, without the currency's sign, for columns below a heading that names it: `1.234,50`."""
    return str(_number_pattern(locale, _decimals(amount, currency)).apply(amount, babel_locale(locale)))


def number(count: int, locale: str) -> str:
    """A whole number in groups: `1.234`."""
    return format_decimal(count, locale=babel_locale(locale))


def percent(rate: Decimal, locale: str) -> str:
    """A rate as percent with the decimals that it needs and no others: 0.19 is `19 %`, 0.0825 is `8,25 %`."""
    exponent = (rate * 100).normalize().as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    pattern = copy.copy(babel_locale(locale).percent_formats[None])
    pattern.frac_prec = (decimals, decimals)
    return str(pattern.apply(rate, babel_locale(locale)))


def day(on: date, locale: str) -> str:
    """A calendar day: `01.11.2026`, `Nov 1, 2026`, `1 nov. 2026`."""
    return format_date(on, "medium", locale=babel_locale(locale))


def day_of(at: datetime, time_zone: str, locale: str) -> str:
    """The calendar day of an instant in `time_zone`."""
    return day(at.astimezone(_zone(time_zone)).date(), locale)


def month(period: Period | str, locale: str) -> str:
    """A billing period: `November 2026`, `novembre 2026`."""
    parsed = Period.parse(period) if isinstance(period, str) else period
    return format_skeleton("yMMMM", parsed.first_day, locale=babel_locale(locale))


def instant(at: datetime, time_zone: str, locale: str) -> str:
    """An instant as the clocks of `time_zone` show it: `01.11.2026, 00:00 (Europe/Berlin)`.

    A zone that isn't known any more is shown as UTC.
    """
    zone = _zone(time_zone)
    local = at.astimezone(zone)
    parsed = babel_locale(locale)
    joined = str(parsed.datetime_formats["medium"])
    text = joined.replace("{1}", format_date(local, "medium", locale=parsed)).replace(
        "{0}", format_time(local, "short", tzinfo=zone, locale=parsed)
    )
    return f"{text} ({zone.key})"


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if is_time_zone(name) else "UTC")


def _decimals(amount: Decimal, currency: str) -> int:
    known = minor_unit(currency)
    if known is not None:
        return known
    # A currency that ISO has dropped since: amounts still carry the decimals that they were issued with.
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@lru_cache(maxsize=2048)
def _money_pattern(locale: str, decimals: int) -> NumberPattern:
    return _with_decimals(babel_locale(locale).currency_formats["standard"], decimals)


@lru_cache(maxsize=2048)
def _number_pattern(locale: str, decimals: int) -> NumberPattern:
    return _with_decimals(babel_locale(locale).decimal_formats[None], decimals)


def _with_decimals(pattern: NumberPattern, decimals: int) -> NumberPattern:
    # Babel's own decimals of a currency are those of daily use, not ISO's: none for the Hungarian forint, say.
    changed = copy.copy(pattern)
    changed.frac_prec = (decimals, decimals)
    return changed


def charger_name(charger_id: str, name: str | None) -> str:
    """What a charger is called, and its id; the id alone without a name."""
    return f"{name} · {charger_id}" if name else charger_id
