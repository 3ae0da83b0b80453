"""What the list of statements needs besides its rows: what its address says, and sums by currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import starmap
from urllib.parse import urlencode

from evbilling.errors import BadInput
from evbilling.payments.actions.allowed import ActionFacts
from evbilling.period import Period
from evbilling.read_models.statement_list.filters import TYPE_LABELS, Sort, StatementFilter
from evbilling.read_models.statement_list.listing import ListedStatement, Totals

ROWS = (50, 100, 250)
_FIELDS = ("type", "status", "period", "account", "id", "currency", "sort", "rows", "after", "before")


@dataclass
class Chosen:
    """What an address says: filter, way of sorting, place, and what of it can't be meant, by field."""

    pairs: Sequence[tuple[str, str]]
    wanted: StatementFilter = field(default_factory=StatementFilter)
    sort: Sort = field(default_factory=Sort)
    after: str | None = None
    before: str | None = None
    rows: int = ROWS[0]
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, pairs: Sequence[tuple[str, str]], latest: Period | None) -> Chosen:
        """All that the address says; each field is read by itself, so that one that is wrong costs no other."""
        chosen = cls([(name, value) for name, value in pairs if name in _FIELDS])
        good = list(chosen.pairs)
        for name in _FIELDS:
            try:
                StatementFilter.parse([pair for pair in good if pair[0] == name])
                if name == "sort":
                    chosen.sort = Sort.parse(chosen.text("sort"))
            except BadInput as wrong:
                chosen.note(wrong)
                good = [pair for pair in good if pair[0] != name]
        chosen.wanted = StatementFilter.parse(good, latest)
        chosen.after, chosen.before = chosen.text("after") or None, chosen.text("before") or None
        chosen.rows = next((rows for rows in ROWS if str(rows) == chosen.text("rows")), ROWS[0])
        return chosen

    def note(self, wrong: BadInput) -> None:
        """Keep what is wrong beside its field."""
        said = f"{wrong.what}; {wrong.fix}." if wrong.fix else f"{wrong.what}."
        self.errors[wrong.where or "sort"] = said[:1].upper() + said[1:]

    def text(self, name: str) -> str:
        """A field as it was typed."""
        return next((value for field_, value in reversed(self.pairs) if field_ == name), "").strip()

    def texts(self, name: str) -> set[str]:
        """A field's values as they were ticked."""
        return {value for field_, value in self.pairs if field_ == name}

    @property
    def is_narrowed(self) -> bool:
        """True if anything but the period is filtered by."""
        return self.wanted != StatementFilter(period=self.wanted.period)

    def query(self, **changes: str | None) -> str:
        """The address of the same list, changed; without its place."""
        given = {
            "sort": str(self.sort) if self.sort != Sort() else None,
            "rows": str(self.rows) if self.rows != ROWS[0] else None,
        } | changes
        return urlencode([*self.wanted.pairs(), *((name, value) for name, value in given.items() if value)])

    def sorted_by(self, first: str) -> tuple[str, str | None]:
        """The way of sorting that a column's head leads to, and how it is sorted now (for `aria-sort`)."""
        if Sort.parse(first).by != self.sort.by:
            return first, None
        return str(Sort(self.sort.by, not self.sort.descending)), "descending" if self.sort.descending else "ascending"


def facts_of(row: ListedStatement) -> ActionFacts:
    """What of a row decides on its actions."""
    # How many payments can be undone doesn't matter here, only whether any can.
    return ActionFacts(row.kind, row.currency, row.balance, row.is_under_way, int(row.is_marked_as_paid))


@dataclass(frozen=True, slots=True)
class Sums:
    """What is filtered in one currency: by type, and what is due in all."""

    currency: str
    lines: list[Totals]

    @property
    def has_balance(self) -> bool:
        """True if connector statements are among them: the others owe nothing by themselves."""
        return any(line.kind == "connector" for line in self.lines)

    @property
    def balance(self) -> Decimal:
        """What is due on the connector statements."""
        return sum((line.balance for line in self.lines), Decimal(0))


def by_currency(found: Iterable[Totals]) -> list[Sums]:
    """Totals in groups of one currency, connector statements first."""
    groups: dict[str, list[Totals]] = {}
    order = list(TYPE_LABELS)
    for line in sorted(found, key=lambda line: (line.currency, order.index(line.kind))):
        groups.setdefault(line.currency, []).append(line)
    return list(starmap(Sums, groups.items()))
