"""`evbilling plan`: what a month would issue, or has issued, and why it differs from the month before."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evbilling.read_models.plan import AccountPlan, MonthPlan

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

_SHOWN = 20
_CSV = ("account_id", "account_name", "currency", "cause", "connectors", "amount")


def register(subcommands: Subcommands) -> None:
    """Add `plan`."""
    text = "print what a month would issue, or has issued, and why it differs from the month before"
    plan = subcommands.add_parser("plan", help=text, description=f"{text[0].upper()}{text[1:]}.")
    plan.add_argument("period", metavar="PERIOD", help="billing month, YYYY-MM")
    plan.add_argument("--account", metavar="ID", help="this account alone")
    plan.add_argument("--csv", action="store_true", help="every account's causes as CSV")
    plan.add_argument("--url", help="libpq URL of the warehouse (default: WAREHOUSE_URL, or the local stack's)")
    plan.set_defaults(run=run_plan)


def run_plan(args: argparse.Namespace) -> int:
    """Print the month's plan; raises `NotReady` if it was never planned, `BadInput` for an account it doesn't have."""
    from evbilling.cli.environment import resolve_url
    from evbilling.errors import BadInput, NotReady
    from evbilling.period import Period
    from evbilling.read_models.plan import account_plan, changed_accounts, month_plan
    from evbilling.warehouse import connected

    period = Period.parse(args.period)
    with connected(args.url or resolve_url("warehouse"), what="warehouse") as connection:
        plan = month_plan(connection, period)
        if plan is None:
            raise NotReady(
                f"{period} has no plan",
                where="warehouse",
                fix="make one on the month's page, or by bill_month with dry_run",
            )
        if args.account:
            accounts = account_plan(connection, plan, args.account)
            if not accounts:
                raise BadInput(f"the plan of {period} has no account {args.account}", where="--account", fix="check it")
        else:
            accounts = changed_accounts(connection, plan, limit=10_000_000 if args.csv else _SHOWN)
        if args.csv:
            _write_csv(accounts)
        else:
            _print(str(period), plan, accounts, is_one=bool(args.account))
    return 0


def _write_csv(accounts: Sequence[AccountPlan]) -> None:
    from evbilling.csv_output import csv_chunks

    lines = (
        (account.account_id, account.account_name, account.currency, cause.cause, cause.connectors, cause.amount)
        for account in accounts
        for cause in account.causes
    )
    for chunk in csv_chunks(_CSV, lines):
        sys.stdout.buffer.write(chunk)


def _print(period: str, plan: MonthPlan, accounts: Sequence[AccountPlan], *, is_one: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"[bold]Plan {plan.plan_id} of {period}[/bold] (run {plan.run_id}). {plan.says} {plan.compared}")
    console.print(f"sha256 {plan.plan_hash}", style="dim")
    if not is_one:
        console.print(
            f"{plan.statements:,} statements for {plan.connectors:,} connectors, {plan.first_billed:,} accounts for the"
            f" first time; {plan.on_hold:,} accounts on hold"
        )
        for line in plan.currencies:
            rows = [("month before", f"{line.connectors_before:,}", f"{line.total_before:,}", "")]
            rows += [(c.label, f"{c.connectors:+,}", f"{c.amount:+,}", f"{c.accounts:,}") for c in line.causes]
            rows.append(("planned", f"{line.connectors_now:,}", f"{line.total_now:,}", f"{line.accounts:,}"))
            _table(console, line.currency, ("", ">connectors", ">total", ">accounts"), rows)
        held = [(a.account_id, _count(a.expected_connectors), f"{a.expected or 0:,} {a.currency}") for a in plan.held]
        if held:
            _table(console, "On hold", ("account", ">connectors expected", ">amount expected"), held)
    title = "Account" if is_one else "Largest changes"
    lines = []
    for account in accounts:
        figures = (f"{account.connectors_before:,} -> {account.connectors_now:,}", f"{account.total_now:,}")
        state = " (on hold)" if account.is_on_hold else ""
        lines.append((account.account_id + state, *figures, f"{account.change:+,} {account.currency}"))
        lines += [
            (f"  {c.label}", f"{c.connectors:+,}", "", f"{c.amount:+,} {account.currency}") for c in account.causes
        ]
    if lines:
        _table(console, title, ("account, and why", ">connectors", ">total", ">change"), lines)
    elif not is_one:
        console.print("No account differs from the month before.")


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _table(console: Any, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for head in heads:
        table.add_column(head.lstrip(">"), justify="right" if head.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
