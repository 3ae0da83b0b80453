"""Following the run of an action: each state in words, why nothing happens, what came of it, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request

from evbilling_web.links import return_path
from tests.support.action_pages import ActionPages, words
from tests.support.fake_airflow import long_ago
from tests.support.payments import KEY, VISA
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

PAYMENT = {"reference": "bank 4711", "reason": "paid by transfer", "paid_on": "2026-11-05"}


def started(pages: ActionPages, name: str = "mark-as-paid", place: int = 0, **query: str) -> str:
    """Start an action; the address of its run below the app."""
    form = pages.form(name, pages.world.ids[place], **query)
    answer = pages.send(name, form, **(PAYMENT if name == "mark-as-paid" else {"reason": "again"}))
    assert answer.status_code == 303
    return str(answer.headers["location"]).removeprefix(PREFIX)


def test_each_state_in_words_and_when_it_is_asked_again(pages: ActionPages) -> None:
    """Waiting, at work, done: a page without scripts loads itself again until it is over, and then no more."""
    place = started(pages)
    run = pages.airflow.only()
    for state, task_state, says in (
        ("queued", None, "Waiting for Airflow to start the run"),
        ("running", "running", "Running"),
    ):
        run.state, run.task_state = state, task_state
        page = pages.get(place).text
        assert says in words(page)
        assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
        assert " data-over" not in page
        assert 'role="status"' in page
    pages.airflow.work()
    page = pages.get(place).text
    assert "Done." in words(page)
    assert "noscript" not in page
    assert " data-over" in page


def test_a_run_that_waits_long_says_what_to_look_at(pages: ActionPages) -> None:
    """Not at once, but then: the scheduler; and once it has begun, workers and pools."""
    place = started(pages)
    run = pages.airflow.only()
    assert "scheduler" not in words(pages.get(place).text)
    long_ago(run)
    assert "Check that Airflow's scheduler is running" in words(pages.get(place).text)
    run.state, run.task_state = "running", "queued"
    assert "Check that an Airflow worker is running, and Airflow's pools" in words(pages.get(place).text)


def test_a_service_that_doesnt_answer_is_named_while_airflow_tries_again(
    pages: ActionPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway is away: the run goes on by itself, says why it waits, and ends well once it is back."""
    pages.world.set_method("a00000", VISA)
    place = started(pages, "rebill")
    answers = {"conn_type": "http", "host": pages.world.sandbox.url, "password": KEY}
    monkeypatch.setenv("AIRFLOW_CONN_PAYMENT_GATEWAY", json.dumps(answers | {"host": "http://127.0.0.1:1"}))
    pages.airflow.work()
    said = words(pages.get(place).text)
    assert "Running" in said
    assert "the mail server didn't answer" in said
    assert "Airflow retries automatically" in said
    assert "127.0.0.1" not in said
    monkeypatch.setenv("AIRFLOW_CONN_PAYMENT_GATEWAY", json.dumps(answers))
    pages.airflow.work()
    assert "Done." in words(pages.get(place).text)


def test_a_failed_run_says_why(pages: ActionPages) -> None:
    """The task's own words: what became of each statement, and what to do."""
    place = started(pages, "rebill", 3)
    waiting, pages.airflow.runs = pages.airflow.runs, {}
    pages.do("mark-as-paid", pages.world.ids[3], **PAYMENT)
    pages.airflow.runs = waiting
    pages.airflow.work()
    page = pages.get(place)
    said = words(page.text)
    assert page.status_code == 200
    assert f"Failed: no statement is charged: {pages.world.ids[3]}: not charged: it is paid: nothing is due" in said
    assert "see the statement's attempts in finance.payment_attempts" in said


def test_a_failed_run_that_left_no_words_points_to_its_log(pages: ActionPages) -> None:
    """A fault of the program or a killed worker: no invented reason."""
    place = started(pages)
    run = pages.airflow.only()
    run.state = run.task_state = "failed"
    said = words(pages.get(place).text)
    assert "The run failed without giving a reason." in said
    assert "See its log in Airflow." in said


def test_it_leads_to_the_run_in_airflow_and_back_to_where_it_came_from(pages: ActionPages) -> None:
    """The run's own page, the statement, and the list with the filter that it was asked for from."""
    came_from = "/statements?status=Billing+failure&account=a%26b"
    place = started(pages, back=came_from)
    pages.airflow.work()
    page = pages.get(place).text
    run = pages.airflow.only()
    assert f'href="/dags/mark_as_paid/runs/{run.run_id}" data-airflow' in page
    assert f'href="{PREFIX}/statements/{pages.world.ids[0]}"' in page
    assert f'href="{PREFIX}/statements?status=Billing+failure&amp;account=a%26b" data-close' in page


@pytest.mark.parametrize("wording", ["succeeded: all is well", "not charged: declined"])
def test_rewording_a_result_changes_no_outcome(
    pages: ActionPages, monkeypatch: pytest.MonkeyPatch, wording: str
) -> None:
    """Of two statements one is declined and one is charged, whatever the words for it are."""
    _, _, without, softly = pages.world.ids
    pages.world.set_method("a00002", VISA)
    monkeypatch.setattr("evbilling_web.actions.following.describe", lambda _: wording)
    said = pages.do("rebill", without, softly, reason="new card")
    assert "Done in part. It didn't work for 1 of 2 statements." in said
    assert f"{softly} Name of a00003 Billing failure 9.52 EUR due {wording}" in said


def test_results_of_another_version_are_not_guessed(pages: ActionPages) -> None:
    """Rows that this version can't read are neither a success nor a failure."""
    place = started(pages)
    pages.airflow.work()
    pages.airflow.only().xcoms["record_payment", "return_value"] = [f"{pages.world.ids[0]}: succeeded"]
    said = words(pages.get(place).text)
    assert "This page can't read the run's results. See its log in Airflow." in said
    assert "Done." not in said


def test_whoever_sees_runs_sees_this_one(pages: ActionPages) -> None:
    """A viewer follows what somebody else has started."""
    place = started(pages)
    assert "Requested by user" in words(pages.get(place, role="viewer").text)


@pytest.mark.parametrize("dag_id", ["connector_statements", "correct_statements", "nothing", "..%2F.."])
def test_only_the_runs_of_our_actions_are_shown(browser: Callable[..., Any], dag_id: str) -> None:
    """For any other DAG there is Airflow itself."""
    assert browser().get(f"{PREFIX}/runs/{dag_id}/x").status_code == 404


def test_a_run_that_isnt_there(browser: Callable[..., Any]) -> None:
    """404 in words, also for a name that no run could have."""
    for run_id in ("nothing", "%3Cscript%3E", "a%20b", "x" * 300):
        answer = browser().get(f"{PREFIX}/runs/rebill/{run_id}")
        assert answer.status_code == 404
        assert "<script>" not in answer.text


# ---- The way back


def request(referer: str = "", root: str = PREFIX) -> Request:
    headers = [(b"referer", referer.encode())] if referer else []
    return Request({"type": "http", "root_path": root, "headers": headers})


@pytest.mark.parametrize(
    "given",
    [
        "/statements",
        "/statements?status=Paid&status=Partly+paid&q=A-2026",
        "/statements/A-202611-000001",
        "/accounts/acc%20ount",
        "/months/2026-11",
        "/mail?state=failed",
    ],
)
def test_the_way_back_is_a_page_of_ours(given: str) -> None:
    """Given as path below the app, or as a browser sees it; else the page that led here."""
    assert return_path(request(), given) == given
    assert return_path(request(), PREFIX + given) == given
    assert return_path(request(root=f"/af{PREFIX}"), f"/af{PREFIX}{given}") == given
    assert return_path(request(f"http://airflow.test{PREFIX}{given}"), None) == given


@pytest.mark.parametrize(
    "given",
    [
        "https://evil.test/statements",
        "//evil.test/statements",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "/statements@evil.test",
        "/statements//evil.test",
        "/statements/../../logout",
        "/statements/..",
        "/statements/%2e%2E",
        "/statements\r\nSet-Cookie: a=b",
        "/statements?a=\r\nb",
        "/statements?a=\u2028b",
        "/statements/<script>",
        "/statements#@evil.test",
        "/actions/rebill?statement=A-202611-000001",
        "/dags/rebill",
        "/logout",
        "/evbilling",
        "",
        "x",
        "/statements?" + "a" * 3_000,
    ],
)
def test_nothing_else_is_a_return_path(given: str) -> None:
    """No other site, no other part of this one, nothing that a browser could read as such."""
    assert return_path(request(), given) is None


def test_a_way_back_that_leads_elsewhere_is_left_out(pages: ActionPages) -> None:
    """The page offers the list instead, and the form doesn't carry it on."""
    page = pages.ask("rebill", pages.world.ids[3], back="https://evil.test/")
    assert "evil.test" not in page.text
    place = started(pages, back="//evil.test/statements")
    assert "evil" not in place
    assert "evil" not in pages.get(f"{place}?back=//evil.test").text
