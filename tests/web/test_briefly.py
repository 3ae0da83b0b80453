"""What pages keep for some seconds: of each user apart, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.testclient import TestClient

from evbilling_web.briefly import Briefly
from tests.support.fake_airflow import FakeAirflow
from tests.support.web import PREFIX


def test_a_value_is_used_again_until_it_is_too_old() -> None:
    briefly = Briefly(0.05)
    briefly.put("a", 1)
    assert (briefly.get("a"), briefly.get("b")) == (1, None)
    time.sleep(0.06)
    assert briefly.get("a") is None


def test_airflow_is_asked_once_for_several_pages_of_a_user(
    app: FastAPI, fake_airflow: FakeAirflow, token: Callable[[str | None], str], warehouse_url: object
) -> None:
    """A second user's page asks for what that user may see."""
    pages = next(route.app for route in app.routes if getattr(route, "path", None) == PREFIX)
    pages.state.briefly = Briefly(60)
    said = {}
    for role, paused in (("viewer", {"mail_delivery"}), ("viewer", set()), ("op", set())):
        fake_airflow.paused = paused
        browser = TestClient(app, cookies={"_token": token(role)}, headers={"accept": "text/html"})
        text = " ".join(browser.get(f"{PREFIX}/mail").text.split())
        said[role, bool(paused)] = "<code>mail_delivery</code> is paused in Airflow" in text
    assert said == {("viewer", True): True, ("viewer", False): True, ("op", False): False}
