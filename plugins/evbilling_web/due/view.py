"""The page Due besides its rows: the filter in its address, and the counts beside each choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from evbilling.payments.due import WhoActs
from evbilling.read_models.due import DueFilter, DueSort, Figure
from evbilling.read_models.month import age_of
from evbilling_web.statement_list.view import Address

WHO_LABELS = {WhoActs.US: "We do", WhoActs.CUSTOMER: "The customer", WhoActs.NOBODY: "Nobody"}
_FIELDS = ("who", "reason", "age", "period", "account", "currency", "decline")


class DueAddress(Address[DueFilter, DueSort]):
    """The address of the page Due."""

    @classmethod
    def read(cls, pairs: Sequence[tuple[str, str]]) -> DueAddress:
        """The address, as `Address.of`."""
        return cls.of(pairs, _FIELDS, DueFilter.parse, DueSort.parse)

    @property
    def is_narrowed(self) -> bool:
        """True if a filter is set."""
        return self.wanted != DueFilter()

    @property
    def tab_query(self) -> str | None:
        """The query of the tab that shows this list; None if there is none."""
        who = self.wanted.who
        return self.wanted.query() if len(who) <= 1 and self.wanted == DueFilter(who=who) else None


def matching(figures: Iterable[Figure], wanted: DueFilter, day: date) -> list[Figure]:
    """The figures of what is wanted, but for its account and decline, which figures don't have."""
    return [
        figure
        for figure in figures
        if figure.reason_id in wanted.reason_ids
        and wanted.currency in {None, figure.currency}
        and wanted.has_period(figure.period, day)
    ]


def count_reasons(figures: Iterable[Figure], wanted: DueFilter, day: date) -> dict[str, int]:
    """How many statements each reason would show, the rest of the filter staying as it is."""
    counted = Counter[str]()
    for figure in matching(figures, replace(wanted, reasons=()), day):
        counted[figure.reason_id] += figure.statements
    return counted


def count_ages(figures: Iterable[Figure], wanted: DueFilter, day: date) -> dict[str, int]:
    """How many statements each age would show, the rest of the filter staying as it is."""
    counted = Counter[str]()
    for figure in matching(figures, replace(wanted, age=None), day):
        counted[age_of(figure.period, day)] += figure.statements
    return counted


def balances(figures: Iterable[Figure]) -> dict[str, Decimal]:
    """What is due by currency."""
    sums: dict[str, Decimal] = {}
    for figure in figures:
        sums[figure.currency] = sums.get(figure.currency, Decimal(0)) + figure.balance
    return dict(sorted(sums.items()))
