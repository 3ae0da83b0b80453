"""The Month page's bar tables: a month's figures by row, with a bar beside each row's label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from evbilling.read_models.month import AgeFigure, BilledMonth, FailureFigure, MonthOverview, StatusFigure

# The kinds of bars are classes of month.css.
_STATUS_KINDS = {
    "Paid": "good",
    "Billing failure (resolved)": "good",
    "Paid manually": "good",
    "Partly paid": "warn",
    "Billing failure": "bad",
    "Issued": "plain",
}
_AGE_KINDS = {"0-30 days": "plain", "31-60 days": "warn", "61-90 days": "bad", "over 90 days": "bad"}
_DECLINE_CLASSES = {
    "soft": "May succeed later",
    "hard": "Needs another payment method",
    "needs_customer": "Needs action by the customer",
    "unknown": "No reason given",
}
_COLLECTABLE = ("Billing failure", "Partly paid", "Issued")

Figure = int | Decimal
# The address of the month's list of statements in these statuses and this currency.
ListAddress = Callable[..., str]
# The address of what is due of this age, or of any, in this currency.
DueAddress = Callable[[str | None, str], str]


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar or a part of one; `x` and `width` in percent of the room for bars, `kind` its classes."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class BarRow:
    """A row: its label, what its bar is made of (kind and value; credits are negative), and its figures as text."""

    label: str
    parts: tuple[tuple[str, Figure], ...]
    figures: tuple[str, ...]
    link: str | None = None


@dataclass(frozen=True, slots=True)
class BarTable:
    """A table with bars. `heads` are the column heads; `keys` says which of them explain a kind of bar."""

    title: str
    hint: str
    heads: tuple[str, ...]
    rows: tuple[BarRow, ...]
    keys: tuple[tuple[str, str], ...] = ()
    link: tuple[str, str] | None = None

    @property
    def bars(self) -> list[list[Bar]]:
        """Each row's bars on one scale: values above zero to the right of the zero line, below it to the left."""
        sums = [[sum(max(0.0, sign * float(value)) for _, value in row.parts) for sign in (1, -1)] for row in self.rows]
        above, below = (max((pair[side] for pair in sums), default=0.0) for side in (0, 1))
        scale = 100.0 / (above + below) if above + below else 0.0
        return [_row_of_bars(row.parts, below * scale, scale) for row in self.rows]


def _row_of_bars(parts: Sequence[tuple[str, Figure]], zero: float, scale: float) -> list[Bar]:
    bars, left, right = [], zero, zero
    for kind, value in parts:
        width = abs(float(value)) * scale
        if value > 0:
            bars.append(Bar(kind, right, width))
            right += width
        elif value < 0:
            left -= width
            bars.append(Bar(kind, left, width))
    return bars


def bar_tables(month: MonthOverview, list_address: ListAddress, due_address: DueAddress) -> list[BarTable]:
    """All bar tables of a month in order; those that would be empty are left out."""
    tables = [
        _history(month, "Connectors billed", lambda billed: billed.connectors),
        _history(month, "Connector statements", lambda billed: billed.statements),
    ]
    tables += [
        _statuses(currency, [figure for figure in month.statuses if figure.currency == currency], list_address)
        for currency in month.currencies
    ]
    if month.failures:
        tables.append(_failures(month.failures))
    owed = {figure.currency for figure in month.receivables}
    for currency in [*(c for c in month.currencies if c in owed), *sorted(owed.difference(month.currencies))]:
        figures = [figure for figure in month.receivables if figure.currency == currency]
        tables.append(_receivables(currency, figures, f"{month.day.day} {month.day:%B %Y}", due_address))
    return tables


def _history(month: MonthOverview, title: str, figure: Callable[[BilledMonth], int]) -> BarTable:
    rows = [
        BarRow(
            f"{billed.period.first_day:%b %Y}",
            (("plain" if billed.period != month.period else "accent", figure(billed)),),
            # A month in which nobody was billed is a gap, not a zero.
            _texts(figure(billed)) if billed.statements else ("\N{EN DASH}",),
        )
        for billed in reversed(month.history)
    ]
    return BarTable(title, "The last 12 months", ("Month", title), tuple(rows))


def _statuses(currency: str, figures: Sequence[StatusFigure], list_address: ListAddress) -> BarTable:
    rows = [
        BarRow(
            f.status,
            ((_STATUS_KINDS[f.status], f.total),),
            _texts(f.statements, f.total, f.balance),
            list_address([f.status], currency) if f.status in _COLLECTABLE else None,
        )
        for f in figures
    ]
    return BarTable(
        f"{currency}: amounts by status",
        "Connector statements, as issued",
        ("Status", "Statements", "Issued", "Due now"),
        tuple(rows),
    )


def _failures(figures: Sequence[FailureFigure]) -> BarTable:
    rows = [
        BarRow(
            f"{_DECLINE_CLASSES[f.decline_class]} ({f.decline_class})",
            (("bad", f.unpaid), ("good hollow", f.statements - f.unpaid)),
            _texts(f.unpaid, f.statements - f.unpaid, f.statements, f.attempts),
        )
        for f in figures
    ]
    return BarTable(
        "Failures by decline class",
        "Statements by their last decline",
        ("Decline class", "Still due", "Collected since", "Statements", "Declined attempts"),
        tuple(rows),
        keys=(("Still due", "bad"), ("Collected since", "good hollow")),
    )


def _receivables(currency: str, figures: Sequence[AgeFigure], day: str, due_address: DueAddress) -> BarTable:
    rows = [
        BarRow(
            f.age.capitalize(),
            ((_AGE_KINDS[f.age], f.due), ("good hollow", f.credit)),
            _texts(f.statements, f.due, f.credits, f.credit, f.balance),
            due_address(f.age, currency) if f.statements else None,
        )
        for f in figures
    ]
    return BarTable(
        f"{currency}: receivables by age",
        f"All months, by days since the statement, on {day}",
        ("Age", "Statements due", "Due", "Credits", "Credit", "Balance"),
        tuple(rows),
        keys=(("Credit", "good hollow"),) if any(f.credits for f in figures) else (),
        link=("All statements due", due_address(None, currency)),
    )


def _texts(*figures: Figure) -> tuple[str, ...]:
    return tuple(
        (f"{figure:,}" if isinstance(figure, int) else f"{figure:,f}").replace("-", "\N{MINUS SIGN}")
        for figure in figures
    )
