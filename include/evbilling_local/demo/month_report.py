"""A billed month as tables for a terminal: the figures of the Month page, and what finance asks next."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evbilling.period import Period

if TYPE_CHECKING:
    from evbilling.read_models.month import Check, LeftOut, MonthOverview

_ACCOUNTS_SHOWN = 12
_CURRENCY = re.compile(r"-[A-Z]{3}$")


def count_rows(finance_url: str, period: Period) -> int:
    """How many statements, decisions, unbilled accounts, items and attempts the finance views hold for `period`."""
    from evbilling.warehouse import connected, fetch_value

    with connected(finance_url, what="finance") as connection:
        return int(fetch_value(connection, "demo/row_count", period=str(period)))


def print_month(warehouse_url: str, period: Period) -> None:
    """Print `period` with the figures of the Month page, and some that only the console counts.

    What has no rows yet is left out.
    """
    from evbilling.read_models.month import month_overview
    from evbilling.warehouse import connected, fetch_all

    with connected(warehouse_url, what="warehouse") as connection:
        month = month_overview(connection, period, day=datetime.now(UTC).date())
        excluded, totals, attempts, mail, stated = (
            fetch_all(connection, f"demo/{name}", period=str(period))
            for name in ("excluded_by_rule", "totals", "attempts", "mail", "account_statements")
        )
    _print_counts(month, excluded)
    columns = ("currency", "statements", "connectors", "net", "tax", "total")
    _print_table("Totals by currency", columns, [row[:6] for row in totals])
    unbilled = [*month.quarantined.shown, *month.nothing_to_bill.shown]
    unbilled.sort(key=lambda one: (one.expected_amount is None, -(one.expected_amount or 0), one.account_id))
    accounts = month.quarantined.accounts + month.nothing_to_bill.accounts
    _print_left_out("Accounts not billed, and the money expected of them", unbilled, accounts, "unbilled_accounts")
    if attempts:
        _print_attempts(month, attempts)
        collected = [(row[0], *row[5:]) for row in totals]
        _print_table("Collected and outstanding", ("currency", "billed", "collected", "outstanding"), collected)
    if mail:
        _print_table("Mail", ("kind", "state", "messages"), mail)
    if stated:
        kinds = ("opening", "connector statements", "other charges", "settled elsewhere", "payments", "closing")
        _print_table("Account statements", ("currency", "statements", *kinds), stated)
    title = "Account statements withheld: their items wait"
    _print_left_out(title, month.withheld.shown, month.withheld.accounts, "withheld_account_statements")
    _print_tie_out(month.checks)


def _print_counts(month: MonthOverview, excluded: Sequence[Sequence[Any]]) -> None:
    billed, unbilled = month.this_month, month.quarantined.accounts + month.nothing_to_bill.accounts
    decided = billed.connectors + sum(connectors for _, connectors in excluded)
    closed = {check.check_id: int(check.left_value) for check in month.checks}
    extracted = closed.get("connectors-decided", decided)
    counted: list[tuple[str, int]] = [("accounts", billed.statements + unbilled), ("connectors counted", extracted)]
    counted += [("  billed", billed.connectors)]
    counted += [(f"  excluded: {rule}", connectors) for rule, connectors in excluded]
    counted += [("  held: their account is at fault", extracted - decided)] if extracted != decided else []
    counted += [("connector statements", billed.statements), ("accounts not billed", unbilled)]
    _print_table(f"The month {month.period}", ("", "count"), counted)


def _print_attempts(month: MonthOverview, attempts: Sequence[Sequence[Any]]) -> None:
    columns = ("attempts", "all", "collected", "failed: soft", "hard", "needs customer", "unclear", "no outcome yet")
    _print_table("Charges and retries; failures by class", columns, attempts)
    statuses: Counter[str] = Counter()
    for figure in month.statuses:
        statuses[figure.status] += figure.statements
    by_count = sorted(statuses.items(), key=lambda status: (-status[1], status[0]))
    _print_table("Connector statements by status", ("status", "statements"), by_count)


def _print_left_out(title: str, shown: Sequence[LeftOut], accounts: int, view: str) -> None:
    """A line for each reason of the first accounts."""
    if accounts > _ACCOUNTS_SHOWN:
        title += f" ({_ACCOUNTS_SHOWN} of {accounts}; all: finance.{view})"
    columns = ("account", "reason", "detail", "connectors", "expected", "currency")
    width = 6 if any(one.expected_amount is not None for one in shown) else 3
    rows = [
        (one.account_id, reason, detail, one.expected_connectors, one.expected_amount, one.currency)[:width]
        for one in shown[:_ACCOUNTS_SHOWN]
        for reason, detail in one.reasons
    ]
    if rows:
        _print_table(title, columns[:width], rows)


def _print_tie_out(checks: Sequence[Check]) -> None:
    """A line for each check, with its figures in all currencies; a check whose figures differ once more in full."""
    rows: dict[str, list[Any]] = {}
    for check in checks:
        name, currency = check.check_id, ""
        if _CURRENCY.search(name):
            name, currency = name[:-4], name[-3:]
        ending = f", {currency}"
        labels = check.left_label.removesuffix(ending), check.right_label.removesuffix(ending)
        row = rows.setdefault(name, [name, *labels, "", True])
        row[3] += f"{'; ' if row[3] else ''}{currency} {check.left_value:,}".lstrip()
        row[4] = row[4] and check.is_ok
    _print_table("Tie-out", ("check", "figure", "equals", "figures", "ok"), list(rows.values()))
    if differing := [(*astuple(check), check.difference, check.is_ok) for check in checks if not check.is_ok]:
        _print_table("NOT OK", ("check", "left", "value", "right", "value", "difference", "ok"), differing)


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
