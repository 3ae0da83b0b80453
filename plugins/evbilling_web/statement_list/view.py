"""The list of statements besides its rows: the filter in its address, and totals by currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import starmap
from urllib.parse import urlencode

from evbilling.errors import BadInput
from evbilling.payments.actions import ActionFacts
from evbilling.period import Period
from evbilling.read_models.statement_list import TYPE_LABELS, ListedStatement, Sort, StatementFilter, Totals

PAGE_SIZES = (50, 100, 250)
_FIELDS = ("type", "status", "period", "account", "id", "currency", "sort", "rows", "after", "before")


@dataclass
class ListAddress:
    """What the list's address says: filter, sorting, position, page size, and errors by field."""

    pairs: Sequence[tuple[str, str]]
    wanted: StatementFilter = field(default_factory=StatementFilter)
    sort: Sort = field(default_factory=Sort)
    after: str | None = None
    before: str | None = None
    rows: int = PAGE_SIZES[0]
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, pairs: Sequence[tuple[str, str]], latest: Period | None) -> ListAddress:
        """Read the address field by field, so that an invalid field doesn't affect the others."""
        address = cls([(name, value) for name, value in pairs if name in _FIELDS])
        good = list(address.pairs)
        for name in _FIELDS:
            try:
                StatementFilter.parse([pair for pair in good if pair[0] == name])
                if name == "sort":
                    address.sort = Sort.parse(address.text("sort"))
            except BadInput as wrong:
                address.note(wrong)
                good = [pair for pair in good if pair[0] != name]
        address.wanted = StatementFilter.parse(good, latest)
        address.after, address.before = address.text("after") or None, address.text("before") or None
        address.rows = next((rows for rows in PAGE_SIZES if str(rows) == address.text("rows")), PAGE_SIZES[0])
        return address

    def note(self, wrong: BadInput) -> None:
        """Note an error beside its field."""
        text = f"{wrong.what}; {wrong.fix}." if wrong.fix else f"{wrong.what}."
        self.errors[wrong.where or "sort"] = text[:1].upper() + text[1:]

    def text(self, name: str) -> str:
        """A field as it was typed."""
        return next((value for field_, value in reversed(self.pairs) if field_ == name), "").strip()

    @property
    def is_narrowed(self) -> bool:
        """True if a filter other than the period is set."""
        return self.wanted != StatementFilter(period=self.wanted.period)

    def query(self, **changes: str | None) -> str:
        """The query of the same list with some fields changed, from its first page."""
        given = {
            "sort": str(self.sort) if self.sort != Sort() else None,
            "rows": str(self.rows) if self.rows != PAGE_SIZES[0] else None,
        } | changes
        return urlencode([*self.wanted.pairs(), *((name, value) for name, value in given.items() if value)])

    def sorted_by(self, first: str) -> tuple[str, str | None]:
        """The sorting that a column's head leads to, and how it is sorted now (for `aria-sort`)."""
        if Sort.parse(first).by != self.sort.by:
            return first, None
        return str(Sort(self.sort.by, not self.sort.descending)), "descending" if self.sort.descending else "ascending"


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
