"""Where the commands find their databases: a variable, or the local environment if one is installed.

A local environment is a module named by the entry point group `evbilling.environment`. It has `register(subcommands)`,
which adds its commands, `url(kind)`, which returns a `postgresql://` URL or raises `NotReady`, `evidence()`,
which returns where its evidence is, and `airflow(user)`, which returns its Airflow with that user's login.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from importlib.metadata import entry_points
from typing import Literal, Protocol, cast

from evbilling.cli.airflow_api import AirflowApi
from evbilling.errors import NotReady

UrlKind = Literal["warehouse", "finance", "platform", "warehouse_admin"]


class Environment(Protocol):
    """What a local environment brings to the command line."""

    def register(self, subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add its commands."""

    def url(self, kind: UrlKind) -> str:
        """The `postgresql://` URL of `kind`; raises `NotReady` if there is no such database."""

    def evidence(self) -> str:
        """The folder or URL of its evidence store; raises `NotReady` if there is none."""

    def airflow(self, user: str) -> AirflowApi:
        """Its Airflow's API, as `user`; raises `NotReady` if there is none."""


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


def resolve_evidence() -> str:
    """The evidence store's folder or URL: the variable `EVIDENCE_URL`, else the local environment's.

    Raises `NotReady` if there is neither.
    """
    if named := os.environ.get("EVIDENCE_URL"):
        return named
    for environment in environments():
        return environment.evidence()
    raise NotReady("no evidence store is named", fix="set EVIDENCE_URL, or give --evidence")


def resolve_airflow(url: str | None, user: str | None) -> AirflowApi:
    """Airflow's API at `url` or AIRFLOW_API_URL, with the login or token of the environment; else the local one's.

    AIRFLOW_API_TOKEN is a token; otherwise `user` or AIRFLOW_API_USER logs in with AIRFLOW_API_PASSWORD. Raises
    `NotReady` if there is no address, or no login for it.
    """
    address = url or os.environ.get("AIRFLOW_API_URL")
    token = os.environ.get("AIRFLOW_API_TOKEN", "")
    name, password = user or os.environ.get("AIRFLOW_API_USER", ""), os.environ.get("AIRFLOW_API_PASSWORD", "")
    if address and (token or (name and password)):
        return AirflowApi(address, name, password, token=token, proxied=True)
    if address:
        raise NotReady(
            "no login for Airflow's API is given",
            where=address,
            fix="set AIRFLOW_API_TOKEN, or AIRFLOW_API_USER and AIRFLOW_API_PASSWORD",
        )
    for environment in environments():
        return environment.airflow(user or "admin")
    raise NotReady("no Airflow is named", fix="give --airflow URL, or set AIRFLOW_API_URL")
