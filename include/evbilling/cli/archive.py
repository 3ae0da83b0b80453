"""`evbilling archive`: a period's decisions into Parquet files, and out of the warehouse."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subcommands: Subcommands) -> None:
    """Add `archive`."""
    text = "copy an old period's decisions to Parquet files; with --drop also take them out of the warehouse"
    archive = subcommands.add_parser("archive", help=text, description=f"{text[0].upper()}{text[1:]}.")
    archive.add_argument("period", metavar="YYYY-MM")
    archive.add_argument("--to", required=True, metavar="FOLDER", help="a folder, or an s3:// or gs:// URL")
    archive.add_argument("--url", metavar="URL", help="the warehouse as its owner (default: the local stack's)")
    archive.add_argument("--drop", action="store_true", help="drop the decisions once the files are read back")
    archive.add_argument(
        "--keep-months", type=_months, default=13, metavar="N", help="drop none of the last N (default: 13)"
    )
    archive.add_argument("--actor", help="who does this (default: the OS user)")
    archive.set_defaults(run=run_archive)


def run_archive(args: argparse.Namespace) -> int:
    """Archive a period; prints where its files are, and what was dropped."""
    import getpass

    from evbilling.archive import archive_period, drop_period
    from evbilling.cli.bars import bar
    from evbilling.cli.environment import resolve_url
    from evbilling.evidence import EvidenceStore
    from evbilling.period import Period
    from evbilling.warehouse import connected, read_clock

    period, store = Period.parse(args.period), EvidenceStore(args.to)
    url, actor = args.url or resolve_url("warehouse_admin"), args.actor or getpass.getuser()
    if args.drop:
        with connected(url, what="warehouse") as connection:
            today = read_clock(connection).date()
    with bar(f"Archiving {period}") as progress:
        if args.drop:
            done = drop_period(
                url, period, store, actor=actor, today=today, keep_months=args.keep_months, progress=progress
            )
        else:
            done = archive_period(url, period, store, actor=actor, progress=progress)
    print(
        f"{done.sums.decisions:,} decisions of {period} in {len(done.files)} file(s) below {period}/archive:"
        f" {store.name}{'' if done.is_new else ', recorded before'}"
    )
    if args.drop:
        print(f"{done.dropped:,} decisions dropped from the warehouse")
    return 0


def _months(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of months, 1 or more")
    return int(text)
