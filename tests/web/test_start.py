"""What happens when the API server starts, which begins and ends the app of the pages with its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import jinja2
import pytest
from fastapi.testclient import TestClient

from evbilling_web import app as pages
from evbilling_web import rendering
from tests.support.web import HTML

pytestmark = pytest.mark.airflow


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the templates that are compiled from now on, none of which is kept from before."""
    real, names = jinja2.Environment.compile, []

    def compile_(self: jinja2.Environment, source: Any, name: str | None = None, *args: Any, **options: Any) -> Any:
        names.append(str(name))
        return real(self, source, name, *args, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", compile_)
    rendering._environment.cache_clear()
    return names


def test_no_page_waits_for_its_template(
    compiled: list[str], token: Callable[[str | None], str], warehouse_url: Any, fake_airflow: Any
) -> None:
    """All are compiled as the server starts, so that the first page doesn't take several times as long as others."""
    served = pages.create_app()
    served.state.airflow = fake_airflow.api
    with TestClient(served, cookies={"_token": token("viewer")}, headers=HTML, follow_redirects=False) as browser:
        before = sorted(compiled)
        assert before == sorted(rendering._environment().list_templates(extensions=["html"]))
        assert browser.get("/statements").status_code == 200
        assert sorted(compiled) == before


def test_a_missing_connection_does_not_keep_the_server_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, auth_manager: Any
) -> None:
    """The server is Airflow's as well; the log says what the pages will say."""
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    with caplog.at_level(logging.WARNING), TestClient(pages.create_app()) as browser:
        assert browser.get("/statements", headers=HTML, follow_redirects=False).status_code == 303
    assert "the pages can't be shown yet" in caplog.text
    assert "AIRFLOW_CONN_WAREHOUSE" in caplog.text
