"""The local environment's part of the `evbilling` command: entry point of the group `evbilling.environment`."""

from __future__ import annotations

import argparse

from evbilling.cli.airflow_api import AirflowApi
from evbilling.cli.environment import UrlKind
from evbilling.errors import NotReady


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of the stack, the demo platform, the sandbox, the mail sink and the containers."""
    from evbilling_local.cli import containers, platform, servers, stack

    for commands in (stack, platform, servers, containers):
        commands.register(subcommands)


def url(kind: UrlKind) -> str:
    """The URL of `kind` on the local stack's Postgres; raises `NotReady` if there is no stack."""
    from evbilling_local.stack.state import StackState, stack_home

    state = StackState.load(stack_home())
    if state is None:
        raise NotReady(
            f"there is no {kind.replace('_', ' ')} database",
            where=str(stack_home()),
            fix=f"run `evbilling up`, or set {kind.upper()}_URL",
        )
    return state.url(kind)


def evidence() -> str:
    """The folder of the local stack's evidence; raises `NotReady` if there is no stack."""
    from evbilling_local.stack.state import StackState, stack_home

    state = StackState.load(stack_home())
    if state is None:
        raise NotReady("there is no stack yet", where=str(stack_home()), fix="run `evbilling up`, or give --evidence")
    return str(state.home / "evidence")


def airflow(user: str) -> AirflowApi:
    """The local stack's Airflow as one of its users; raises `NotReady` if there is no stack or no such user."""
    from evbilling_local.stack.services import API_SERVER
    from evbilling_local.stack.state import StackState, stack_home

    state = StackState.load(stack_home())
    if state is None:
        raise NotReady(
            "there is no stack yet", where=str(stack_home()), fix="run `evbilling up`, or give --airflow URL"
        )
    if user not in state.airflow_passwords:
        users = ", ".join(state.airflow_passwords)
        raise NotReady(f"its Airflow has no user {user}", where=str(stack_home()), fix=f"give one of {users}")
    return AirflowApi(API_SERVER.url(state), user, state.airflow_passwords[user])
