"""Who gets where: every route of our pages in a whole Airflow, under both auth managers, with each one's own login."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.api_fastapi.app import get_auth_manager

from evbilling_web.rights import Right, is_allowed
from tests.support.airflow_server import BASE_URL, PASSWORD, Airflow, FabAirflow, running_airflow
from tests.support.web import PREFIX, ROLES
from tests.web.test_guard import TABLE

pytestmark = pytest.mark.airflow

routes = pytest.mark.parametrize(("method", "path", "least"), TABLE)
is_page = pytest.mark.parametrize("path", [path for method, path, _ in TABLE if method == "GET"])

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


@routes
def test_each_role(airflow: Airflow, method: str, path: str, least: str) -> None:
    """With a program's token and with a browser's cookie alike: past the guard, or 403 and nothing shown."""
    for role in ROLES:
        for client in (airflow.program(role), airflow.browser(role)):
            answer = client.request(method, PREFIX + path)
            assert answer.status_code != 401
            is_let_in = ROLES.index(role) >= ROLES.index(least)
            assert (answer.status_code != 403) == is_let_in, (role, answer.status_code, answer.text)


@routes
def test_without_a_login(airflow: Airflow, method: str, path: str, least: str) -> None:
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
)
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


MONTH = [("can_read", "DAG:connector_statements"), ("can_read", "DAG Run:connector_statements")]
ACTIONS = {right for right in Right if right is not Right.CHANGE_SETTINGS}


@under_fab
@pytest.mark.parametrize(
    ("role", "permissions", "rights"),
    [
        ("collects", [("can_edit", "DAG:rebill"), ("can_create", "DAG Run:rebill")], {Right.REBILL}),
        ("collects-by-all-runs", [("can_edit", "DAG:rebill"), ("can_create", "DAG Runs")], {Right.REBILL}),
        ("edits-the-dag-alone", [("can_edit", "DAG:rebill")], set()),
        ("starts-runs-alone", [("can_create", "DAG Run:rebill")], set()),
        ("reads-the-dag", [("can_read", "DAG:rebill"), ("can_read", "DAG Run:rebill")], set()),
        ("marks", [("can_edit", "DAG:mark_as_paid"), ("can_create", "DAG Run:mark_as_paid")], {Right.MARK_AS_PAID}),
        ("acts", [("can_edit", "DAGs"), ("can_create", "DAG Runs")], ACTIONS),
        ("manages", [("can_edit", "Variables")], {Right.CHANGE_SETTINGS}),
        ("reads-variables", [("can_read", "Variables")], set()),
    ],
)
def test_a_role_of_ones_own_may_do_what_its_dags_say(
    fab: FabAirflow, role: str, permissions: list[tuple[str, str]], rights: set[Right]
) -> None:
    """Under FAB a role acts by the DAGs that it may trigger, one or all; seeing them is not enough."""
    fab.add_role(role, MONTH + permissions)
    fab.add_user(f"user-{role}", role)
    user = asyncio.run(get_auth_manager().get_user_from_token(fab.token(f"user-{role}")))
    assert {right for right in Right if is_allowed(user, right)} == rights


@pytest.mark.parametrize(
    ("role", "rights"), [("viewer", set()), ("user", ACTIONS), ("op", {*Right}), ("admin", {*Right})]
)
def test_what_each_role_may_do(airflow: Airflow, role: str, rights: set[Right]) -> None:
    """Both auth managers' own roles: a viewer sees, a user acts too, an op changes settings too."""
    user = asyncio.run(get_auth_manager().get_user_from_token(airflow.token(role)))
    assert {right for right in Right if is_allowed(user, right)} == rights
