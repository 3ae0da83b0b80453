"""`evbilling platform`: fill the demo platform database from files or with a made-up platform."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling.errors import BadInput

if TYPE_CHECKING:
    from evbilling_local.sample import SampleSummary

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subcommands: SubParsers) -> None:
    """Add `platform` with `load` and `sample`."""
    platform = subcommands.add_parser("platform", help="the demo platform database: load files, make a sample")
    leaves = platform.add_subparsers(title="commands", metavar="COMMAND", required=True)
    load_help = "replace the five tables by a folder's files: all, or nothing if one row is wrong"
    load = leaves.add_parser("load", help=load_help, description=f"{load_help.capitalize()}.")
    load.add_argument("folder", metavar="DIR", help="a folder or its file, s3, gs or http(s) URL")
    load.add_argument("--url", metavar="PLATFORM_URL", help="the platform database (default: the stack's)")
    load.set_defaults(run=run_load)
    _add_sample(leaves)


def _add_sample(leaves: SubParsers) -> None:
    text = "fill the database with a made-up platform, and record its billing settings"
    sample = leaves.add_parser("sample", help=text, description=f"{text.capitalize()}.")
    sample.add_argument("--accounts", type=int, required=True, metavar="N")
    sample.add_argument("--seed", type=int, default=1, metavar="S", help="(default: 1)")
    sample.add_argument("--today", type=_day, metavar="YYYY-MM-DD", help="the history ends here (default: today)")
    sample.add_argument("--connectors-per-account", type=int, default=100, metavar="C", help="(default: 100)")
    sample.add_argument("--settings-out", type=Path, metavar="FILE.csv", help="also write the settings there")
    sample.add_argument("--out", type=Path, metavar="DIR", help="write files there and no database")
    sample.add_argument("--no-settings", action="store_true", help="leave the warehouse's settings alone")
    sample.add_argument("--url", metavar="PLATFORM_URL", help="the platform database (default: the stack's)")
    sample.add_argument("--warehouse-url", metavar="URL", help="the warehouse (default: the stack's)")
    sample.set_defaults(run=run_sample)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day written YYYY-MM-DD") from None


def run_load(args: argparse.Namespace) -> int | None:
    """Load a folder; prints the rows of each table, and columns that were left out."""
    from evbilling.cli.bars import bar
    from evbilling.cli.environment import resolve_url
    from evbilling_local.sample import load_folder

    with bar("Loading the platform") as progress:
        loaded = load_folder(args.url or resolve_url("platform"), args.folder, progress)
    for name, columns in loaded.ignored.items():
        print(f"note: {name} has columns that aren't used: {', '.join(columns)}", file=sys.stderr)
    print(", ".join(f"{rows:,} {name}" for name, rows in loaded.rows.items()))
    return None


def run_sample(args: argparse.Namespace) -> int | None:
    """Make a sample; prints what it has and which accounts are faulty on purpose."""
    from evbilling.cli.bars import bar
    from evbilling.cli.environment import resolve_url
    from evbilling.settings import record_settings, write_settings
    from evbilling_local.sample import sample_settings, write_sample, write_sample_files

    today = args.today or datetime.now(UTC).date()
    size = (args.accounts, args.seed, today, args.connectors_per_account)
    if args.out:
        if args.out.exists() and not args.out.is_dir():
            raise BadInput("is a file, not a folder", where=str(args.out), fix="give a folder")
        with bar("Making up a platform") as progress:
            summary = write_sample_files(args.out, *size, progress=progress)
    else:
        # Both addresses first: a sample without its settings is of no use.
        url = args.url or resolve_url("platform")
        warehouse = None if args.no_settings else args.warehouse_url or resolve_url("warehouse")
        with bar("Making up a platform") as progress:
            summary = write_sample(url, *size, progress=progress)
        if warehouse:
            record_settings(warehouse, sample_settings(*size), "evbilling platform sample", "made-up platform")
    if args.settings_out:
        write_settings(args.settings_out, sample_settings(*size))
    _print_summary(summary)
    return None


def _print_summary(made: SampleSummary) -> None:
    print(
        f"{made.accounts:,} accounts, {made.users:,} users, {made.chargers:,} charger rows, "
        f"{made.connectors:,} connector rows, {made.charges:,} charges, {made.settings:,} settings"
    )
    for account_id, fault in made.faulty.items():
        print(f"faulty on purpose: {account_id}, {fault}")
