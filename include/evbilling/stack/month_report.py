"""A billed month as finance sees it, read through the finance views alone and printed as tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from evbilling.period import Period

_COUNTS = """
select (select count(*) from finance.statements where period = %(period)s)
     + (select count(*) from finance.connector_decisions where period = %(period)s)
     + (select count(*) from finance.unbilled_accounts where period = %(period)s)
"""

_SUMMARY = """
select (select count(distinct account_id)
          from (select account_id from finance.connector_decisions where period = %(period)s
                union all
                select account_id from finance.unbilled_accounts where period = %(period)s) as account),
       (select count(*) from finance.connector_decisions where period = %(period)s),
       (select count(*) from finance.connector_decisions where period = %(period)s and is_billed),
       (select count(*) from finance.statements where period = %(period)s and kind = 'connector'),
       (select count(*) from finance.unbilled_accounts where period = %(period)s)
"""

_EXTRACTED = """
select coalesce((select left_value::bigint from finance.tie_out
                  where period = %(period)s and check_id = 'connectors-decided'),
                (select count(*) from finance.connector_decisions where period = %(period)s))
"""

_EXCLUDED = """
select rule_id, count(*) from finance.connector_decisions
 where period = %(period)s and not is_billed group by rule_id order by count(*) desc, rule_id
"""

_TOTALS = """
select currency, count(*), sum(connector_count), sum(net_amount), sum(tax_amount), sum(total_amount)
  from finance.statements where period = %(period)s and kind = 'connector' group by currency order by currency
"""

_UNBILLED = """
select account_id, reason_id, detail, expected_connector_count, expected_amount, currency
  from finance.unbilled_accounts
 where period = %(period)s order by expected_amount desc nulls last, account_id
"""

_TIE_OUT = """
select check_id, left_label, left_value, right_label, right_value, difference, is_ok
  from finance.tie_out where period = %(period)s order by check_id, left_label, right_label
"""

_UNBILLED_SHOWN = 12


def count_rows(finance_url: str, period: Period) -> int:
    """How many statements, decisions and unbilled accounts the finance views hold for `period`."""
    return int(_read(finance_url, _COUNTS, period)[0][0])


def print_month(finance_url: str, period: Period) -> None:
    """Print what the finance views say about `period`: counts, totals, who wasn't billed, the tie-out."""
    accounts, decided, billed, statements, unbilled = _read(finance_url, _SUMMARY, period)[0]
    excluded = _read(finance_url, _EXCLUDED, period)
    ((extracted,),) = _read(finance_url, _EXTRACTED, period)
    counted = [("accounts", accounts), ("connectors counted", extracted), ("  billed", billed)]
    counted += [(f"  excluded: {rule}", count) for rule, count in excluded]
    counted += [("  held: their account is at fault", extracted - decided)] if extracted != decided else []
    counted += [("connector statements", statements), ("accounts not billed", unbilled)]
    _print_table(f"The month {period}", ("", "count"), counted)
    _print_table(
        "Totals by currency",
        ("currency", "statements", "connectors", "net", "tax", "total"),
        _read(finance_url, _TOTALS, period),
    )
    left_out = _read(finance_url, _UNBILLED, period)
    if left_out:
        title = "Accounts not billed, and the money expected of them"
        if len(left_out) > _UNBILLED_SHOWN:
            title += f" ({_UNBILLED_SHOWN} of {len(left_out)}; all: finance.unbilled_accounts)"
        columns = ("account", "reason", "detail", "connectors", "expected", "currency")
        _print_table(title, columns, left_out[:_UNBILLED_SHOWN])
    _print_table(
        "Tie-out",
        ("check", "left", "value", "right", "value", "difference", "ok"),
        _read(finance_url, _TIE_OUT, period),
    )


def _read(url: str, query: str, period: Period) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), {"period": str(period)}).fetchall()


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
