"""`evbilling containers`: what the one-shots of docker-compose.yml run."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `containers` with `setup` and `demo`."""
    containers = subcommands.add_parser("containers", help="for docker-compose.yml: set-up and demo")
    leaves = containers.add_subparsers(title="commands", metavar="COMMAND", required=True)

    setup = leaves.add_parser("setup", help="make databases, roles and bucket; can be repeated")
    setup.add_argument("--logins", type=Path, required=True, metavar="FILE", help="libpq's service file")
    setup.add_argument("--connections", type=Path, required=True, metavar="FILE.json")
    setup.set_defaults(run=_setup)

    demo = leaves.add_parser("demo", help="bill a made-up month, unless there is data of yours")
    demo.add_argument("--accounts", type=int, required=True, metavar="N", help="how many to make up; 0: do nothing")
    demo.add_argument("--airflow", required=True, metavar="URL", help="where its API answers")
    demo.add_argument("--web", required=True, metavar="URL", help="where a person finds it")
    demo.add_argument("--gateway", required=True, metavar="URL", help="the sandbox")
    demo.add_argument("--connections", type=Path, required=True, metavar="FILE.json")
    demo.add_argument("--passwords", type=Path, required=True, metavar="FILE.json", help="of Airflow's users")
    demo.set_defaults(run=_demo)


def _setup(args: argparse.Namespace) -> None:
    from evbilling_local.containers import run_setup

    run_setup(args.logins, args.connections)


def _demo(args: argparse.Namespace) -> int:
    from evbilling_local.containers import Places, run_demo

    return run_demo(args.accounts, Places(args.airflow, args.web, args.gateway), args.connections, args.passwords)
