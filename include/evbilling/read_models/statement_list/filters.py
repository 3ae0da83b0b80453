"""The filter and sort order of a list of statements, and their form in an address. Pure: nothing is looked up.

Fields of an address: `type`, `status` (each may be given several times), `period` (`all`: any), `account`, `id`,
`currency`, `sort` (`-` before it: descending), `after` and `before`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import starmap
from urllib.parse import urlencode

from evbilling.errors import BadInput
from evbilling.money import minor_unit, parse_decimal
from evbilling.period import Period

TYPE_LABELS = {"connector": "Account Chargers", "account": "Account Statement", "correction": "Correction"}
# The first letter of a kind's statement ids.
LETTERS = {"connector": "A", "account": "S", "correction": "C"}
# By their names in an address, in the order in which a statement reaches them.
STATUSES = {
    "issued": "Issued",
    "billing-failure": "Billing failure",
    "partly-paid": "Partly paid",
    "paid": "Paid",
    "billing-failure-resolved": "Billing failure (resolved)",
    "paid-manually": "Paid manually",
}
_SLUGS = {label: slug for slug, label in STATUSES.items()}
_TYPES = {label: kind for kind, label in TYPE_LABELS.items()}

# The start of an id: letter, period, number.
_ID = re.compile(r"[ASC](-([0-9]{0,5}|[0-9]{6}(-[0-9]{0,10})?))?")
# From this length on an id names its month.
_ID_WITH_MONTH = len("A-202611")
_MAX_LENGTH = 300
ALL_PERIODS = "all"

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class StatementFilter:
    """Which statements: those that meet every field that isn't empty.

    `kinds` and `statuses`: any of these (`connector`, …; finance's words). `account`: an account's id, or what its id
    or name contains. `search`: what the statement's id begins with.
    """

    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    period: Period | None = None
    account: str = ""
    search: str = ""
    currency: str | None = None

    @classmethod
    def parse(cls, pairs: Pairs, latest: Period | None = None) -> StatementFilter:
        """The filter in an address's pairs of field and value; without a period, the latest.

        An id is searched for in all periods; one that names its month is found there, whatever period is given. Raises
        `BadInput` whose `where` is the field.
        """
        search = _search(last_value(pairs, "id"))
        period = last_value(pairs, "period")
        chosen = _period(period) if period else None
        return cls(
            kinds=several_values(pairs, "type", TYPE_LABELS, dict.fromkeys(TYPE_LABELS) | _TYPES),
            statuses=tuple(
                STATUSES[slug] for slug in several_values(pairs, "status", STATUSES, dict.fromkeys(STATUSES) | _SLUGS)
            ),
            period=None if len(search) >= _ID_WITH_MONTH else chosen if period else None if search else latest,
            account=last_value(pairs, "account"),
            search=search,
            currency=_currency(last_value(pairs, "currency")),
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs that `parse` reads back; always with the period, so that an address keeps its meaning."""
        single = [
            ("period", str(self.period or ALL_PERIODS)),
            ("account", self.account),
            ("id", self.search),
            ("currency", self.currency or ""),
        ]
        return [
            *(("type", kind) for kind in self.kinds),
            *(("status", _SLUGS[status]) for status in self.statuses),
            *((field, value) for field, value in single if value),
        ]

    def query(self) -> str:
        """The filter as the part of an address after its question mark."""
        return urlencode(self.pairs())


def last_value(pairs: Pairs, field: str) -> str:
    """The last value of a field, without blanks around it; raises `BadInput` if it is too long or no text."""
    value = next((value for name, value in reversed(pairs) if name == field), "").strip()
    # What Postgres can't store can't match.
    if not is_text(value) or len(value) > _MAX_LENGTH:
        raise BadInput(
            f"it is longer than {_MAX_LENGTH} characters, or not valid text", where=field, fix="give a shorter text"
        )
    return value


def is_text(value: str) -> bool:
    """True if the warehouse could store it: no NUL and no lone surrogate."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def several_values(pairs: Pairs, field: str, slugs: dict[str, str], known: dict[str, str | None]) -> tuple[str, ...]:
    """The values of a field in the order of `slugs`, each once; `known` also has their labels."""
    found = set()
    for name, value in pairs:
        if name == field and value.strip():
            if value not in known:
                what = f"there is no {field} {value[:50]!r}"
                raise BadInput(what, where=field, fix=f"give one of {', '.join(slugs)}")
            found.add(known[value] or value)
    return tuple(slug for slug in slugs if slug in found)


def _period(text: str) -> Period | None:
    if text == ALL_PERIODS:
        return None
    try:
        return Period.parse(text)
    except BadInput as wrong:
        raise BadInput(wrong.what, where="period", fix=f"{wrong.fix}, or {ALL_PERIODS}") from None


def _search(text: str) -> str:
    if text and not _ID.fullmatch(text.upper()):
        raise BadInput(
            f"no statement's id begins with {text[:50]!r}",
            where="id",
            fix="ids look like A-202611-000042, S-… and C-…; give an id or its beginning",
        )
    return text.upper()


def _currency(text: str) -> str | None:
    if text and minor_unit(text.upper()) is None:
        raise BadInput(f"{text[:50]!r} is no currency", where="currency", fix="give its ISO 4217 code, such as EUR")
    return text.upper() or None


@dataclass(frozen=True, slots=True)
class Sort:
    """The column to sort by, and whether descending. Amounts of different currencies aren't compared: one currency
    comes after the other, in the order of their codes, whichever way amounts are sorted.

    Account statements and corrections, which have no connectors and no balance, come last by these two; sorted by
    balance, last of their currency.
    """

    by: str = "statement"
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Sort:
        """`total`, or `-total` for descending; empty: by statement. Raises `BadInput`."""
        by = text.removeprefix("-") or "statement"
        if by not in SORTS:
            raise BadInput(f"{text[:50]!r} can't be sorted by", where="sort", fix=f"give one of {', '.join(SORTS)}")
        return cls(by, text.startswith("-"))

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.by}"

    @property
    def types(self) -> tuple[type, ...]:
        """The types of the sort keys, before the statement's id."""
        return SORTS[self.by]

    @property
    def is_of_money(self) -> bool:
        """True if it sorts by amounts, so one currency after the other."""
        return Decimal in self.types


SORTS: dict[str, tuple[type, ...]] = {
    "statement": (),
    "period": (str,),
    "account": (str,),
    "connectors": (int,),
    "total": (Decimal,),
    "balance": (Decimal,),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a sorted list: the row with these values. `rank` 1: it has no value to sort by."""

    rank: int
    values: tuple[str | int | Decimal, ...]
    statement_id: str

    def token(self, sort: Sort) -> str:
        """The place in an address; only for the same sort order."""
        values = [format(value, "f") if isinstance(value, Decimal) else value for value in self.values]
        text = json.dumps([str(sort), self.rank, *values, self.statement_id], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, sort: Sort) -> Place:
        """The place of `token`; raises `BadInput` if it is none, or one of another sort order."""
        try:
            fields = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            by, rank, *given, statement_id = fields
            values = tuple(starmap(_value, zip(given, sort.types, strict=True)))
            if by != str(sort) or rank not in {0, 1} or not isinstance(statement_id, str) or not is_text(statement_id):
                raise ValueError
        except (ValueError, TypeError, RecursionError, BadInput):
            raise BadInput(
                "this place doesn't exist in the list as it is sorted now", where="after", fix="begin at the first page"
            ) from None
        return cls(rank, values, statement_id)


def _value(given: object, kind: type) -> str | int | Decimal:
    """A sort key of a place; raises `ValueError` or `BadInput` if it can't be one."""
    if kind is Decimal and isinstance(given, str) and len(given) <= _MAX_LENGTH:
        return parse_decimal(given)
    if kind is int and type(given) is int and abs(given) < 2**31:
        return given
    if kind is str and isinstance(given, str) and is_text(given):
        return given
    raise ValueError
