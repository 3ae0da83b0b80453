"""Who gets where: every route of our pages in a whole Airflow, under both auth managers, with each one's own login."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.api_fastapi.app import get_auth_manager

from evbilling_airflow.actions import ACTIONS, MARK_AS_PAID, REBILL
from evbilling_web.rights import CHANGE_SETTINGS, Right, is_allowed, right_to
from tests.support.airflow_server import BASE_URL, PASSWORD, Airflow, FabAirflow, running_airflow
from tests.support.web import PREFIX, ROLES, TABLE

pytestmark = pytest.mark.airflow

PAGES = [path for method, path, _ in TABLE if method == "GET"]

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


def test_each_role(airflow: Airflow) -> None:
    """With a program's token and with a browser's cookie alike: past the guard, or 403 and nothing shown."""
    found, expected = {}, {}
    for role in ROLES:
        for kind, client in (("program", airflow.program(role)), ("browser", airflow.browser(role))):
            for method, path, least in TABLE:
                status = client.request(method, PREFIX + path).status_code
                found[role, kind, method, path] = status if status in {401, 403} else "let in"
                is_let_in = ROLES.index(role) >= ROLES.index(least)
                expected[role, kind, method, path] = "let in" if is_let_in else 403
    assert found == expected


def test_every_answer_has_our_headers(airflow: Airflow) -> None:
    """Behind all of Airflow's own layers too: errors, HEAD, a slash too many, a token that can't be read."""
    person, stranger = airflow.browser("viewer"), airflow.program(None)
    stranger.headers["authorization"] = "Bearer garbage"
    cases = [
        (person, "GET", "/nowhere", 404),
        (person, "GET", "/statements/", 404),
        (person, "PUT", "/statements", 405),
        (person, "HEAD", "/static/app.css", 200),
        (person, "GET", "/months/%00", 404),
        (stranger, "GET", "/statements", 401),
        (stranger, "POST", "/actions/rebill", 401),
        (stranger, "GET", "/statements/", 404),
    ]
    for client, method, path, status in cases:
        answer = client.request(method, PREFIX + path, headers={"host": "evil.test"})
        assert (answer.status_code, answer.headers.get("location")) == (status, None), path
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.content if method != "HEAD" else not answer.content, path


def test_without_a_login(airflow: Airflow) -> None:
    """A program gets 401 and nothing of the page; a person is sent to the login, and back to the very page."""
    program, person = airflow.program(None), airflow.browser(None)
    found, expected = {}, {}
    for method, path, _ in TABLE:
        answer = program.request(method, PREFIX + path)
        to_login = person.request(method, f"{PREFIX}{path}?a=1&b=2")
        where = urlsplit(to_login.headers.get("location", ""))
        is_here = where.netloc in {"", urlsplit(BASE_URL).netloc}
        there = (to_login.status_code, is_here, where.path.rstrip("/"), parse_qs(where.query))
        found[method, path] = (answer.status_code, answer.text, there)
        login = (303, True, "/auth/login", {"next": [f"{PREFIX}{path}?a=1&b=2"]})
        expected[method, path] = (
            401,
            '{"detail":"Not authenticated"}',
            login if method == "GET" else (401, True, "", {}),
        )
    assert found == expected


@under_fab
def test_the_login_form_leads_back(fab: FabAirflow, full: bool) -> None:
    """FAB's own form, filled in: its cookie can't be read by scripts, isn't sent by other sites, and opens the page.

    That each page sends to the login with its own address, the test before says.
    """
    for path in PAGES if full else PAGES[::6]:
        browser = fab.browser(None)
        login = browser.get(f"{PREFIX}{path}?a=1&b=2").headers["location"]
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(login).text)
        assert token, path
        form = {"username": "viewer", "password": PASSWORD, "csrf_token": token[1]}
        answer = browser.post(login, data=form)
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("_token=")]
        assert "HttpOnly" in cookie, path
        assert "SameSite=Lax" in cookie, path
        assert answer.headers["location"] == f"{BASE_URL}{PREFIX}{path}?a=1&b=2"
        assert browser.get(answer.headers["location"]).status_code not in {303, 401, 403}, path


@pytest.mark.parametrize("token", ["garbage", "a.b.c"])
def test_a_false_cookie_leads_to_the_login(airflow: Airflow, token: str) -> None:
    """What is no token of this Airflow opens nothing, and its bearer can sign in anew."""
    wrong = []
    for path in PAGES:
        browser = airflow.browser(None)
        browser.cookies.set("_token", token)
        person = browser.get(PREFIX + path).status_code
        program = airflow.client.get(PREFIX + path, headers={"authorization": f"Bearer {token}"}).status_code
        if person != 303 or program not in {401, 403}:
            wrong.append((path, person, program))
    assert wrong == []


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
ACTING = {right_to(action) for action in ACTIONS}
RIGHTS = {*ACTING, CHANGE_SETTINGS}


@under_fab
@pytest.mark.parametrize(
    ("role", "permissions", "rights"),
    [
        ("collects", [("can_edit", "DAG:rebill"), ("can_create", "DAG Run:rebill")], {right_to(REBILL)}),
        ("collects-by-all-runs", [("can_edit", "DAG:rebill"), ("can_create", "DAG Runs")], {right_to(REBILL)}),
        ("edits-the-dag-alone", [("can_edit", "DAG:rebill")], set()),
        ("starts-runs-alone", [("can_create", "DAG Run:rebill")], set()),
        ("reads-the-dag", [("can_read", "DAG:rebill"), ("can_read", "DAG Run:rebill")], set()),
        ("marks", [("can_edit", "DAG:mark_as_paid"), ("can_create", "DAG Run:mark_as_paid")], {right_to(MARK_AS_PAID)}),
        ("acts", [("can_edit", "DAGs"), ("can_create", "DAG Runs")], ACTING),
        ("manages", [("can_edit", "Variables")], {CHANGE_SETTINGS}),
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
    assert {right for right in RIGHTS if is_allowed(user, right)} == rights


@pytest.mark.parametrize(("role", "rights"), [("viewer", set()), ("user", ACTING), ("op", RIGHTS), ("admin", RIGHTS)])
def test_what_each_role_may_do(airflow: Airflow, role: str, rights: set[Right]) -> None:
    """Both auth managers' own roles: a viewer sees, a user acts too, an op changes settings too."""
    user = asyncio.run(get_auth_manager().get_user_from_token(airflow.token(role)))
    assert {right for right in RIGHTS if is_allowed(user, right)} == rights
