"""The chart of accounts, a TOML file: which account of the books each of the ledger's is. Pure but for reading it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from evbilling.errors import BadInput
from evbilling.money import minor_unit, parse_decimal
from evbilling.period import is_time_zone

LEDGER_ACCOUNTS = ("receivable", "revenue", "tax", "cash", "paid_outside", "goodwill", "written_off")

# Numbers as in SKR 03, for accounts that take no automatic tax; DATEV's smallest consultant and client.
DEFAULT_CHART = """\
# Which account of the books each account of the ledger is. Load it with: evbilling journal load-chart FILE.toml
# An account may be given several times, for a currency and a tax_rate ("0.19"): the one that says most counts.
#   name    hledger, beancount, QuickBooks
#   number  DATEV, Xero
# May be added: datev_key (BU-Schlüssel), xero_tax (the name of a tax rate in Xero).
time_zone = "UTC"

[[account]]
ledger = "receivable"
number = "1410"
name = "Assets:Receivable"

[[account]]
ledger = "revenue"
number = "8200"
name = "Income:Connector-Fees"

[[account]]
ledger = "tax"
number = "1770"
name = "Liabilities:Tax"

[[account]]
ledger = "cash"
number = "1360"
name = "Assets:Payment-Gateway"

[[account]]
ledger = "paid_outside"
number = "1370"
name = "Assets:Paid-Outside"

[[account]]
ledger = "goodwill"
number = "8700"
name = "Income:Goodwill"

[[account]]
ledger = "written_off"
number = "2400"
name = "Expenses:Written-Off"

[datev]
consultant = 1001
client = 1
account_length = 4
fiscal_year_begins = 1
currency = "EUR"

# Units of a currency for one of the books' own; a currency without a rate gets files in itself.
[datev.rates]
"""

_NAME = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")
_NUMBER = re.compile(r"[A-Za-z0-9.-]{1,10}")
_KEY = re.compile(r"[0-9]{1,4}")
_FIELDS = {"ledger", "number", "name", "currency", "tax_rate", "datev_key", "xero_tax"}
_HIGHEST_RATE = 10_000


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """What an account of the ledger is in the books, for all amounts or those of a `currency` and a `tax_rate`."""

    ledger: str
    number: str
    name: str
    currency: str | None = None
    tax_rate: Decimal | None = None
    datev_key: str = ""
    xero_tax: str = "Tax Exempt"

    @property
    def _says(self) -> tuple[bool, bool]:
        return self.tax_rate is not None, self.currency is not None

    def _is_of(self, ledger: str, currency: str, tax_rate: Decimal) -> bool:
        return (
            self.ledger == ledger
            and self.currency in {None, currency}
            and (self.tax_rate is None or self.tax_rate == tax_rate)
        )


@dataclass(frozen=True, slots=True)
class Datev:
    """The header of a DATEV file. `rates`: units of a currency for one of `currency`."""

    consultant: int = 1001
    client: int = 1
    account_length: int = 4
    fiscal_year_begins: int = 1
    currency: str = "EUR"
    rates: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of accounts, and the time zone whose days the books have; without `datev` there is no DATEV file."""

    accounts: tuple[LedgerAccount, ...]
    time_zone: str = "UTC"
    datev: Datev | None = None

    def account(self, ledger: str, currency: str, tax_rate: Decimal) -> LedgerAccount:
        """What `ledger` is for such an amount: of the accounts that it is of, the one that says most.

        Raises `BadInput` if the chart has none.
        """
        able = [one for one in self.accounts if one._is_of(ledger, currency, tax_rate)]
        if not able:
            raise BadInput(
                f"{ledger} in {currency} at a tax rate of {tax_rate.normalize():f} is no account of the books",
                where="chart of accounts",
                fix=f'add an [[account]] with ledger = "{ledger}", and load the chart',
            )
        return max(able, key=lambda one: one._says)


def read_chart(path: Path) -> str:
    """The text of the chart's file, once it is valid; raises `BadInput`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"can't be read: {error.strerror}", where=str(path), fix="check the file's name") from None
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8", where=str(path), fix="save the file as UTF-8") from None
    parse_chart(text, where=str(path))
    return text


@cache
def parse_chart(text: str, where: str = "chart of accounts") -> Chart:
    """The chart that the text of its file says; raises `BadInput` for the first thing that is wrong."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"is no TOML: {error}", where=where, fix="correct it") from None
    check = _Check(where)
    check.names(given, {"time_zone", "account", "datev"}, "the file")
    zone = given.get("time_zone", "UTC")
    check.that(is_time_zone(zone), f"time_zone: {zone!r} is not an IANA time zone", "use a name such as Europe/Berlin")
    rows = given.get("account", [])
    check.that(
        isinstance(rows, list) and all(isinstance(row, dict) for row in rows),
        "account is no list of tables",
        "write each as [[account]]",
    )
    accounts = tuple(_account(row, check) for row in rows)
    seen = [(one.ledger, one.currency, one.tax_rate) for one in accounts]
    for one in seen:
        check.that(seen.count(one) == 1, f"{one[0]} is given twice for the same amounts", "keep one")
    for name in LEDGER_ACCOUNTS:
        check.that(
            any(one.ledger == name for one in accounts),
            f"{name}, an account of the ledger, is missing",
            f'add an [[account]] with ledger = "{name}"',
        )
    return Chart(accounts, zone, _datev(given["datev"], accounts, check) if "datev" in given else None)


@dataclass(frozen=True, slots=True)
class _Check:
    where: str

    def that(self, is_so: bool, what: str, fix: str) -> None:
        if not is_so:
            raise BadInput(what, where=self.where, fix=fix)

    def names(self, given: Any, known: Iterable[str], of: str) -> None:
        self.that(isinstance(given, dict), f"{of} is no table", "write it as in evbilling journal chart")
        for name in given:
            self.that(name in known, f"{of} has {name!r}", f"give at most {', '.join(sorted(known))}")


def _account(row: dict[str, Any], check: _Check) -> LedgerAccount:
    of = f"account {row.get('ledger', '')}".strip()
    check.names(row, _FIELDS, of)
    for name, value in row.items():
        check.that(isinstance(value, str), f"{of}: {name} is {value!r}", f'write it in quotes: {name} = "{value}"')
    check.that(row.get("ledger") in LEDGER_ACCOUNTS, f"{of} is none of the ledger", f"use {', '.join(LEDGER_ACCOUNTS)}")
    check.that(
        _NUMBER.fullmatch(row.get("number", "")) is not None,
        f"{of}: number is {row.get('number', '')!r}",
        "give up to 10 letters and digits",
    )
    check.that(
        _NAME.fullmatch(row.get("name", "")) is not None,
        f"{of}: name is {row.get('name', '')!r}",
        "begin with Assets, Liabilities, Equity, Income or Expenses, then a colon and a word, as Assets:Receivable",
    )
    check.that(
        "currency" not in row or minor_unit(row["currency"]) is not None, f"{of}: no such currency", "use ISO 4217"
    )
    key = row.get("datev_key", "")
    check.that(not key or _KEY.fullmatch(key) is not None, f"{of}: datev_key is {key!r}", "give up to 4 digits")
    try:
        rate = parse_decimal(row["tax_rate"]) if "tax_rate" in row else None
    except BadInput as error:
        raise BadInput(f"{of}: tax_rate: {error.what}", where=check.where, fix="write 19 % as 0.19") from None
    return LedgerAccount(**{**row, "tax_rate": rate})


def _datev(given: Any, accounts: tuple[LedgerAccount, ...], check: _Check) -> Datev:
    check.names(given, Datev.__dataclass_fields__, "datev")
    limits = {
        "consultant": (1001, 9_999_999),
        "client": (1, 99_999),
        "account_length": (4, 8),
        "fiscal_year_begins": (1, 12),
    }
    for name, (least, most) in limits.items():
        value = given.get(name, least)
        check.that(
            type(value) is int and least <= value <= most,
            f"datev: {name} is {value!r}",
            f"give a whole number from {least} to {most}",
        )
    longest = given.get("account_length", 4)
    for one in accounts:
        check.that(
            one.number.isdigit() and len(one.number) <= longest,
            f"account {one.ledger}: number is {one.number!r}, and DATEV's have up to {longest} digits",
            "give another number or account_length, or leave [datev] out",
        )
    currency = given.get("currency", "EUR")
    check.that(minor_unit(currency) is not None, f"datev: no such currency as {currency!r}", "use ISO 4217")
    rates = given.get("rates", {})
    check.that(isinstance(rates, dict), "datev.rates is no table", "write it as [datev.rates]")
    found = {name: _rate(name, value, check) for name, value in rates.items()}
    return Datev(**{**given, "rates": found})


def _rate(currency: str, value: object, check: _Check) -> Decimal:
    where = f"datev.rates: {currency}"
    check.that(minor_unit(currency) is not None, f"{where} is no currency", "use ISO 4217")
    check.that(isinstance(value, str), f"{where} is {value!r}", f'write it in quotes: {currency} = "1.0832"')
    try:
        rate = parse_decimal(str(value))
    except BadInput as error:
        raise BadInput(f"{where}: {error.what}", where=check.where, fix="write it as 1.0832") from None
    check.that(
        1 <= rate < _HIGHEST_RATE and rate == round(rate, 6),
        f"{where} is {value}",
        "DATEV takes rates from 1 to 9999.999999; leave it out, and give it in DATEV",
    )
    return rate
