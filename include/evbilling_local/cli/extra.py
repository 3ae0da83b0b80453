"""The extra `[local]`: what only the local environment needs, and the message of a command without it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from evbilling.errors import NotReady

Command = Callable[[argparse.Namespace], int | None]


def needs_local_extra(*modules: str) -> Callable[[Command], Command]:
    """For a command that needs these modules: without one it raises `NotReady` before it does anything."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def checked(args: argparse.Namespace) -> int | None:
            if missing := [name for name in modules if find_spec(name) is None]:
                raise NotReady(
                    f"the local environment isn't installed: {', '.join(missing)} missing",
                    fix="pip install 'evbilling[local]'; in a checkout, run `make setup`",
                )
            return command(args)

        return checked

    return decorate
