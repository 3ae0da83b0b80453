"""A billed month as finance sees it, read through the finance views alone and printed as tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from evbilling.period import Period
from evbilling.warehouse.query import fetch_all

_UNBILLED_SHOWN = 12
_CURRENCY = re.compile(r"-[A-Z]{3}$")


def count_rows(finance_url: str, period: Period) -> int:
    """How many statements, decisions, unbilled accounts, items and attempts the finance views hold for `period`."""
    return int(_read(finance_url, "month_rows", period)[0][0])


def print_month(finance_url: str, period: Period) -> None:
    """Print what the finance views say about `period`: counts, money, who was not billed, the tie-out.

    What has no rows yet is left out.
    """
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
    _print_money(finance_url, period)
    _print_tie_out(_read(finance_url, "month_tie_out", period))


def _print_money(finance_url: str, period: Period) -> None:
    attempts = _read(finance_url, "month_attempts", period)
    columns = ("attempts", "all", "collected", "failed: soft", "hard", "needs customer", "unclear", "no outcome yet")
    if attempts:
        _print_table("Charges and retries; failures by class", columns, attempts)
        _print_table(
            "Connector statements by status", ("status", "statements"), _read(finance_url, "month_statuses", period)
        )
        _print_table(
            "Collected and outstanding",
            ("currency", "billed", "collected", "outstanding"),
            _read(finance_url, "month_collected", period),
        )
    if mailed := _read(finance_url, "month_mail", period):
        _print_table("Mail", ("kind", "state", "messages"), mailed)
    if stated := _read(finance_url, "month_accounts", period):
        columns = (
            "currency",
            "statements",
            "opening",
            "connector statements",
            "other charges",
            "settled elsewhere",
            "payments",
            "closing",
        )
        _print_table("Account statements", columns, stated)
    if withheld := _read(finance_url, "month_withheld", period):
        _print_table("Account statements withheld: their items wait", ("account", "reason", "detail"), withheld)


def _print_tie_out(checks: Sequence[Sequence[Any]]) -> None:
    """A line for each check, its figures in all currencies; a check that isn't ok once more in full."""
    rows: dict[str, list[Any]] = {}
    for check_id, left, left_value, right, _right_value, _difference, is_ok in checks:
        family, currency = (check_id[:-4], check_id[-3:]) if _CURRENCY.search(check_id) else (check_id, "")
        ending = f", {currency}"
        row = rows.setdefault(family, [family, left.removesuffix(ending), right.removesuffix(ending), "", True])
        row[3] += f"{'; ' if row[3] else ''}{currency} {left_value:,}".lstrip()
        row[4] = row[4] and is_ok
    _print_table("Tie-out", ("check", "figure", "equals", "figures", "ok"), list(rows.values()))
    if broken := [check for check in checks if not check[6]]:
        _print_table("NOT OK", ("check", "left", "value", "right", "value", "difference", "ok"), broken)


def _read(url: str, query: str, period: Period) -> list[tuple[Any, ...]]:
    import psycopg

    name = "read_models/month/tie_out" if query == "month_tie_out" else f"demo/{query}"
    with psycopg.connect(url) as connection:
        return fetch_all(connection, name, period=str(period))


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
