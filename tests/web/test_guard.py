"""Every route of our pages, with Airflow's real auth manager: nobody gets in without a sign-in."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import airflow_settings  # ruff: ignore[unused-import]  # before Airflow
import pytest

with warnings.catch_warnings():
    # Airflow's own API imports what Starlette's test client calls deprecated.
    warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient` is deprecated")
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from evbilling_web import app as pages

from evbilling.errors import NotReady, TransientError

pytestmark = pytest.mark.airflow

PREFIX = "/evbilling"
ROUTES = [
    (method, route.path.replace("{run_id}", "7"))
    for route in pages.create_app().routes
    for method in sorted(getattr(route, "methods", None) or {"GET"})
]
routes = pytest.mark.parametrize(("method", "path"), ROUTES)
HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
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
def client(auth_manager: Any) -> TestClient:
    """A client of the app, mounted where Airflow mounts it."""
    airflow = FastAPI()
    airflow.mount(PREFIX, pages.create_app())
    return TestClient(airflow, follow_redirects=False)


def token(auth_manager: Any, role: str | None) -> dict[str, str]:
    user = SimpleAuthManagerUser(username="somebody", role=role)
    return {"authorization": f"Bearer {auth_manager.generate_jwt(user)}"}


class Answers:
    """Stands in for the services of a month: a warehouse that answers with one run, evidence with one page."""

    def __init__(self, facts: dict[str, Any] | Exception, page: str = "<p>the page</p>") -> None:
        self.facts = facts
        self.page = page
        self.evidence = self

    @contextmanager
    def warehouse(self) -> Generator[None]:
        if isinstance(self.facts, TransientError):
            raise self.facts
        yield None

    def get_run(self, _connection: None, _run_id: int) -> Answers:
        if isinstance(self.facts, Exception):
            raise self.facts
        return self

    def get_text(self, key: str, sha256: str) -> str:
        assert (key, sha256) == ("k", "s")
        return self.page


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts an `Answers` behind the pages."""

    def put(facts: dict[str, Any] | Exception) -> None:
        stand_in = Answers(facts)
        monkeypatch.setattr("evbilling_airflow.connections.services", lambda *, with_platform: stand_in)
        monkeypatch.setattr("evbilling.warehouse.runs.get_run", stand_in.get_run)

    return put


def test_the_route_table_is_this() -> None:
    """A new page has to be written down here; documentation routes would be open, so there are none."""
    assert ROUTES == [("GET", "/validation/7")]


@routes
def test_a_program_without_a_login_gets_401(client: TestClient, method: str, path: str) -> None:
    """No token: status 401 and JSON, nothing of the page."""
    answer = client.request(method, PREFIX + path)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


@routes
def test_a_person_without_a_login_is_sent_to_it_and_back(client: TestClient, method: str, path: str) -> None:
    """A browser goes to Airflow's login, which leads back to the very page with its query."""
    answer = client.request(method, f"{PREFIX}{path}?a=1&b=2", headers=HTML)
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert (where.netloc, where.path) == ("", "/auth/login")
    assert parse_qs(where.query) == {"next": [f"{PREFIX}{path}?a=1&b=2"]}


@routes
@pytest.mark.parametrize("header", ["Bearer garbage", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer a.b.c"])
def test_a_false_token_opens_nothing(
    client: TestClient, auth_manager: Any, answers: Any, method: str, path: str, header: str
) -> None:
    """What is no token of this Airflow is refused, for a program by status, for a person by the login page."""
    answers({"validation_page": "k", "validation_sha256": "s"})
    assert client.request(method, PREFIX + path, headers={"authorization": header}).status_code in {401, 403}
    assert client.request(method, PREFIX + path, headers=HTML | {"authorization": header}).status_code == 303


@routes
def test_another_airflows_token_opens_nothing(
    client: TestClient, auth_manager: Any, answers: Any, method: str, path: str
) -> None:
    """A token signed with another secret is refused, and so is one that has been tampered with."""
    answers({"validation_page": "k", "validation_sha256": "s"})
    good = token(auth_manager, "ADMIN")["authorization"]
    head, body, signature = good.removeprefix("Bearer ").split(".")
    forged = f"Bearer {head}.{body}.{signature[::-1]}"
    assert client.request(method, PREFIX + path, headers={"authorization": forged}).status_code in {401, 403}
    assert client.request(method, PREFIX + path, headers={"authorization": good}).status_code == 200


@routes
@pytest.mark.parametrize("role", ["VIEWER", "USER", "OP", "ADMIN"])
def test_whoever_may_see_runs_sees_the_page(
    client: TestClient, auth_manager: Any, answers: Any, method: str, path: str, role: str
) -> None:
    """A viewer's login is enough: the pages change nothing."""
    answers({"validation_page": "k", "validation_sha256": "s"})
    answer = client.request(method, PREFIX + path, headers=token(auth_manager, role))
    assert (answer.status_code, answer.text) == (200, "<p>the page</p>")
    assert answer.headers["content-type"].startswith("text/html")


@routes
def test_the_cookie_of_airflows_own_pages_is_enough(
    client: TestClient, auth_manager: Any, answers: Any, method: str, path: str
) -> None:
    """Who is signed in to Airflow's pages needs no second login."""
    answers({"validation_page": "k", "validation_sha256": "s"})
    client.cookies.set("_token", token(auth_manager, "VIEWER")["authorization"].removeprefix("Bearer "))
    assert client.request(method, PREFIX + path, headers=HTML).status_code == 200


@routes
def test_a_login_without_a_role_is_forbidden(
    client: TestClient, auth_manager: Any, answers: Any, method: str, path: str
) -> None:
    """Signed in but without rights: 403, no page, and no way round by the login page."""
    answers({"validation_page": "k", "validation_sha256": "s"})
    answer = client.request(method, PREFIX + path, headers=token(auth_manager, None) | HTML)
    assert answer.status_code == 403
    assert "the page" not in answer.text


@pytest.mark.parametrize(
    ("facts", "status", "says"),
    [
        (NotReady("there is no run 7 in this warehouse"), 404, "there is no run 7"),
        ({}, 404, "Run 7 has not been validated."),
        (TransientError("the warehouse doesn't answer", where="secret.host"), 503, "the warehouse doesn't answer"),
    ],
)
def test_what_isnt_there_is_said_in_words(
    client: TestClient, auth_manager: Any, answers: Any, facts: Any, status: int, says: str
) -> None:
    """An unknown run, one without validation and a silent warehouse each have their status and sentence."""
    answers(facts)
    answer = client.get(f"{PREFIX}/validation/7", headers=token(auth_manager, "VIEWER"))
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("run_id", ["abc", "1.5", "../../etc/passwd", "99999999999999999999999999"])
def test_what_is_no_run_id_is_no_page(client: TestClient, auth_manager: Any, answers: Any, run_id: str) -> None:
    """Any other text in place of the number is refused before the warehouse is asked."""
    answers(AssertionError("the warehouse was asked"))
    answer = client.get(f"{PREFIX}/validation/{run_id}", headers=token(auth_manager, "VIEWER"))
    assert answer.status_code in {404, 422}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/"])
def test_there_are_no_open_documentation_routes(client: TestClient, path: str) -> None:
    """FastAPI's own pages would be open to everybody, so they are off."""
    assert client.get(PREFIX + path).status_code == 404


@pytest.mark.parametrize("role", ["VIEWER", ""])
def test_every_answer_has_the_security_headers(client: TestClient, auth_manager: Any, answers: Any, role: str) -> None:
    """Page or refusal: no foreign script or frame, no guessed type, no copy in a cache."""
    answers({"validation_page": "k", "validation_sha256": "s"})
    headers = client.get(f"{PREFIX}/validation/7", headers=token(auth_manager, role) if role else {}).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
