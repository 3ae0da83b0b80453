"""A billed month as finance sees it, read through the finance views alone and printed as tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from evbilling.period import Period
from evbilling.sqlfiles import load_sql

_UNBILLED_SHOWN = 12


def count_rows(finance_url: str, period: Period) -> int:
    """How many statements, decisions and unbilled accounts the finance views hold for `period`."""
    return int(_read(finance_url, "month_rows", period)[0][0])


def print_month(finance_url: str, period: Period) -> None:
    """Print what the finance views say about `period`: counts, totals, who wasn't billed, the tie-out."""
    accounts, decided, billed, statements, unbilled = _read(finance_url, "month_summary", period)[0]
    excluded = _read(finance_url, "month_excluded", period)
    ((extracted,),) = _read(finance_url, "month_extracted", period)
    counted = [("accounts", accounts), ("connectors counted", extracted), ("  billed", billed)]
    counted += [(f"  excluded: {rule}", count) for rule, count in excluded]
    counted += [("  held: their account is at fault", extracted - decided)] if extracted != decided else []
    counted += [("connector statements", statements), ("accounts not billed", unbilled)]
    _print_table(f"The month {period}", ("", "count"), counted)
    _print_table(
        "Totals by currency",
        ("currency", "statements", "connectors", "net", "tax", "total"),
        _read(finance_url, "month_totals", period),
    )
    left_out = _read(finance_url, "month_unbilled", period)
    if left_out:
        title = "Accounts not billed, and the money expected of them"
        if len(left_out) > _UNBILLED_SHOWN:
            title += f" ({_UNBILLED_SHOWN} of {len(left_out)}; all: finance.unbilled_accounts)"
        columns = ("account", "reason", "detail", "connectors", "expected", "currency")
        _print_table(title, columns, left_out[:_UNBILLED_SHOWN])
    _print_table(
        "Tie-out",
        ("check", "left", "value", "right", "value", "difference", "ok"),
        _read(finance_url, "month_tie_out", period),
    )


def _read(url: str, query: str, period: Period) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(load_sql(f"queries/{query}.sql").encode(), {"period": str(period)}).fetchall()


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Off a terminal nothing is known about the width, and a cut number in a log is worse than a long line.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for index, name in enumerate(columns):
        numeric = any(not isinstance(row[index], str | bool | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    with console.capture() as captured:
        console.print(table)
    # Padding to the full width would wrap wherever the lines are pasted.
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return value if isinstance(value, str) else f"{value:,}"
