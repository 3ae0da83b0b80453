"""`evbilling policy`: load and show when a month is issued at once and when a person is asked."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from evbilling.period import Period

SubParsers = argparse._SubParsersAction


def register(subcommands: SubParsers[argparse.ArgumentParser]) -> None:
    """Add `policy` with `load` and `show`."""
    policy = subcommands.add_parser("policy", help="when a month is issued at once, and when a person approves it")
    leaves = policy.add_subparsers(title="commands", metavar="COMMAND", required=True)
    load = leaves.add_parser("load", help="record the policies of a CSV file: all of them or, if one is wrong, none")
    load.add_argument("file", type=Path, metavar="FILE.csv")
    load.add_argument("--actor", help="who sets this (default: the OS user)")
    load.add_argument("--reason", required=True, help="why; kept with the policy")
    load.set_defaults(run=run_load)
    show = leaves.add_parser("show", help="print the policies, the newest first, or the one in force")
    show.add_argument("--period", metavar="YYYY-MM", help="only the policy in force for that month")
    show.set_defaults(run=run_show)
    for leaf in (load, show):
        leaf.add_argument("--url", metavar="URL", help="the warehouse (default: the stack's, or its connection)")


def run_load(args: argparse.Namespace) -> int:
    """Record a file's policies; prints how many were added, and how many were the newest of their month already."""
    from evbilling.approvals import read_policies, record_policy

    policies = read_policies(args.file)
    actor = args.actor or getpass.getuser()
    added = [record_policy(_warehouse(args), policy, actor, args.reason) for policy in policies]
    number = sum(one is not None for one in added)
    print(f"{number:,} policies added, {len(added) - number:,} were recorded already")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print policies as CSV, with who, when and why; 1 if there are none."""
    import csv

    from evbilling.approvals import COLUMNS, policy_for, recorded_policies, texts_of
    from evbilling.warehouse import connected

    with connected(_warehouse(args), what="warehouse") as connection:
        found = recorded_policies(connection)
    if args.period:
        in_force = policy_for(found, Period.parse(args.period))
        found = [in_force] if in_force else []
    if not found:
        print("no approval policy: months are issued at once, unless a scheduled run begins late", file=sys.stderr)
        return 1
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*COLUMNS, "recorded_by", "recorded_at", "reason"])
    for row in found:
        who = (row.actor, f"{row.recorded_at:%Y-%m-%d %H:%M:%S}", row.reason)
        writer.writerow([*texts_of(row.policy).values(), *who])
    return 0


def _warehouse(args: argparse.Namespace) -> str:
    from evbilling.cli.environment import resolve_url

    return args.url or resolve_url("warehouse")
