"""Reads a month's overview by kept sums and indexes, as quickly for 100,000 statements as for ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import starmap
from typing import Any

import psycopg

from evbilling.payments.retries import DeclineClass, explain
from evbilling.period import Period
from evbilling.read_models.month.figures import (
    AGES,
    STATUSES,
    AgeFigure,
    BilledMonth,
    Check,
    DeclineFigure,
    Doubt,
    FailureFigure,
    LeftOut,
    LeftOutFigure,
    MonthLine,
    MonthOverview,
    MonthRun,
    OtherFigure,
    StatusFigure,
)
from evbilling.service_levels import ServiceLevel, how_late, read_service_levels
from evbilling.warehouse import fetch_all

_MONTHS = 12
_CODES_SHOWN = 5
_ACCOUNTS_SHOWN = 50
_RUNS_SHOWN = 50

Row = tuple[Any, ...]


def failure_on_record(connection: psycopg.Connection[Any], dag_id: str, airflow_run_id: str) -> str | None:
    """Why the newest run of a DAG run stopped; None if it didn't, or counts no month."""
    rows = fetch_all(connection, "read_models/month/failure", dag_id=dag_id, airflow_run_id=airflow_run_id)
    return rows[0][0] if rows else None


def month_overview(
    connection: psycopg.Connection[Any], period: Period, *, day: date, now: datetime | None = None
) -> MonthOverview:
    """`period` at a glance, ages as of `day`. A month without runs and statements has empty figures.

    `now`: when it is looked at, to say what is overdue; without it nothing is.

    All figures are of one snapshot if the connection's transaction is (repeatable read).
    """

    def read(name: str, **params: object) -> list[Row]:
        return fetch_all(connection, f"read_models/month/{name}", period=str(period), **_range(period), **params)

    issued: dict[str, datetime] = dict(read("issued_at"))
    failures, declines = _failures(read("failures"))
    statuses, others = _statuses(read("statuses"))
    unbilled = read("unbilled")
    late = _late(connection, now)
    return MonthOverview(
        period=period,
        day=day,
        issued_at=issued.get("connector_statements"),
        stated_at=issued.get("account_statements"),
        history=_history(period, read("history", first=str(period.shifted(1 - _MONTHS)), last=str(period))),
        statuses=statuses,
        others=others,
        failures=failures,
        declines=declines,
        under_way=int(read("under_way")[0][0]),
        receivables=_receivables(read("receivables"), day),
        quarantined=_left_out(
            [row[1:] for row in unbilled if row[0]],
            read("unbilled_accounts", is_quarantined=True, limit=_ACCOUNTS_SHOWN),
        ),
        nothing_to_bill=_left_out(
            [row[1:] for row in unbilled if not row[0]],
            read("unbilled_accounts", is_quarantined=False, limit=_ACCOUNTS_SHOWN),
        ),
        withheld=_withheld(read("withheld_accounts", limit=_ACCOUNTS_SHOWN)),
        checks=tuple(Check(*row[:5]) for row in read("tie_out")),
        runs=tuple(starmap(MonthRun, read("runs", limit=_RUNS_SHOWN))),
        on_hold_since=read("on_hold_since")[0][0],
        doubts=tuple(starmap(Doubt, read("doubts"))),
        overdue=late.get(("connector_statements", str(period))),
        statements_overdue=late.get(("account_statements", str(period))),
    )


def months(connection: psycopg.Connection[Any], now: datetime) -> tuple[MonthLine, ...]:
    """Every month that has begun or should have been billed by `now`, newest first."""
    rows = fetch_all(connection, "read_models/month/months")
    lines = {line.period: line for line in (MonthLine(Period.parse(row[0]), *row[1:]) for row in rows)}
    for (service_level, month), late in _late(connection, now).items():
        if service_level == "connector_statements":
            period = Period.parse(month)
            lines[period] = replace(lines.get(period, MonthLine(period, 0, 0, 0, 0, 0, 0, None)), overdue=late)
    return tuple(lines[period] for period in sorted(lines, reverse=True))


def _late(connection: psycopg.Connection[Any], now: datetime | None) -> dict[tuple[str, str], str]:
    """For how long each service level of a period is late, in words; nothing without a time."""
    levels: list[ServiceLevel] = read_service_levels(connection, now) if now else []
    return {
        (level.service_level, level.period): how_late(level.late_since, now)
        for level in levels
        if now and level.late_since and level.period
    }


def _range(period: Period) -> dict[str, str]:
    """The month's connector statements by their ids: from the first on, before the next month's."""
    first, following = (str(p).replace("-", "") for p in (period, period.shifted(1)))
    return {"first_id": f"A-{first}-", "next_id": f"A-{following}-"}


def _history(period: Period, rows: list[Row]) -> tuple[BilledMonth, ...]:
    found = {row[0]: row[1:] for row in rows}
    past = [period.shifted(index - _MONTHS + 1) for index in range(_MONTHS)]
    return tuple(BilledMonth(month, *found.get(str(month), (0, 0))) for month in past)


def _statuses(rows: list[Row]) -> tuple[tuple[StatusFigure, ...], tuple[OtherFigure, ...]]:
    own = sorted(
        (StatusFigure(*row[1:]) for row in rows if row[0] == "connector"),
        key=lambda figure: (figure.currency, STATUSES.index(figure.status)),
    )
    others = [OtherFigure(row[0], row[1], row[3], row[4]) for row in rows if row[0] != "connector"]
    return tuple(own), tuple(sorted(others, key=lambda figure: (figure.kind, figure.currency)))


def _failures(rows: list[Row]) -> tuple[tuple[FailureFigure, ...], tuple[DeclineFigure, ...]]:
    classes: dict[str, list[int]] = {str(kind): [0, 0, 0] for kind in DeclineClass}
    for kind, _code, *counts in rows:
        classes[kind] = [before + count for before, count in zip(classes[kind], counts, strict=True)]
    codes = [
        DeclineFigure(code, kind, attempts, statements, unpaid, explain(code))
        for kind, code, attempts, statements, unpaid in rows
    ]
    codes.sort(key=lambda figure: (-figure.statements, -figure.attempts, figure.code))
    return (
        tuple(FailureFigure(kind, *counts) for kind, counts in classes.items() if counts[0]),
        # One more than are shown would take its own line all the same.
        tuple(codes if len(codes) <= _CODES_SHOWN + 1 else [*codes[:_CODES_SHOWN], _rest(codes[_CODES_SHOWN:])]),
    )


def _rest(codes: Sequence[DeclineFigure]) -> DeclineFigure:
    """The codes that have no line of their own, in one."""
    counts = [(code.attempts, code.statements, code.unpaid) for code in codes]
    attempts, statements, unpaid = map(sum, zip(*counts, strict=True))
    return DeclineFigure("", "", attempts, statements, unpaid, f"{len(codes)} other codes")


def _receivables(rows: list[Row], day: date) -> tuple[AgeFigure, ...]:
    """By currency and age; a currency in which anything is owed or a credit has a figure for each age."""
    summed: dict[tuple[str, str], list[Any]] = {}
    for period, currency, *figures in rows:
        for age, _ in AGES:
            # Nothing, with the decimals of the currency.
            summed.setdefault((currency, age), [figure - figure for figure in figures])
        key = (currency, age_of(Period.parse(period), day))
        summed[key] = [before + figure for before, figure in zip(summed[key], figures, strict=True)]
    currencies = sorted({currency for currency, _ in summed})
    return tuple(AgeFigure(currency, age, *summed[currency, age]) for currency in currencies for age, _ in AGES)


def age_of(period: Period, day: date) -> str:
    """The age of a month's connector statements as of `day`, one of `AGES`: they are dated its 1st."""
    days = (day - period.first_day).days
    return next(age for age, last in AGES if last is None or days <= last)


def _left_out(sums: list[Row], first: list[Row]) -> LeftOutFigure:
    shown = tuple(
        LeftOut(account, name, tuple(zip(reasons, details, strict=True)), connectors, amount, currency)
        for account, name, reasons, details, connectors, amount, currency in first
    )
    return LeftOutFigure(
        accounts=sum(accounts for _, accounts, _ in sums),
        expected=tuple((currency, amount) for currency, _, amount in sums if amount is not None and currency),
        unknown=sum(accounts for _, accounts, amount in sums if amount is None),
        shown=shown,
    )


def _withheld(rows: list[Row]) -> LeftOutFigure:
    shown = tuple(LeftOut(row[0], row[1], tuple(zip(row[2], row[3], strict=True))) for row in rows)
    return LeftOutFigure(accounts=rows[0][4] if rows else 0, shown=shown)
