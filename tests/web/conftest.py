"""The pages as a browser gets them: Airflow's real auth manager, a real warehouse, the app where Airflow mounts it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import airflow_settings  # ruff: ignore[unused-import]  # before Airflow

with warnings.catch_warnings():
    # Airflow's own API imports what Starlette's test client calls deprecated.
    warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient` is deprecated")
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

from evbilling_web import app as web_app
from evbilling_web import warehouse
from evbilling_web.briefly import Briefly
from tests.support.web import HTML, PREFIX


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


@pytest.fixture(scope="session")
def made_app() -> FastAPI:
    """The pages' app, made once: what it keeps in its state, each test has anew in `app`."""
    return web_app.create_app()


@pytest.fixture
def app(made_app: FastAPI, fake_airflow: Any) -> FastAPI:
    """The pages, mounted where Airflow mounts them, with a fake of its API."""
    airflow = FastAPI()
    made_app.state.airflow = fake_airflow.api
    made_app.state.briefly = Briefly(0)  # each page of a test is to be as things are
    airflow.mount(PREFIX, made_app)
    return airflow


@pytest.fixture
def fake_airflow(auth_manager: Any) -> Any:
    """Airflow's API as the pages see it."""
    from tests.support.fake_airflow import FakeAirflow

    return FakeAirflow()


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


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, fake_airflow: Any, browser: Callable[..., TestClient]) -> Any:
    """Puts a world behind the pages, and a fake Airflow."""
    from tests.support.action_pages import ActionPages
    from tests.support.payments import KEY, PaymentWorld

    def served(world: PaymentWorld) -> ActionPages:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", world.services.warehouse_url)
        monkeypatch.setenv("AIRFLOW_CONN_CHARGING_PLATFORM", world.services.platform_url)
        monkeypatch.setenv("AIRFLOW_CONN_EVIDENCE", f"file://{world.services.evidence_url}")
        gateway = {"conn_type": "http", "host": world.sandbox.url, "password": KEY, "extra": {"rate_per_second": 500}}
        monkeypatch.setenv("AIRFLOW_CONN_PAYMENT_GATEWAY", json.dumps(gateway))
        return ActionPages(world, fake_airflow, browser)

    yield served
    warehouse.close()


@pytest.fixture
def pages(postgres: Any, tmp_path: Path, serve: Any) -> Any:
    """Four statements of 5 to 8 EUR net behind the pages, with a fake Airflow.

    The first failed for good, the second is paid, the third has no payment method, the fourth may be tried again.
    """
    from tests.support.payments import HARD, SOFT, VISA, payment_world

    with payment_world(postgres, tmp_path, 4, methods=(HARD, VISA, None, SOFT)) as world:
        world.charge()
        yield serve(world)


@pytest.fixture(scope="module")
def shared_world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same with a fifth statement, for what changes nothing."""
    from tests.support.payments import HARD, SOFT, VISA, payment_world

    with payment_world(postgres, tmp_path_factory.mktemp("shared"), 5, methods=(HARD, VISA, None, SOFT, HARD)) as world:
        world.charge()
        yield world


@pytest.fixture
def shared_pages(shared_world: Any, serve: Any) -> Any:
    """The shared world behind the pages."""
    return serve(shared_world)
