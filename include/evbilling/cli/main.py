"""The `evbilling` command. Each package brings its own subcommands; a refusal is one message and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from evbilling import __version__
from evbilling.errors import EvbillingError


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, with a `run` function as each subcommand's default."""
    from evbilling.cli import approval, archive, check, explain, journal, plan, policy, settings, warehouse
    from evbilling.cli.environment import environments

    parser = argparse.ArgumentParser(
        prog="evbilling", description="Bill charge-point operators' accounts per connector, month by month."
    )
    parser.add_argument("--version", action="version", version=f"evbilling {__version__}")
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for environment in environments():
        environment.register(subcommands)
    for commands in (warehouse, settings, policy, plan, explain, approval, check, archive, journal):
        commands.register(subcommands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 it ran and found something wrong, 2 refused."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except EvbillingError as error:
        print(f"evbilling: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("evbilling: interrupted", file=sys.stderr)
        return 130
