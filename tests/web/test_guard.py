"""Every route of our pages, with Airflow's real auth manager: nobody gets in without a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from evbilling.services import Services
from evbilling_web import app as pages
from tests.support.month import Platform, bill, settle_terms, terms
from tests.support.web import HTML, PREFIX, ROLES, TABLE

pytestmark = pytest.mark.airflow

# What stands for each parameter of a path.
# No DAG of our actions, so that nobody asks Airflow.
EXAMPLES = {
    "run_id": "7",
    "mail_id": "7",
    "try_no": "1",
    "name": "app.css",
    "period": "2026-11",
    "statement_id": "A-202611-000001",
    "account_id": "a",
    "dag_id": "nothing",
    "export_id": "7",
    "format_name": "csv",
}
ROUTES = [
    (method, route.path.format_map(EXAMPLES))  # type: ignore[attr-defined]
    for router in pages.ROUTERS
    for route in router.routes
    for method in sorted(getattr(route, "methods", None) or {"GET"})
]


@pytest.fixture
def nobody(app: FastAPI, auth_manager: Any) -> TestClient:
    """A program without a login."""
    return TestClient(app, follow_redirects=False)


def test_the_route_table_is_this() -> None:
    """Every route is in the table; documentation routes would be open, so there are none."""
    assert sorted(ROUTES) == sorted((method, path.partition("?")[0]) for method, path, _ in TABLE)


def test_a_program_without_a_login_gets_401(nobody: TestClient) -> None:
    """No token: status 401 and JSON, nothing of the page."""
    found = {}
    for method, path in ROUTES:
        answer = nobody.request(method, PREFIX + path)
        found[method, path] = (answer.status_code, answer.text)
    assert found == dict.fromkeys(ROUTES, (401, '{"detail":"Not authenticated"}'))


def test_a_person_without_a_login_is_sent_to_it_and_back(nobody: TestClient) -> None:
    """A browser goes to Airflow's login, which leads back to the very page with its query; a form is refused."""
    found, expected = {}, {}
    for method, path in ROUTES:
        answer = nobody.request(method, f"{PREFIX}{path}?a=1&b=2", headers=HTML)
        where = urlsplit(answer.headers.get("location", ""))
        found[method, path] = (answer.status_code, where.netloc, where.path, parse_qs(where.query))
        to_login = (303, "", "/auth/login", {"next": [f"{PREFIX}{path}?a=1&b=2"]})
        expected[method, path] = to_login if method == "GET" else (401, "", "", {})
    assert found == expected


@pytest.mark.parametrize("header", ["Bearer garbage", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer a.b.c"])
def test_a_false_token_opens_nothing(nobody: TestClient, header: str) -> None:
    """What is no token of this Airflow is refused, for a program by status, for a person by the login page."""
    wrong = []
    for method, path in ROUTES:
        program = nobody.request(method, PREFIX + path, headers={"authorization": header}).status_code
        person = nobody.request(method, PREFIX + path, headers=HTML | {"authorization": header}).status_code
        if program != 401 or person != (303 if method == "GET" else 401):
            wrong.append((method, path, program, person))
    assert wrong == []


def test_another_airflows_token_opens_nothing(nobody: TestClient, token: Callable[[str | None], str]) -> None:
    """A token that has been tampered with, or was signed with another secret, is refused."""
    head, body, signature = token("admin").split(".")
    forged = {"authorization": f"Bearer {head}.{body}.{signature[::-1]}"}
    found = {(method, path): nobody.request(method, PREFIX + path, headers=forged) for method, path in ROUTES}
    assert {route: answer.status_code for route, answer in found.items() if answer.status_code != 401} == {}


def test_a_login_without_a_role_is_forbidden(browser: Callable[..., TestClient]) -> None:
    """Signed in but without rights: 403 in words, and no way round by the login page."""
    without_role, found = browser(None), {}
    for method, path in ROUTES:
        answer = without_role.request(method, PREFIX + path)
        found[method, path] = (answer.status_code, "You may not do that" in answer.text)
    assert found == dict.fromkeys(ROUTES, (403, True))


def test_each_role_gets_what_the_table_says(browser: Callable[..., TestClient], warehouse_url: Any) -> None:
    """A user with the role, or one above it, gets past the guard; all others get 403."""
    found, expected = {}, {}
    for role in ROLES:
        signed_in = browser(role)
        for method, path, least in TABLE:
            found[role, method, path] = signed_in.request(method, PREFIX + path).status_code != 403
            expected[role, method, path] = ROLES.index(role) >= ROLES.index(least)
    assert found == expected


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://airflow.test"}, 200),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://airflow.test", "sec-fetch-site": "cross-site"}, 403),
        ({}, 403),
        ({"authorization": "Basic cHJveHk6bG9naW4=", "sec-fetch-site": "cross-site"}, 403),
        ({"authorization": "Bearer ", "origin": "http://evil.test"}, 403),
    ],
)
def test_only_our_own_pages_can_send_forms(
    token: Callable[[str | None], str], headers: dict[str, str], status: int
) -> None:
    """The cookie alone does nothing: a form must come from our own pages, whatever the browser says of it."""
    guarded = pages.create_app()
    guarded.post("/form")(lambda: {"done": True})
    outside = FastAPI()
    outside.mount(PREFIX, guarded)
    client = TestClient(outside, cookies={"_token": token("admin")}, follow_redirects=False)
    assert client.post(f"{PREFIX}/form", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://billing.test", 200),
        ("http://testserver", 403),
        ("http://billing.test", 403),
        ("https://evil.test", 403),
    ],
)
def test_behind_a_proxy_the_origin_is_the_configured_one(
    token: Callable[[str | None], str], monkeypatch: pytest.MonkeyPatch, origin: str, status: int
) -> None:
    """What counts is the address that people type, not the one under which the proxy asks."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://billing.test/airflow")
    guarded = pages.create_app()
    guarded.post("/form")(lambda: {"done": True})
    client = TestClient(guarded, cookies={"_token": token("admin")})
    assert client.post("/form", headers={"origin": origin}).status_code == status


def test_a_program_with_a_token_in_its_header_may_post(token: Callable[[str | None], str]) -> None:
    """No browser sends that header by itself, so nothing has to be said of the origin."""
    guarded = pages.create_app()
    guarded.post("/form")(lambda: {"done": True})
    client = TestClient(guarded)
    assert client.post("/form", headers={"authorization": f"Bearer {token('admin')}"}).json() == {"done": True}


@pytest.mark.postgres
def test_the_validation_page_of_a_run(
    browser: Callable[..., TestClient], warehouse_url: Any, platform_db: str, tmp_path: Path
) -> None:
    """A billed month's run has its page; another number is told not to be a run of this warehouse."""
    platform = Platform(platform_db)
    platform.plain_account("a")
    platform.save()
    settle_terms(warehouse_url.writer_url, terms("a"))
    services = Services(platform_db, warehouse_url.writer_url, f"{tmp_path}/evidence")
    billed = bill(services)
    answer = browser().get(f"{PREFIX}/validation/{billed.run_id}")
    assert answer.status_code == 200
    assert "column_values_to_be_between" in answer.text
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    missing = browser().get(f"{PREFIX}/validation/999")
    assert missing.status_code == 404
    assert "there is no run 999" in missing.text


def test_a_silent_warehouse_is_said_in_words_without_its_address(
    browser: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, warehouse_url: Any
) -> None:
    """503, what is wrong and what to do; where the warehouse is stays in the log."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://writer:secret@127.0.0.1:1/nowhere")
    answer = browser().get(f"{PREFIX}/validation/7")
    assert answer.status_code == 503
    assert "check that it runs" in answer.text
    assert "secret" not in answer.text
    assert "127.0.0.1" not in answer.text


@pytest.mark.parametrize("run_id", ["abc", "1.5", "../../etc/passwd", "99999999999999999999999999"])
def test_what_is_no_run_id_is_no_page(browser: Callable[..., TestClient], run_id: str) -> None:
    """Any other text in place of the number is refused before the warehouse is asked."""
    assert browser().get(f"{PREFIX}/validation/{run_id}").status_code in {404, 422}


@pytest.mark.parametrize("name", ["nothing.css", "../app.py", "..%2Fapp.py", "app.html"])
def test_only_static_files_are_served(browser: Callable[..., TestClient], name: str) -> None:
    """What isn't one of the style sheets and scripts isn't there, wherever it lies."""
    assert browser().get(f"{PREFIX}/static/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/"])
def test_there_are_no_open_documentation_routes(nobody: TestClient, path: str) -> None:
    """FastAPI's own pages would be open to everybody, so they are off."""
    assert nobody.get(PREFIX + path).status_code == 404


@pytest.mark.parametrize("role", ["viewer", ""])
@pytest.mark.parametrize("path", ["/validation/7", "/nowhere"])
def test_every_answer_has_the_security_headers(
    browser: Callable[..., TestClient], warehouse_url: Any, role: str, path: str
) -> None:
    """Page or refusal: no foreign script or frame, no inline script, no guessed type, no copy in a cache."""
    headers = browser(role).get(PREFIX + path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "form-action 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
