"""`evbilling policy`: when a month is issued at once, what is due by when, and what becomes of missed months."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbilling.period import Period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evbilling.missed_months import MissedMonthPolicy
    from evbilling.service_levels import RecordedTimeLimit

SubParsers = argparse._SubParsersAction


def register(subcommands: SubParsers[argparse.ArgumentParser]) -> None:
    """Add `policy` with `load`, `show`, `time-limit`, `time-limits`, `missed-month` and `missed-months`."""
    policy = subcommands.add_parser("policy", help="when a person approves a month, what is due by when, missed months")
    leaves = policy.add_subparsers(title="commands", metavar="COMMAND", required=True)
    load = leaves.add_parser("load", help="record the policies of a CSV file: all of them or, if one is wrong, none")
    load.add_argument("file", type=Path, metavar="FILE.csv")
    load.set_defaults(run=run_load)
    show = leaves.add_parser("show", help="print the policies, the newest first, or the one in force")
    show.add_argument("--period", metavar="YYYY-MM", help="only the policy in force for that month")
    show.set_defaults(run=run_show)
    limit = leaves.add_parser("time-limit", help="set by when something is due, from a day on: evbilling check")
    limit.add_argument("service_level", metavar="SERVICE_LEVEL", help="as in finance.service_levels")
    limit.add_argument("hours", metavar="HOURS", help="after the day's 00:00 UTC, the issue, …; or none: not expected")
    limit.add_argument("--from", dest="effective_from", metavar="YYYY-MM-DD", help="(default: today)")
    limit.set_defaults(run=run_time_limit)
    limits = leaves.add_parser("time-limits", help="print the time limits in force, then all others, as CSV")
    limits.set_defaults(run=run_time_limits)
    missed = leaves.add_parser("missed-month", help="set what becomes of missed months, and print what it decides now")
    missed.add_argument("policy", choices=("bill", "forgive", "ask"))
    missed.add_argument(
        "--account", metavar="ID", help="only of this account (default: of all without one of their own)"
    )
    missed.add_argument("--dry-run", action="store_true", help="only print what it would decide now, without a reason")
    missed.set_defaults(run=run_missed_month)
    recorded = leaves.add_parser(
        "missed-months", help="print the policies of missed months, those in force first, as CSV"
    )
    recorded.set_defaults(run=run_missed_months)
    for leaf in (load, limit, missed):
        leaf.add_argument("--actor", help="who sets this (default: the OS user)")
        leaf.add_argument("--reason", required=leaf is not missed, help="why; kept with what is set")
    for leaf in (load, show, limit, limits, missed, recorded):
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
    return _print(COLUMNS, found, lambda row: texts_of(row.policy).values())


def run_time_limit(args: argparse.Namespace) -> int:
    """Record by when a service level is due; prints it."""
    from evbilling.errors import BadInput
    from evbilling.service_levels import parse_time_limit, set_time_limit
    from evbilling.warehouse import connected, read_clock

    url = _warehouse(args)
    with connected(url, what="warehouse") as connection:
        today = read_clock(connection).date()
    texts = {
        "service_level": args.service_level,
        "hours": args.hours,
        "effective_from": args.effective_from or str(today),
    }
    limit, errors = parse_time_limit(texts, today)
    if limit is None:
        name, what = next(iter(errors.items()))
        where = {"service_level": "SERVICE_LEVEL", "hours": "HOURS", "effective_from": "--from"}[name]
        raise BadInput(what, where=where, fix="correct it; evbilling policy time-limits prints those in force")
    is_new = set_time_limit(url, limit, args.actor or getpass.getuser(), args.reason)
    due = "not expected" if limit.hours is None else f"due after {limit.hours:f} h"
    print(f"{limit.service_level}: {due} from {limit.effective_from} on{'' if is_new else ', as recorded already'}")
    return 0


def run_time_limits(args: argparse.Namespace) -> int:
    """Print every time limit as CSV, with who, when and why; those in force today first."""
    from evbilling.service_levels import time_limits
    from evbilling.warehouse import connected

    with connected(_warehouse(args), what="warehouse") as connection:
        found = time_limits(connection)

    def values(row: RecordedTimeLimit) -> tuple[object, ...]:
        hours = "none" if row.limit.hours is None else f"{row.limit.hours:f}"
        return row.limit.service_level, row.limit.effective_from, hours, "yes" if row.is_in_force else "no"

    return _print(("service_level", "from", "hours", "in_force"), found, values)


def run_missed_month(args: argparse.Namespace) -> int:
    """Record what becomes of missed months; prints that, and what it decides on those that are missed now."""
    from evbilling.missed_months import POLICIES, decisions, set_policy
    from evbilling.warehouse import connected, read_clock

    with connected(_warehouse(args), what="warehouse") as connection:
        found = decisions(connection, read_clock(connection), if_policy=args.policy, if_account_id=args.account)
        is_new = args.dry_run or set_policy(
            connection,
            args.account,
            args.policy,
            actor=args.actor or getpass.getuser(),
            reason=args.reason or "",
        )
    whose = f"account {args.account}" if args.account else "all accounts without a policy of their own"
    dry, known = ("dry run: " if args.dry_run else ""), ("" if is_new else ", as recorded already")
    print(f"{dry}missed months of {whose}: {POLICIES[args.policy]}{known}")
    for one in found:
        print(f"{one.period} {one.account_id}: {one.decision}{f', as {one.why}' if one.why else ''}")
    return 0


def run_missed_months(args: argparse.Namespace) -> int:
    """Print every policy of missed months as CSV, with who, when and why; those in force first."""
    from evbilling.missed_months import policies
    from evbilling.warehouse import connected

    with connected(_warehouse(args), what="warehouse") as connection:
        found = policies(connection)

    def values(row: MissedMonthPolicy) -> tuple[object, ...]:
        return row.policy_id, row.account_id, row.policy, "yes" if row.is_in_force else "no"

    return _print(("policy_id", "account_id", "policy", "in_force"), found, values)


def _print(columns: Sequence[str], found: Sequence[Any], values: Callable[[Any], Iterable[object]]) -> int:
    """Print what was recorded as CSV, a row each: its values in these columns, who, when and why; returns 0."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*columns, "recorded_by", "recorded_at", "reason"])
    for row in found:
        writer.writerow([*values(row), row.actor, f"{row.recorded_at:%Y-%m-%d %H:%M:%S}", row.reason])
    return 0


def _warehouse(args: argparse.Namespace) -> str:
    from evbilling.cli.environment import resolve_url

    return args.url or resolve_url("warehouse")
