"""The pictures of the Month page: a month's figures as bars, with their words and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from evbilling.read_models.month.figures import AgeFigure, BilledMonth, MonthOverview, StatusFigure
from evbilling_web.charts import Bar, Part, Picture, columns, rows

KINDS = {
    "Paid": "good",
    "Billing failure (resolved)": "resolved",
    "Paid manually": "manual",
    "Partly paid": "partly",
    "Billing failure": "bad",
    "Issued": "waiting",
}
CLASSES = {
    "soft": "may pass by itself",
    "hard": "not with this payment method",
    "needs_customer": "the customer has to act",
    "unknown": "without a reason",
}
# What is still to be collected: offered as links beside the picture.
_DUE = ("Billing failure", "Partly paid", "Issued")
_AGE_KINDS = {"0-30 days": "waiting", "31-60 days": "partly", "61-90 days": "bad", "over 90 days": "bad"}

# The address of the list of statements in these statuses and this currency, of all periods or of the month alone.
ListOf = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with what stands around it. `links` are (words, address); `table` has a head and its rows."""

    title: str
    hint: str
    picture: Picture
    description: str
    legend: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


def pictures(month: MonthOverview, list_of: ListOf) -> list[Chart]:
    """All pictures of a month in their order; those that would be empty are left out."""
    charts = [
        _history(month, "Connectors billed", lambda billed: billed.connectors),
        _history(month, "Connector statements", lambda billed: billed.statements),
    ]
    charts += [
        _statuses(currency, [f for f in month.statuses if f.currency == currency], list_of)
        for currency in month.currencies
    ]
    if month.failures:
        charts.append(_failures(month))
    owed = {figure.currency for figure in month.receivables}
    for currency in [*(c for c in month.currencies if c in owed), *sorted(owed.difference(month.currencies))]:
        charts.append(_receivables(month, currency, list_of))
    return charts


def _history(month: MonthOverview, title: str, figure: Callable[[BilledMonth], int]) -> Chart:
    bars = []
    for billed in month.history:
        is_this = billed is month.this_month
        value = figure(billed)
        part = Part(value, "strong" if is_this else "past", f"{billed.period}: {value:,}")
        # A month that nobody was billed in is a gap; one with statements always has connectors.
        bars.append(Bar(f"{billed.period.first_day:%b}", f"{value:,}", (part,) if billed.statements else ()))
    most = max(month.history, key=figure)
    return Chart(
        title=title,
        hint="12 months up to this one",
        picture=columns(bars, groups=[str(billed.period.year) for billed in month.history]),
        description=(
            f"{month.history[0].period} to {month.period}: {figure(month.this_month):,} this month,"
            f" {figure(month.history[-2]):,} the month before; the most, {figure(most):,}, in {most.period}."
        ),
        legend=(),
        links=(),
        heads=("Month", title),
        table=tuple(_row(str(billed.period), figure(billed)) for billed in reversed(month.history)),
    )


def _statuses(currency: str, figures: Sequence[StatusFigure], list_of: ListOf) -> Chart:
    bars = [
        Bar(
            f"{f.status} ({f.statements:,})",
            written(f.total),
            (
                Part(
                    f.total, KINDS[f.status], f"{f.status}: {f.statements:,} statements, {written(f.total)} {currency}"
                ),
            ),
        )
        for f in figures
    ]
    return Chart(
        title=f"{currency}: amounts by status",
        hint="connector statements, as issued",
        picture=rows(bars),
        description="; ".join(f"{bar.label} {bar.value}" for bar in bars) + f" {currency}.",
        legend=(),
        links=tuple(
            (f"{f.status} ({f.statements:,})", list_of([f.status], currency)) for f in figures if f.status in _DUE
        ),
        heads=("Status", "Statements", f"Issued, {currency}", f"Due now, {currency}"),
        table=tuple(_row(f.status, f.statements, f.total, f.balance) for f in figures),
    )


def _failures(month: MonthOverview) -> Chart:
    bars = []
    for f in month.failures:
        words = CLASSES[f.decline_class]
        collected = f.statements - f.unpaid
        parts = (
            Part(collected, "good", f"{words}: {collected:,} statements collected since"),
            Part(f.unpaid, "bad", f"{words}: {f.unpaid:,} statements still due"),
        )
        bars.append(Bar(words.capitalize(), f"{f.statements:,}", parts))
    return Chart(
        title="Failures by decline class",
        hint="statements by their last decline",
        picture=rows(bars),
        description="; ".join(f"{bar.label}: {bar.value} statements" for bar in bars) + ".",
        legend=(("good", "collected since"), ("bad", "still due")),
        links=(),
        heads=("Decline class", "Statements", "Still due", "Declined attempts"),
        table=tuple(
            _row(f"{CLASSES[f.decline_class].capitalize()} ({f.decline_class})", f.statements, f.unpaid, f.attempts)
            for f in month.failures
        ),
    )


def _receivables(month: MonthOverview, currency: str, list_of: ListOf) -> Chart:
    figures = [figure for figure in month.receivables if figure.currency == currency]
    bars = [Bar(f.age.capitalize(), written(f.balance), _owed(f)) for f in figures]
    has_credit = any(figure.credits for figure in figures)
    day = f"{month.day.day} {month.day:%B %Y}"
    return Chart(
        title=f"{currency}: receivables by age",
        hint=f"all months, days since the statement, {day}",
        picture=rows(bars),
        description="; ".join(f"{bar.label}: {bar.value}" for bar in bars) + f" {currency}.",
        legend=(("waiting", "due"), ("credit", "credit")) if has_credit else (),
        links=(("All that is due", list_of(_DUE, currency, every_period=True)),),
        heads=("Age", "Statements due", f"Due, {currency}", "Credits", f"Credit, {currency}", f"Balance, {currency}"),
        table=tuple(_row(f.age.capitalize(), f.statements, f.due, f.credits, f.credit, f.balance) for f in figures),
    )


def _owed(figure: AgeFigure) -> tuple[Part, ...]:
    age = figure.age.capitalize()
    due = Part(figure.due, _AGE_KINDS[figure.age], f"{age}: {written(figure.due)} {figure.currency} due")
    credit = Part(figure.credit, "credit", f"{age}: {written(figure.credit)} {figure.currency} credit")
    return tuple(part for part in (due, credit) if part.value)


def _row(head: str, *figures: int | Decimal) -> tuple[str, ...]:
    return (head, *(written(figure) for figure in figures))


def written(amount: int | Decimal) -> str:
    """1234.5 as 1,234.5, with a real minus sign."""
    return (f"{amount:,}" if isinstance(amount, int) else f"{amount:,f}").replace("-", "\N{MINUS SIGN}")
