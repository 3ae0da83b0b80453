"""The list of statements besides its rows: the filter in its address, tabs, and totals by currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import starmap
from typing import Any, Generic, Protocol, Self, TypeVar
from urllib.parse import urlencode

import psycopg

from evbilling.csv_output import CSV_FORMS
from evbilling.errors import BadInput
from evbilling.payments.actions import ActionFacts
from evbilling.payments.due import WhoActs
from evbilling.period import Period
from evbilling.read_models.due import Figure
from evbilling.read_models.statement_list import (
    STATUSES,
    TYPE_LABELS,
    ListedStatement,
    Sort,
    StatementFilter,
    Totals,
    count_statuses,
)

PAGE_SIZES = (50, 100, 250)
_FIELDS = ("type", "status", "period", "account", "id", "currency")


class Filter(Protocol):
    """What a list is filtered by."""

    def pairs(self) -> list[tuple[str, str]]:
        """The filter as pairs of an address."""
        ...


F = TypeVar("F", bound=Filter)
S = TypeVar("S", bound=Sort)


@dataclass
class Address(Generic[F, S]):
    """What a list's address says: filter, sorting, position, page size, and errors by field."""

    pairs: Sequence[tuple[str, str]]
    wanted: F
    sort: S
    after: str | None = None
    before: str | None = None
    rows: int = PAGE_SIZES[0]
    csv: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        pairs: Sequence[tuple[str, str]],
        fields: Iterable[str],
        parse: Callable[[Sequence[tuple[str, str]]], F],
        parse_sort: Callable[[str], S],
    ) -> Self:
        """Read the address field by field, so that an invalid field doesn't affect the others."""
        known = (*fields, "sort", "rows", "csv", "after", "before")
        address = cls([(name, value) for name, value in pairs if name in known], parse([]), parse_sort(""))
        good = list(address.pairs)
        for name in known:
            try:
                parse([pair for pair in good if pair[0] == name])
                if name == "sort":
                    address.sort = parse_sort(address.text("sort"))
            except BadInput as wrong:
                address.note(wrong)
                good = [pair for pair in good if pair[0] != name]
        address.wanted = parse(good)
        address.after, address.before = address.text("after") or None, address.text("before") or None
        address.rows = next((rows for rows in PAGE_SIZES if str(rows) == address.text("rows")), PAGE_SIZES[0])
        address.csv = address.text("csv") if address.text("csv") in CSV_FORMS else ""
        return address

    def note(self, wrong: BadInput) -> None:
        """Note an error beside its field."""
        text = f"{wrong.what}; {wrong.fix}." if wrong.fix else f"{wrong.what}."
        self.errors[wrong.where or "sort"] = text[:1].upper() + text[1:]

    def text(self, name: str) -> str:
        """A field as it was typed."""
        return next((value for field_, value in reversed(self.pairs) if field_ == name), "").strip()

    def query(self, **changes: str | None) -> str:
        """The query of the same list with some fields changed, from its first page."""
        given = {
            "sort": str(self.sort) if self.sort != type(self.sort)() else None,
            "rows": str(self.rows) if self.rows != PAGE_SIZES[0] else None,
            "csv": self.csv if self.csv != "comma" else None,
        } | changes
        return urlencode([*self.wanted.pairs(), *((name, value) for name, value in given.items() if value)])

    def sorted_by(self, first: str) -> tuple[str, str | None]:
        """The sorting that a column's head leads to, and how it is sorted now (for `aria-sort`)."""
        if first.removeprefix("-") != self.sort.by:
            return first, None
        turned = type(self.sort)(self.sort.by, not self.sort.descending)
        return str(turned), "descending" if self.sort.descending else "ascending"


class ListAddress(Address[StatementFilter, Sort]):
    """The address of the list of statements."""

    @classmethod
    def read(cls, pairs: Sequence[tuple[str, str]], latest: Period | None) -> ListAddress:
        """The address, as `Address.of`; without a period it means the latest."""
        return cls.of(pairs, _FIELDS, partial(StatementFilter.parse, latest=latest), Sort.parse)

    @property
    def is_narrowed(self) -> bool:
        """True if a filter other than the period is set."""
        return self.wanted != StatementFilter(period=self.wanted.period)

    @property
    def tab_query(self) -> str | None:
        """The query of the tab that shows this list; None if there is none."""
        statuses = self.wanted.statuses
        is_tab = len(statuses) == 1 and self.wanted == StatementFilter(statuses=statuses)
        return status_query(statuses[0]) if is_tab else None


@dataclass(frozen=True, slots=True)
class Tab:
    """A list that is one click away: its words, the query of its address below `path`, and how many it has."""

    words: str
    path: str
    query: str
    count: int


def tabs_of(connection: psycopg.Connection[Any], figures: Sequence[Figure]) -> list[Tab]:
    """What is due, by who has to act, then connector statements by status; of all months."""
    by_who = Counter[WhoActs]()
    for figure in figures:
        by_who[figure.reason.who_acts] += figure.statements
    by_status = count_statuses(connection)
    return [
        Tab("Due", "/due", "", by_who.total()),
        *(Tab(WHO_TABS[who], "/due", urlencode({"who": who}), by_who[who]) for who in WhoActs),
        *(
            Tab(label, "/statements", status_query(label), by_status[label])
            for label in STATUSES.values()
            if by_status.get(label)
        ),
    ]


def status_query(status: str) -> str:
    """The query of the list of all months' statements in this status."""
    return StatementFilter(statuses=(status,)).query()


WHO_TABS = {WhoActs.US: "We act", WhoActs.CUSTOMER: "Customer acts", WhoActs.NOBODY: "Goes on by itself"}


def action_facts(row: ListedStatement) -> ActionFacts:
    """The facts of a row that decide which actions are available."""
    # Only whether a payment can be undone matters here, not how many.
    return ActionFacts(
        row.kind,
        row.currency,
        row.balance,
        row.is_under_way,
        int(row.is_marked_as_paid),
        row.unaccounted_payment,
        int(row.is_returned),
        int(row.is_written_off),
        int((row.paid or 0) > 0),
    )


@dataclass(frozen=True, slots=True)
class CurrencyTotals:
    """Totals of all matching statements in one currency, by type."""

    currency: str
    lines: list[Totals]

    @property
    def has_balance(self) -> bool:
        """True if there are connector statements: only they have a balance."""
        return any(line.kind == "connector" for line in self.lines)

    @property
    def balance(self) -> Decimal:
        """The balance due on the connector statements."""
        return sum((line.balance for line in self.lines), Decimal(0))


def totals_by_currency(totals: Iterable[Totals]) -> list[CurrencyTotals]:
    """Totals grouped by currency, connector statements first."""
    groups: dict[str, list[Totals]] = {}
    order = list(TYPE_LABELS)
    for line in sorted(totals, key=lambda line: (line.currency, order.index(line.kind))):
        groups.setdefault(line.currency, []).append(line)
    return list(starmap(CurrencyTotals, groups.items()))
