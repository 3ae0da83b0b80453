"""`evbilling settings`: load, set and show the billing settings of accounts."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbilling.errors import BadInput
from evbilling.period import Period

if TYPE_CHECKING:
    from evbilling.settings import RecordedTerms

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


_HEADINGS = (
    "Account",
    "From",
    "Charge connectors",
    "Financial admin",
    "Fee",
    "DC fee",
    "Exclude closed",
    "Exclude private",
    "Tax rate",
    "Recorded by",
    "Recorded at (UTC)",
)


def register(subcommands: SubParsers) -> None:
    """Add `settings` with `load`, `set`, `show` and `limit`."""
    settings = subcommands.add_parser("settings", help="billing settings: load, set, show, limit")
    leaves = settings.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_load(leaves)
    _add_set(leaves)
    _add_show(leaves)
    _add_limit(leaves)


def _leaf(leaves: SubParsers, name: str, help_text: str) -> argparse.ArgumentParser:
    leaf = leaves.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")
    leaf.add_argument("--url", metavar="URL", help="the warehouse (default: the stack's, or its connection)")
    return leaf


def _add_load(leaves: SubParsers) -> None:
    load = _leaf(leaves, "load", "record the settings of a CSV file: all of them or, if one is wrong, none")
    load.add_argument("file", type=Path, metavar="FILE.csv")
    load.add_argument("--actor", help="who sets this (default: the OS user)")
    load.add_argument("--reason", help="why (default: settings load FILE)")
    load.set_defaults(run=run_load)


def _add_set(leaves: SubParsers) -> None:
    change = _leaf(leaves, "set", "record a setting of one account; options not given stay as they are")
    change.add_argument("account", metavar="ACCOUNT")
    change.add_argument("--from", dest="effective_from", required=True, metavar="YYYY-MM")
    flag: Any = argparse.BooleanOptionalAction
    change.add_argument("--charge", dest="charge_connectors", action=flag, help="bill its connectors")
    change.add_argument("--admin", dest="financial_admin_id", metavar="USER", help="who is charged")
    change.add_argument("--fee", dest="fee_per_connector", metavar="X", help="a month, in major units")
    change.add_argument("--dc-fee", dest="fee_per_dc_connector", metavar="Y", help="a fee, or none for the same")
    change.add_argument("--exclude-closed", action=flag, help="don't bill closed chargers")
    change.add_argument("--exclude-private", action=flag, help="don't bill private chargers")
    change.add_argument("--tax-rate", metavar="R", help="a fraction: 7 %% is 0.07")
    change.add_argument("--actor", help="who sets this (default: the OS user)")
    change.add_argument("--reason", required=True, help="why; kept with the setting's audit event")
    change.set_defaults(run=run_set)


def _add_show(leaves: SubParsers) -> None:
    show = _leaf(leaves, "show", "print the settings in force, or one account's history")
    show.add_argument("account", nargs="?", metavar="ACCOUNT")
    show.add_argument("--period", metavar="YYYY-MM", help="the settings in force for that month")
    show.set_defaults(run=run_show)


def _add_limit(leaves: SubParsers) -> None:
    limit = _leaf(leaves, "limit", "set what one person may credit, debit or write off alone on one statement")
    limit.add_argument("currency", metavar="CURRENCY", help="ISO 4217 code: EUR")
    limit.add_argument("amount", metavar="AMOUNT", help="in major units, above which it takes two people; or none")
    limit.add_argument("--actor", help="who sets this (default: the OS user)")
    limit.add_argument("--reason", required=True, help="why; kept in the audit")
    limit.set_defaults(run=run_limit)


def _warehouse(args: argparse.Namespace) -> str:
    from evbilling.cli.environment import resolve_url

    return args.url or resolve_url("warehouse")


def run_load(args: argparse.Namespace) -> int | None:
    """Record a file's settings; prints how many were added, and how many were in force already."""
    from evbilling.cli.bars import bar
    from evbilling.settings import read_settings, record_settings

    reason = args.reason or f"settings load {args.file.name}"
    with bar(f"Recording {args.file.name}"):
        terms = read_settings(args.file)
        result = record_settings(_warehouse(args), terms, args.actor or getpass.getuser(), reason)
    print(f"{result.added:,} settings added, {result.unchanged:,} were in force already")
    return None


def run_set(args: argparse.Namespace) -> int | None:
    """Record one account's setting; prints it, and names later settings that end it."""
    from evbilling.settings import carry_over, effective_settings, record_settings, recorded_settings
    from evbilling.settings.fields import parse_account_id
    from evbilling.warehouse import connected

    effective_from = Period.parse(args.effective_from)
    try:
        account_id = parse_account_id(args.account)
    except BadInput as error:
        raise BadInput(error.what, where="ACCOUNT") from None
    given = _given(args)
    url = _warehouse(args)
    with connected(url, what="warehouse") as connection:
        current = effective_settings(connection, effective_from, account_id)
    terms = carry_over(current[0] if current else None, account_id, effective_from, given)
    result = record_settings(url, [terms], args.actor or getpass.getuser(), args.reason)
    with connected(url, what="warehouse") as connection:
        _print_settings(recorded_settings(connection, effective_from, account_id))
        history = recorded_settings(connection, None, account_id)
    if not result.added:
        print("nothing recorded: this setting was in force already", file=sys.stderr)
    later = sorted({r.terms.effective_from for r in history if r.terms.effective_from > effective_from})
    if later:
        print(f"note: this ends at {later[0]}, where a setting recorded earlier takes effect", file=sys.stderr)
    return None


def _admin(text: str) -> str | None:
    from evbilling.settings.fields import parse_id

    return parse_id(text) or None


def _dc_fee(text: str) -> Decimal | None:
    from evbilling.settings.fields import parse_fee

    return None if text == "none" else parse_fee(text)


def _given(args: argparse.Namespace) -> dict[str, Any]:
    from evbilling.settings.fields import parse_fee, parse_tax_rate

    texts: dict[str, tuple[str, Callable[[str], object]]] = {
        "--admin": ("financial_admin_id", _admin),
        "--fee": ("fee_per_connector", parse_fee),
        "--dc-fee": ("fee_per_dc_connector", _dc_fee),
        "--tax-rate": ("tax_rate", parse_tax_rate),
    }
    flags = ("charge_connectors", "exclude_closed", "exclude_private")
    given = {name: getattr(args, name) for name in flags if getattr(args, name) is not None}
    for option, (name, parse) in texts.items():
        text = getattr(args, name)
        if text is not None:
            try:
                given[name] = parse(text)
            except BadInput as error:
                raise BadInput(error.what, where=option) from None
    return given


def run_limit(args: argparse.Namespace) -> int | None:
    """Record the amount that one person may adjust alone, from now on; prints it."""
    from evbilling.payments.actions import set_adjustment_limit

    set_adjustment_limit(_warehouse(args), args.currency, args.amount, args.actor or getpass.getuser(), args.reason)
    print(f"{args.currency}: {'any amount' if args.amount == 'none' else f'up to {args.amount}'} by one person alone")
    return None


def run_show(args: argparse.Namespace) -> int | None:
    """Print settings: in force now or in `--period`, or one account's whole history; 1 if there are none."""
    from evbilling.settings import recorded_settings
    from evbilling.warehouse import connected, read_clock

    period = Period.parse(args.period) if args.period else None
    with connected(_warehouse(args), what="warehouse") as connection:
        if period is None and args.account is None:
            today = read_clock(connection)
            period = Period(today.year, today.month)
        found = recorded_settings(connection, period, args.account)
    if not found:
        whom = f" of {args.account}" if args.account else ""
        print(f"no setting{whom}{f' in force for {period}' if period else ''}", file=sys.stderr)
        return 1
    _print_settings(found)
    return None


def _print_settings(recorded: Sequence[RecordedTerms]) -> None:
    """A table for people, tab-separated lines for a pipe: a row per setting, in the order given."""
    rows = [_row(setting) for setting in recorded]
    if not sys.stdout.isatty():
        for row in (_HEADINGS, *rows):
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _row(setting: RecordedTerms) -> tuple[str, ...]:
    terms = setting.terms
    return (
        terms.account_id,
        str(terms.effective_from),
        _yes(terms.charge_connectors),
        terms.financial_admin_id or "none",
        f"{terms.fee_per_connector:f}",
        _fee(terms.fee_per_dc_connector),
        _yes(terms.exclude_closed),
        _yes(terms.exclude_private),
        f"{terms.tax_rate:f}",
        setting.actor,
        f"{setting.recorded_at:%Y-%m-%d %H:%M:%S}",
    )


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _fee(fee: Decimal | None) -> str:
    return "same" if fee is None else f"{fee:f}"
