"""`evbilling journal`: what is left of the ledger for the books, exported once, and the chart of accounts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evbilling.books import Export
    from evbilling.evidence import EvidenceStore

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

# Known without the product, so that the command line is quick.
_FORMATS = ("hledger", "beancount", "csv", "datev", "xero", "quickbooks")


def register(subcommands: Subcommands) -> None:
    """Add `journal` with `export`, `list`, `download`, `chart` and `load-chart`."""
    journal = subcommands.add_parser("journal", help="the ledger's postings for the books, each exported once")
    leaves = journal.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = leaves.add_parser("export", help="export what is left of a month, in every format, and write one file")
    export.add_argument("period", metavar="YYYY-MM")
    export.add_argument("--actor", help="who does this (default: the OS user)")
    export.add_argument("--reason", default="journal", help="why; kept with the export")
    export.add_argument("--dry-run", action="store_true", help="only print what would be exported")
    export.set_defaults(run=run_export)
    listed = leaves.add_parser("list", help="print the exports, the newest first")
    listed.set_defaults(run=run_list)
    download = leaves.add_parser("download", help="write a file of an export again, as it was made")
    download.add_argument("export", type=int, metavar="NUMBER", help="as `list` prints it")
    download.set_defaults(run=run_download)
    chart = leaves.add_parser("chart", help="print the chart of accounts in force, as TOML")
    chart.set_defaults(run=run_chart)
    load = leaves.add_parser("load-chart", help="put a chart of accounts in force, for the exports to come")
    load.add_argument("file", type=Path, metavar="FILE.toml")
    load.add_argument("--actor", help="who sets this (default: the OS user)")
    load.add_argument("--reason", required=True, help="why; kept with the chart")
    load.set_defaults(run=run_load_chart)
    for leaf in (export, download):
        leaf.add_argument("--format", choices=_FORMATS, default="csv", help="(default: csv)")
        leaf.add_argument("--out", type=Path, metavar="PATH", help="the file to write (default: its name, here)")
        leaf.add_argument("--evidence", metavar="URL", help="where files are kept (default: EVIDENCE_URL, the stack's)")
    for leaf in (export, listed, download, chart, load):
        leaf.add_argument("--url", metavar="URL", help="the warehouse (default: the stack's, or its connection)")


def run_export(args: argparse.Namespace) -> int:
    """Export a month; prints its sums and writes the file."""
    import getpass

    from evbilling.books import export_journal, left_to_export
    from evbilling.period import Period
    from evbilling.warehouse import connected

    period, url = Period.parse(args.period), _warehouse(args)
    with connected(url, what="warehouse") as connection:
        left = left_to_export(connection, period)
    for one in left.sums:
        print(f"{one.currency} {one.debit_account} <- {one.credit_account}: {one.amount:f}, {one.postings:,} postings")
    if args.dry_run or not left.postings:
        print(f"dry run: {left.postings:,} postings" if left.postings else f"nothing is left to export of {period}")
        return 0
    store = _evidence(args)
    made = export_journal(url, store, period, actor=args.actor or getpass.getuser(), reason=args.reason)
    if made is None:
        print(f"nothing is left to export of {period}: another export has just taken it")
        return 0
    print(f"export {made.export_id}: {made.postings:,} postings")
    _write(args, store, made)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print the exports as CSV, each with the hash of each file."""
    import csv
    import sys

    from evbilling.books import exports
    from evbilling.warehouse import connected

    with connected(_warehouse(args), what="warehouse") as connection:
        found = exports(connection, most=10_000)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["export", "period", "postings", "made_at", "made_by", "reason", *_FORMATS])
    for one in found:
        hashes = [file.sha256 if (file := one.file(name)) else "" for name in _FORMATS]
        when = f"{one.made_at:%Y-%m-%d %H:%M:%S}"
        writer.writerow([one.export_id, one.period, one.postings, when, one.made_by, one.reason, *hashes])
    return 0


def run_download(args: argparse.Namespace) -> int:
    """Write a file of an export, its hash checked."""
    from evbilling.books import one_export
    from evbilling.warehouse import connected

    with connected(_warehouse(args), what="warehouse") as connection:
        found = one_export(connection, args.export)
    _write(args, _evidence(args), found)
    return 0


def run_chart(args: argparse.Namespace) -> int:
    """Print the chart of accounts."""
    from evbilling.books import chart_in_force
    from evbilling.warehouse import connected

    with connected(_warehouse(args), what="warehouse") as connection:
        print(chart_in_force(connection)[1], end="")
    return 0


def run_load_chart(args: argparse.Namespace) -> int:
    """Record a chart of accounts; prints its number."""
    import getpass

    from evbilling.books import read_chart, record_chart
    from evbilling.warehouse import connected

    text = read_chart(args.file)
    with connected(_warehouse(args), what="warehouse") as connection:
        number = record_chart(connection, text, actor=args.actor or getpass.getuser(), reason=args.reason)
    print("this chart is in force already" if number is None else f"chart {number} is in force")
    return 0


def _write(args: argparse.Namespace, store: EvidenceStore, made: Export) -> None:
    from evbilling.books import stored_file
    from evbilling.errors import BadInput

    file, content = stored_file(store, made, args.format)
    out: Path = args.out or Path(file.name)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise BadInput(
            f"can't be written: {error.strerror}",
            where=str(out),
            fix=f"the export is made; write the file with evbilling journal download {made.export_id}",
        ) from None
    print(f"{out}: {file.size:,} bytes, sha256 {file.sha256}")


def _warehouse(args: argparse.Namespace) -> str:
    from evbilling.cli.environment import resolve_url

    return args.url or resolve_url("warehouse")


def _evidence(args: argparse.Namespace) -> EvidenceStore:
    from evbilling.cli.environment import resolve_evidence
    from evbilling.evidence import EvidenceStore

    return EvidenceStore(args.evidence or resolve_evidence())
