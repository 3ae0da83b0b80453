"""`evbilling up`, `down`, `status`, `env` and `demo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evbilling_local.stack.state import StackState


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the local stack's commands to the command line."""
    up = subcommands.add_parser("up", help="start the local stack: Postgres and Airflow")
    up.add_argument("--no-airflow", action="store_true", help="only Postgres and its databases")
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


def _up(args: argparse.Namespace) -> int:
    from evbilling_local.stack.lifecycle import bring_up

    state = bring_up(with_airflow=not args.no_airflow, broker_url=args.broker)
    _print_where(state)
    return 0


def _down(_args: argparse.Namespace) -> int:
    from evbilling_local.stack.home import stack_home
    from evbilling_local.stack.lifecycle import take_down

    if not take_down():
        print(f"There is no stack in {stack_home()}.")
    return 0


def _status(_args: argparse.Namespace) -> int:
    from evbilling_local.stack.home import stack_home
    from evbilling_local.stack.lifecycle import look
    from evbilling_local.stack.state import StackState

    state = StackState.load(stack_home())
    if state is None:
        print(f"There is no stack in {stack_home()}.\n  -> run `evbilling up`")
        return 0
    print(f"Stack in {state.home}")
    missing = []
    for part in look(state):
        if part.pid:
            says = f"running  pid {part.pid:<8}{part.where}"
        elif part.is_wanted:
            says = f"NOT RUNNING, though it should; log: {part.log}"
            missing.append(part.name)
        else:
            says = "stopped"
        print(f"  {part.name:<14}{says.rstrip()}")
    if missing:
        print(f"{', '.join(missing)} should run\n  -> run `evbilling up`")
        return 1
    if state.wanted:
        _print_where(state)
    return 0


def _env(_args: argparse.Namespace) -> int:
    from evbilling_local.stack.shell import export_lines

    print("\n".join(export_lines()))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from evbilling_local.demo.demo import run_demo
    from evbilling_local.stack.lifecycle import take_down

    code = run_demo(args.accounts)
    if args.down:
        take_down()
    return code


def _print_where(state: StackState) -> None:
    from evbilling_local.stack.airflow import base_url
    from evbilling_local.stack.console import command
    from evbilling_local.stack.mail import url as mail_url

    print()
    if "api-server" in state.wanted:
        print(f"Airflow     {base_url(state)}   login admin / {state.airflow_passwords['admin']}")
    if "mail-sink" in state.wanted:
        print(f"Mail        {mail_url(state)}")
    if state.broker_url:
        print(f'Workers     eval "$({command()} env)"; airflow celery worker    for each, anywhere')
    print(f'Warehouse   eval "$({command()} env)"; psql "$FINANCE_URL"')
    print(f"Stop        {command()} down")
