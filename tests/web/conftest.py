"""The pages as a browser gets them: Airflow's real auth manager, a real warehouse, the app where Airflow mounts it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Whichever folder is collected first, there is one Airflow; and worlds are made as in the integration tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "dags"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "integration"))

import airflow_settings  # ruff: ignore[unused-import]

with warnings.catch_warnings():
    # Airflow's own API imports what Starlette's test client calls deprecated.
    warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient` is deprecated")
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

from seen import HTML, PREFIX

from evbilling_web import app as pages
from evbilling_web import warehouse


@pytest.fixture(scope="session")
def auth_manager() -> Any:
    """Airflow's SimpleAuthManager on an empty metadata database."""
    from airflow.utils.db import initdb

    with warnings.catch_warnings():
        # Airflow's own migrations and warnings to itself; nothing of ours runs here.
        warnings.simplefilter("ignore")
        initdb()
        manager = create_auth_manager()
        manager.init()
    return manager


@pytest.fixture
def token(auth_manager: Any) -> Callable[[str | None], str]:
    """A token of a user with this role; the user is called like the role."""

    def made(role: str | None) -> str:
        user = SimpleAuthManagerUser(username=role or "nobody", role=role.upper() if role else None)
        return str(auth_manager.generate_jwt(user))

    return made


@pytest.fixture
def warehouse_url(monkeypatch: pytest.MonkeyPatch, warehouse_db: Any, platform_db: str, tmp_path: Path) -> Any:
    """A fresh warehouse, platform and evidence folder behind the pages, by their Airflow connections."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_db.writer_url)
    monkeypatch.setenv("AIRFLOW_CONN_CHARGING_PLATFORM", platform_db)
    monkeypatch.setenv("AIRFLOW_CONN_EVIDENCE", f'{{"conn_type": "fs", "extra": {{"path": "{tmp_path}/evidence"}}}}')
    yield warehouse_db
    warehouse.close()


@pytest.fixture
def app() -> FastAPI:
    """The pages, mounted where Airflow mounts them."""
    airflow = FastAPI()
    airflow.mount(PREFIX, pages.create_app())
    return airflow


@pytest.fixture
def browser(app: FastAPI, token: Callable[[str | None], str]) -> Callable[..., TestClient]:
    """A browser in which a user with this role is signed in; None: with no role, "": not signed in at all."""

    def opened(role: str | None = "viewer") -> TestClient:
        cookies = {} if role == "" else {"_token": token(role)}
        same_site = {"sec-fetch-site": "same-origin"}
        return TestClient(
            app, follow_redirects=False, cookies=cookies, headers=HTML | same_site, raise_server_exceptions=True
        )

    return opened
