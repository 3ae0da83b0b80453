"""Who gets where: every route of our pages in a whole Airflow, under both auth managers, with each one's own login."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from airflows import BASE_URL, PASSWORD, ROLES, Airflow, FabAirflow, running_airflow

from evbilling_web import app as pages

pytestmark = pytest.mark.airflow

PREFIX = "/evbilling"
EVERYBODY = frozenset(ROLES)

# Each route and who gets past the guard. Whoever doesn't is refused with 403, nobody is without a login.
TABLE = {
    ("GET", "/validation/{run_id}"): EVERYBODY,
}
FILLED_IN = {"run_id": "7"}
ROUTES = [(method, path.format(**FILLED_IN), allowed) for (method, path), allowed in TABLE.items()]
routes = pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
is_page = pytest.mark.parametrize("path", [path for method, path, _ in ROUTES if method == "GET"])


# Roles and users of one's own are FAB's alone.
under_fab = pytest.mark.parametrize("airflow", ["fab"], indirect=True)


@pytest.fixture(scope="module", params=["simple", "fab"])
def airflow(request: pytest.FixtureRequest) -> Iterator[Airflow]:
    with running_airflow(request.param) as airflow:
        yield airflow


@pytest.fixture
def fab(airflow: Airflow) -> FabAirflow:
    assert isinstance(airflow, FabAirflow)
    return airflow


def test_the_table_has_every_route() -> None:
    """A new route has to be written down here, with who may use it."""
    found = {
        (method, route.path)
        for route in pages.create_app().routes
        for method in getattr(route, "methods", None) or {"GET"}
    }
    assert found == set(TABLE)


@routes
def test_each_role(airflow: Airflow, method: str, path: str, allowed: frozenset[str]) -> None:
    """With a program's token and with a browser's cookie alike: past the guard, or 403 and nothing shown."""
    for role in ROLES:
        for client in (airflow.program(role), airflow.browser(role)):
            answer = client.request(method, PREFIX + path)
            assert answer.status_code != 401
            assert (answer.status_code != 403) == (role in allowed), (role, answer.status_code, answer.text)


@routes
def test_without_a_login(airflow: Airflow, method: str, path: str, allowed: frozenset[str]) -> None:
    """A program gets 401 and nothing of the page; a person is sent to the login, and back to the very page."""
    answer = airflow.program(None).request(method, PREFIX + path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
    answer = airflow.browser(None).request(method, f"{PREFIX}{path}?a=1&b=2")
    if method != "GET":
        assert answer.status_code == 401
        return
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.netloc in {"", urlsplit(BASE_URL).netloc}
    assert where.path.rstrip("/") == "/auth/login"
    assert parse_qs(where.query) == {"next": [f"{PREFIX}{path}?a=1&b=2"]}


@under_fab
@is_page
def test_the_login_form_leads_back(fab: FabAirflow, path: str) -> None:
    """FAB's own form, filled in: its cookie can't be read by scripts, isn't sent by other sites, and opens the page."""
    browser = fab.browser(None)
    login = browser.get(f"{PREFIX}{path}?a=1&b=2").headers["location"]
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(login).text)
    assert token
    form = {"username": "viewer", "password": PASSWORD, "csrf_token": token[1]}
    answer = browser.post(login, data=form)
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("_token=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert answer.headers["location"] == f"{BASE_URL}{PREFIX}{path}?a=1&b=2"
    assert browser.get(answer.headers["location"]).status_code not in {303, 401, 403}


@is_page
@pytest.mark.parametrize("token", ["garbage", "a.b.c"])
def test_a_false_cookie_leads_to_the_login(airflow: Airflow, path: str, token: str) -> None:
    """What is no token of this Airflow opens nothing, and whoever has it can sign in anew."""
    browser = airflow.browser(None)
    browser.cookies.set("_token", token)
    assert browser.get(PREFIX + path).status_code == 303
    assert airflow.client.get(PREFIX + path, headers={"authorization": f"Bearer {token}"}).status_code in {401, 403}


@under_fab
@pytest.mark.parametrize(
    ("role", "permissions", "sees"),
    [
        ("reads-both", [("can_read", "DAG:connector_statements"), ("can_read", "DAG Run:connector_statements")], True),
        ("reads-its-runs", [("can_read", "DAG:connector_statements"), ("can_read", "DAG Runs")], True),
        ("reads-the-dag-alone", [("can_read", "DAG:connector_statements")], False),
        ("reads-runs-alone", [("can_read", "DAG Runs")], False),
        ("reads-another-dag", [("can_read", "DAG:rebill"), ("can_read", "DAG Run:rebill")], False),
        ("reads-plugins", [("can_read", "Plugins"), ("can_read", "Website")], False),
        ("has-nothing", [], False),
    ],
)  # fmt: skip
def test_a_role_of_ones_own_sees_by_the_months_dag(
    fab: FabAirflow, role: str, permissions: list[tuple[str, str]], sees: bool
) -> None:
    """Under FAB the pages open to whoever may read the DAG `connector_statements` and its runs, and to nobody else."""
    fab.add_role(role, permissions)
    fab.add_user(f"user-{role}", role)
    assert (fab.browser(f"user-{role}").get(f"{PREFIX}/validation/7").status_code != 403) == sees


@under_fab
def test_who_has_been_deactivated_is_signed_out(fab: FabAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token stays good for as long as FAB's cache has its user, half a minute as configured, and no longer."""
    fab.add_user("left", "Admin")
    browser = fab.browser("left")
    assert browser.get(f"{PREFIX}/validation/7").status_code not in {303, 403}
    with fab.security() as security:
        user = security.find_user("left")
        user.active = False
        security.update_user(user)
    fab.forget_users()
    assert browser.get(f"{PREFIX}/validation/7").status_code == 303
