"""All of Airflow's web server in this process, under either auth manager: its own login, cookies and middlewares."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support import airflow_settings  # before Airflow

with warnings.catch_warnings():
    # Airflow's own API imports what Starlette's test client calls deprecated.
    warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient` is deprecated")
    from airflow.api_fastapi import app as airflow_app
    from fastapi.testclient import TestClient

SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
MANAGERS = {"simple": SIMPLE, "fab": FAB}
ROLES = ("viewer", "user", "op", "admin")
BASE_URL = os.environ["AIRFLOW__API__BASE_URL"]
PASSWORD = "secret of nobody"


class Airflow:
    """A running web server with a user of each of `ROLES`, named after it."""

    def __init__(self, name: str, client: TestClient, passwords: Mapping[str, str]) -> None:
        self.name = name
        self.client = client
        self.passwords = dict(passwords)
        self._tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        """What Airflow's login gives the user, of whom it is asked once."""
        if user not in self._tokens:
            login = {"username": user, "password": self.passwords[user]}
            answer = self.client.post("/auth/token", json=login)
            assert answer.status_code == 201, answer.text
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def browser(self, user: str | None) -> TestClient:
        """A browser of that user: the cookie of Airflow's login in it, and nothing followed."""
        client = TestClient(self.client.app, base_url=BASE_URL, follow_redirects=False)
        client.headers.update({"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin"})
        if user:
            client.cookies.set("_token", self.token(user))
        return client

    def program(self, user: str | None) -> TestClient:
        """A program of that user: the token in each request's header."""
        client = TestClient(self.client.app, base_url=BASE_URL, follow_redirects=False)
        if user:
            client.headers["authorization"] = f"Bearer {self.token(user)}"
        return client


class FabAirflow(Airflow):
    """Under FAB roles and users are made as its pages and commands make them."""

    @contextmanager
    def security(self) -> Generator[Any]:
        """FAB's security manager."""
        manager = airflow_app.get_auth_manager()
        with manager.flask_app.app_context():  # type: ignore[attr-defined]
            yield manager.security_manager  # type: ignore[attr-defined]

    def add_user(self, user: str, *roles: str) -> None:
        """A user with these roles, who signs in with `PASSWORD`."""
        with self.security() as security:
            found = [security.find_role(role) for role in roles]
            assert all(found), roles
            assert security.add_user(user, user, "Test", f"{user}@fab.test", found, password=PASSWORD)
        self.passwords[user] = PASSWORD

    def add_role(self, role: str, permissions: Iterable[tuple[str, str]]) -> None:
        """A role with these permissions, each of which exists already: `airflow roles add-perms` makes none."""
        with self.security() as security:
            made = security.add_role(role)
            for action, resource in permissions:
                permission = security.get_permission(action, resource)
                assert permission, f"FAB knows no {action} on {resource}"
                security.add_permission_to_role(made, permission)

    def forget_users(self) -> None:
        """What happens after `[fab] cache_ttl` seconds, 30 if it isn't set."""
        airflow_app.get_auth_manager().cache.clear()  # type: ignore[attr-defined]

    def know_dags(self, dag_ids: Iterable[str]) -> None:
        """Make the permissions of DAGs, as the DAG processor does for each that it has parsed."""
        with self.security() as security:
            for dag_id in dag_ids:
                security.sync_perm_for_dag(dag_id)


@contextmanager
def running_airflow(name: str) -> Generator[Airflow]:
    """The web server under `simple` or `fab`, with all that it mounts: our pages are a plugin there."""
    from airflow.utils.db import initdb

    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("AIRFLOW__CORE__AUTH_MANAGER", MANAGERS[name])
        settings.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(f"{role}:{role}" for role in ROLES))
        # The form is filled in once a page, more often than FAB lets a person try.
        settings.setenv("AIRFLOW__FAB__AUTH_RATE_LIMITED", "false")
        # Other tests of this process have an auth manager of their own, which they get back.
        before = airflow_app._AuthManagerState.instance
        airflow_app.purge_cached_app()
        with warnings.catch_warnings():
            # Airflow's and FAB's own migrations and warnings to themselves.
            warnings.simplefilter("ignore")
            initdb()
            client = TestClient(airflow_app.create_app(apps="core"), base_url=BASE_URL, follow_redirects=False)
        try:
            with client:
                yield _simple(client) if name == "simple" else _fab(client)
        finally:
            airflow_app.purge_cached_app()
            airflow_app._AuthManagerState.instance = before


def _simple(client: TestClient) -> Airflow:
    manager: Any = airflow_app.get_auth_manager()
    return Airflow("simple", client, manager.get_passwords())


def _fab(client: TestClient) -> Airflow:
    airflow = FabAirflow("fab", client, {})
    for role in ROLES:
        airflow.add_user(role, role.capitalize())
    airflow.know_dags(sorted(path.stem for path in airflow_settings.DAGS.glob("*.py")))
    return airflow
