"""The local environment's part of the `evbilling` command: entry point of the group `evbilling.environment`."""

from __future__ import annotations

import argparse

from evbilling.cli.environment import UrlKind
from evbilling.errors import NotReady


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of the stack, the demo platform, the sandbox, the mail sink and the containers."""
    from evbilling_local.containers import commands as containers
    from evbilling_local.mail_sink import commands as mail_sink
    from evbilling_local.platform import commands as platform
    from evbilling_local.sandbox import commands as sandbox
    from evbilling_local.stack import commands as stack

    for commands in (stack, platform, sandbox, mail_sink, containers):
        commands.register(subcommands)


def url(kind: UrlKind) -> str:
    """The URL of `kind` on the local stack's Postgres; raises `NotReady` if there is no stack."""
    from evbilling_local.stack.home import stack_home
    from evbilling_local.stack.state import StackState

    state = StackState.load(stack_home())
    if state is None:
        raise NotReady(
            f"there is no {kind.replace('_', ' ')} database",
            where=str(stack_home()),
            fix=f"run `evbilling up`, or set {kind.upper()}_URL",
        )
    return state.url(kind)
