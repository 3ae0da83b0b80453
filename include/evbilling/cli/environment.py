"""Where the commands find their databases: a variable, or the local environment if one is installed.

A local environment is a module named by the entry point group `evbilling.environment`. It has `register(subcommands)`,
which adds its commands, and `url(kind)`, which returns a `postgresql://` URL or raises `NotReady`.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from importlib.metadata import entry_points
from typing import Literal, Protocol, cast

from evbilling.errors import NotReady

UrlKind = Literal["warehouse", "finance", "platform", "warehouse_admin"]


class Environment(Protocol):
    """What a local environment brings to the command line."""

    def register(self, subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add its commands."""

    def url(self, kind: UrlKind) -> str:
        """The `postgresql://` URL of `kind`; raises `NotReady` if there is no such database."""


@cache
def environments() -> tuple[Environment, ...]:
    """The installed local environments, none in production."""
    return tuple(cast("Environment", found.load()) for found in entry_points(group="evbilling.environment"))


def resolve_url(kind: UrlKind) -> str:
    """The `postgresql://` URL of `kind`: the variable `WAREHOUSE_URL` or its like, else the local environment's.

    Raises `NotReady` if there is neither. Doesn't connect.
    """
    variable = f"{kind.upper()}_URL"
    named = os.environ.get(variable)
    if named:
        return named
    for environment in environments():
        return environment.url(kind)
    raise NotReady(f"no {kind.replace('_', ' ')} database is named", fix=f"set {variable}, or give --url")
