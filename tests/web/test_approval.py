"""The page Approval, and a month that waits on the page Month: its form answers Airflow as the signed-in user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evbilling.approvals import Mode, Policy, record_policy, recorded_policies
from evbilling.connector_statements import (
    ask_about_rest,
    issue_canary,
    issue_statements,
    plan_statements,
    record_answer,
)
from evbilling.errors import NotReady
from evbilling.services import Services
from tests.support.month import PERIOD, Platform, settle_terms, stage, terms
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

MONTH = f"{PREFIX}/months/2026-11"


class World:
    """A month of two accounts that waits; `plan` plans it once more."""

    def __init__(self, warehouse_db: Any, platform_url: str, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        self.platform.plain_account("a", connectors=3)
        self.platform.save()
        self.services = Services(platform_url, warehouse_db.writer_url, str(evidence))
        settle_terms(self.services.warehouse_url, terms("a"))
        policy = Policy(PERIOD, Mode.ALWAYS, four_eyes=True)
        record_policy(self.services.warehouse_url, policy, "op", "from now on")
        self.plan()

    def plan(self) -> None:
        self.run_id, *_ = stage(self.services)
        self.planned = plan_statements(self.services, self.run_id)

    def record(self, scope: str, *, approved: bool = True, canary: tuple[str, ...] = ()) -> None:
        waiting = self.planned["waiting"]
        record_answer(
            self.services,
            waiting["run_id"],
            plan_id=waiting["plan_id"],
            plan_hash=waiting["plan_hash"],
            scope=scope,
            approved=approved,
            actor="user",
            reason="r",
            canary=canary,
        )

    def form(self, **changes: str) -> dict[str, str]:
        return {
            "decision": "approve",
            "reason": "as agreed",
            "plan_hash": self.planned["plan_hash"],
            "scope": "all",
        } | changes


@pytest.fixture
def world(warehouse_url: Any, platform_db: str, tmp_path: Path) -> World:
    return World(warehouse_url, platform_db, tmp_path / "evidence")


def test_who_may_answers_airflow_for_the_plan_that_was_shown(
    world: World, browser: Callable[..., TestClient], fake_airflow: Any
) -> None:
    """Issue and charge goes to the task that waits, with the user's reason and the plan's hash, and is followed."""
    user = browser("user")
    shown = user.get(MONTH).text
    assert "Waiting for approval" in shown
    assert "for a person to approve its plan" in shown
    assert "has been running" not in shown
    assert '<details class="plan" open>' in shown
    assert "waits for approval" in user.get(f"{PREFIX}/months").text
    assert "<code>ALWAYS-ASK</code>" in shown
    assert f'value="{world.planned["plan_hash"]}"' in shown
    done = user.post(f"{MONTH}/decision", data=world.form())
    assert done.status_code == 303
    assert done.headers["location"].startswith(f"{PREFIX}/runs/connector_statements/manual__2026-11")
    answer = {"reason": "as agreed", "plan_hash": world.planned["plan_hash"]}
    assert fake_airflow.answers == {
        ("manual__2026-11", "approve"): ("user", {"chosen_options": ["Issue and charge"], "params_input": answer})
    }
    again = user.post(f"{MONTH}/decision", data=world.form(decision="reject"))
    assert again.status_code == 404
    assert "answered already" in again.text


def test_the_page_keeps_who_approved_what_was_issued(world: World, browser: Callable[..., TestClient]) -> None:
    """Also when the month has run once more, with nothing to issue, about which nobody is asked."""
    answer = {"actor": "olga", "approved": True, "reason": "looked at it", "scope": "all"}
    planned = {name: world.planned[name] for name in ("plan_id", "plan_hash")}
    record_answer(world.services, world.run_id, **planned, **answer)
    issue_statements(world.services, world.run_id)
    world.plan()
    assert world.planned["statements"] == 0
    assert "looked at it" in browser("viewer").get(MONTH).text


def test_what_is_refused_answers_nothing(world: World, browser: Callable[..., TestClient], fake_airflow: Any) -> None:
    """No right, another plan by now, no reason, four eyes, a paused DAG: each in clear words."""
    viewer = browser("viewer")
    assert "may not approve or reject a month" in viewer.get(MONTH).text
    assert viewer.post(f"{MONTH}/decision", data=world.form()).status_code == 403
    user = browser("user")
    for form, status, words in (
        (world.form(plan_hash="0" * 64), 404, "doesn&#39;t wait any more"),
        (world.form(scope="rest"), 404, "doesn&#39;t wait any more"),
        (world.form(reason=" "), 400, "A decision needs a reason"),
        (world.form(reason="4111 1111 1111 1111"), 400, "looks like a card number"),
        (world.form(decision="perhaps"), 400, "incomplete"),
    ):
        refused = user.post(f"{MONTH}/decision", data=form)
        assert (refused.status_code, words in refused.text) == (status, True), refused.text
    op = browser("op")
    assert "You have changed the approval policy" in op.get(MONTH).text
    assert "somebody else has to approve it" in op.post(f"{MONTH}/decision", data=world.form()).text
    fake_airflow.paused.add("connector_statements")
    assert "is paused in Airflow" in user.post(f"{MONTH}/decision", data=world.form()).text
    fake_airflow.paused.clear()
    seen = world.form()
    world.platform.station("a-2", "a")
    world.platform.save()
    world.plan()
    assert user.post(f"{MONTH}/decision", data=seen).status_code == 404
    assert fake_airflow.answers == {}
    assert op.post(f"{MONTH}/decision", data=world.form(decision="reject")).status_code == 303


def test_a_canary_and_its_rest_are_decided_on_apart(
    world: World, browser: Callable[..., TestClient], fake_airflow: Any
) -> None:
    """The page lists the canary, before and after; a form for the canary doesn't approve the rest."""
    world.platform.plain_account("b")
    world.platform.save()
    settle_terms(world.services.warehouse_url, terms("b"))
    policy = Policy(PERIOD, Mode.ALWAYS, canary_statements=1)
    record_policy(world.services.warehouse_url, policy, "op", "one first")
    world.plan()
    run_id = world.planned["waiting"]["run_id"]
    user = browser("user")
    assert "Waiting for approval" in user.get(MONTH).text
    assert "Pick another canary" in user.get(MONTH).text
    picks = world.form(scope="canary", canary_accounts="nobody\r\na")
    refused = user.post(f"{MONTH}/decision", data=picks)
    assert refused.status_code == 400
    assert "account nobody gets no statement by plan" in refused.text
    asked = user.post(f"{MONTH}/decision", data=picks | {"canary_accounts": " a\r\n\r\na"})
    assert asked.status_code == 303
    answer_canary = ("manual__2026-11", "approve")
    assert set(fake_airflow.answers) == {answer_canary}
    assert fake_airflow.answers[answer_canary][1]["params_input"]["canary_accounts"] == "a"
    world.record("canary", canary=("a",))
    issue_canary(world.services, run_id)
    ask_about_rest(world.services, run_id)
    shown = user.get(MONTH).text
    assert "Issue and charge the rest" in shown
    assert "A-202611-000001" in shown
    assert "1 statement, issued first and picked by" in shown
    assert "Account IDs, one a line" not in shown
    assert user.post(f"{MONTH}/decision", data=world.form(scope="canary")).status_code == 404
    assert user.post(f"{MONTH}/decision", data=world.form(scope="rest", decision="reject")).status_code == 303
    assert set(fake_airflow.answers) == {answer_canary, ("manual__2026-11", "approve_rest")}
    with pytest.raises(NotReady):
        world.record("rest", approved=False)
    shown = user.get(MONTH).text
    assert "Only the canary of November 2026 is issued." in shown
    assert ">Bill November 2026<" in shown
    assert "only the canary issued" in user.get(f"{PREFIX}/months").text
    # The plan whose rest was rejected isn't offered: a run would come to another.
    bill = user.get(f"{PREFIX}/actions/bill-month?period=2026-11").text
    assert "plans the statements that are missing" in bill
    assert "Make the plan" in bill
    run_id, *_ = stage(world.services, airflow_dag_id="bill_month", reason="r", dry_run=True)
    assert plan_statements(world.services, run_id)["outcome"] == "dry_run"
    bill = user.get(f"{PREFIX}/actions/bill-month?period=2026-11").text
    assert "A person approves it on the month" in bill
    assert "Issue and charge 5.95" in bill


def test_the_policy_is_read_by_all_and_changed_by_who_may_change_settings(
    warehouse_url: Any, browser: Callable[..., TestClient]
) -> None:
    """With who and why; an error is beside its field and loses nothing; what was changed meanwhile isn't replaced."""
    page = f"{PREFIX}/approval"
    assert "No policy is recorded" in browser("viewer").get(page).text
    op = browser("op")
    typed = {
        "effective_from": "2026-12",
        "mode": "within_limits",
        "max_money_change_percent": "10",
        "four_eyes": "true",
        "deadline_hours": "48",
        "remind_hours": "12",
        "late_after_hours": "6",
        "reason": "a start",
        "seen": "0",
    }
    wrong = op.post(page, data=typed | {"max_money_change_percent": "ten"})
    assert wrong.status_code == 422
    assert "is not a decimal number" in wrong.text
    assert 'value="ten"' in wrong.text
    saved = op.post(page, data=typed)
    assert saved.status_code == 303
    assert "Saved. The policy applies from 2026-12" in op.get(saved.headers["location"]).text
    late = browser("admin").post(page, data=typed | {"mode": "always", "reason": "stricter"})
    assert late.status_code == 409
    assert "op has recorded another policy meanwhile" in late.text
    assert op.post(page, data=typed | {"reason": "", "mode": "always", "seen": "1"}).status_code == 409
    with Services("", warehouse_url.writer_url, "").warehouse() as connection:
        ((row),) = recorded_policies(connection)
    assert (row.actor, row.reason, row.policy.mode) == ("op", "a start", Mode.WITHIN_LIMITS)
