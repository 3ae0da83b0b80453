"""`evbilling containers`: what the services of docker-compose.yml run besides Airflow itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling_local.containers.health import AIRFLOW_PARTS, SANDBOX

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subcommands: SubParsers) -> None:
    """Add `containers` with `setup`, `demo`, `healthy` and `worker-answers`."""
    containers = subcommands.add_parser("containers", help="for docker-compose.yml: set-up, demo, health checks")
    leaves = containers.add_subparsers(title="commands", metavar="COMMAND", required=True)

    setup = leaves.add_parser("setup", help="make databases, roles and bucket; safe to repeat")
    setup.add_argument("--logins", type=Path, required=True, metavar="FILE", help="libpq's service file")
    setup.add_argument("--connections", type=Path, required=True, metavar="FILE.json")
    setup.set_defaults(run=_setup)

    demo = leaves.add_parser("demo", help="bill a made-up month, where nothing of yours is")
    demo.add_argument("--accounts", type=int, required=True, metavar="N", help="how many to make up; 0: do nothing")
    demo.add_argument("--airflow", required=True, metavar="URL", help="where its API answers")
    demo.add_argument("--web", required=True, metavar="URL", help="where a person finds it")
    demo.add_argument("--gateway", required=True, metavar="URL", help="the sandbox")
    demo.add_argument("--connections", type=Path, required=True, metavar="FILE.json")
    demo.add_argument("--passwords", type=Path, required=True, metavar="FILE.json", help="of Airflow's users")
    demo.set_defaults(run=_demo)

    healthy = leaves.add_parser("healthy", help="exit code 0 if a service says it is healthy, else 1")
    healthy.add_argument("part", choices=[*AIRFLOW_PARTS, SANDBOX])
    healthy.add_argument("url", help="of Airflow's API, or of the sandbox")
    healthy.set_defaults(run=_healthy)

    answers = leaves.add_parser("worker-answers", help="exit code 0 if a Celery worker answers a ping, else 1")
    answers.add_argument("name", help="worker@host, as it calls itself")
    answers.add_argument("--broker-file", type=Path, required=True, metavar="FILE", help="holds the broker's URL")
    answers.set_defaults(run=_worker_answers)


def _setup(args: argparse.Namespace) -> int:
    from evbilling_local.containers.setup import run_setup

    run_setup(args.logins, args.connections)
    return 0


def _demo(args: argparse.Namespace) -> int:
    from evbilling_local.containers.demo import Places, run_demo

    return run_demo(args.accounts, Places(args.airflow, args.web, args.gateway), args.connections, args.passwords)


def _healthy(args: argparse.Namespace) -> int:
    from evbilling_local.containers.health import is_healthy

    return _told(is_healthy(args.part, args.url), f"{args.part} isn't healthy, or {args.url} doesn't answer")


def _worker_answers(args: argparse.Namespace) -> int:
    from evbilling_local.containers.health import worker_answers

    return _told(worker_answers(args.name, args.broker_file), f"{args.name} doesn't answer")


def _told(is_well: bool, otherwise: str) -> int:
    if not is_well:
        print(otherwise, file=sys.stderr)
    return 0 if is_well else 1
