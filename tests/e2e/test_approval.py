"""A month that waits for a person, through the real scheduler: approved, rejected, not answered, run again."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from evbilling_local.stack import API_SERVER
from tests.support.browser import running_browser, visitor
from tests.support.stack import CONNECTOR_STATEMENTS, PATIENCE, Stack, command, path

pytestmark = pytest.mark.e2e

# Of these tests alone: from the next month on, months of the shared stack are issued at once again.
CANARY, MADE = "2025-08", "2025-09"
UNANSWERED, REJECTED, BROWSER, WAITS = "2025-10", "2025-11", "2025-12", "2026-01"
POLICY = f"effective_from,mode,canary_statements\n{CANARY},always,3\n{MADE},always,\n2026-02,at_once,\n"


@pytest.fixture(scope="module")
def policy(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy under which the months of these tests wait."""
    file = tmp_path_factory.mktemp("policy") / "policy.csv"
    file.write_text(POLICY, encoding="utf-8")
    assert "3 policies added" in command(stack.state.home, "policy", "load", str(file), "--reason", "a test")
    return file


def ask(stack: Stack, period: str) -> str:
    """The id of a run of `period` that waits for a person."""
    run_id = stack.trigger(f"waits-{period}", partition_key=period)
    wait(stack, run_id, "approve")
    return run_id


def wait(stack: Stack, run_id: str, task_id: str) -> None:
    """Return once this task of the run waits for a person."""
    deadline = time.monotonic() + PATIENCE
    while not any(t.task_id == task_id and t.state == "awaiting_input" for t in stack.tasks(run_id).values()):
        assert time.monotonic() < deadline, stack.tasks(run_id)
        time.sleep(0.5)


def test_a_month_waits_and_is_issued_once_it_is_approved(stack: Stack, policy: Path, full: bool) -> None:
    """By `evbilling approve`, as a user of Airflow: recorded, issued, charged; run again, nothing twice."""
    run_id = ask(stack, WAITS)
    assert stack.statements(WAITS) == 0
    said = command(stack.state.home, "approve", WAITS, "--reason", "looked at it", "--user", "op")
    assert "is approved by op" in said
    assert stack.finish(run_id) == "success"
    assert stack.statements(WAITS) > 20
    query = "select decision, decided_by, actor, reason from finance.plan_approvals where period = %s"
    assert stack.finance(query, WAITS) == [("approved", "person", "op", "looked at it")]
    if full:
        before = stack.published()
        assert stack.bill("waits-again", WAITS) == "success"
        assert stack.published() == before


@pytest.mark.full
def test_a_month_is_approved_in_a_browser(stack: Stack, policy: Path) -> None:
    """On the page Month, as the signed-in user; the page follows the run to its end."""
    run_id = ask(stack, BROWSER)
    base = API_SERVER.url(stack.state)
    with running_browser() as browser, visitor(browser, base) as somebody:
        somebody.sign_in("op", stack.state.airflow_passwords["op"])
        somebody.page.goto(f"{base}/evbilling/months/{BROWSER}")
        somebody.page.get_by_label("Reason").fill("seen in a browser")
        somebody.page.get_by_role("button", name="Issue and charge").click()
        somebody.page.wait_for_selector("[data-run][data-over]", timeout=PATIENCE * 1000)
        assert somebody.page.locator("[data-status]").inner_text() == "Done."
    assert stack.finish(run_id) == "success"
    query = "select actor, reason from finance.plan_approvals where period = %s"
    assert stack.finance(query, BROWSER) == [("op", "seen in a browser")]
    assert stack.statements(BROWSER) > 20


@pytest.mark.full
def test_the_rest_is_issued_after_a_canary_and_a_second_word(stack: Stack, policy: Path) -> None:
    """Two that were picked are issued, charged and mailed; then the run waits again, and the rest is approved apart."""
    run_id = ask(stack, CANARY)
    home = stack.state.home
    assert "not issued yet" in command(home, "approve", CANARY, "--canary")
    others = (
        "select account_id from finance.plan_accounts where period = %s and total_now > 0 and not is_canary limit 2"
    )
    picked = [account for (account,) in stack.finance(others, CANARY)]
    with pytest.raises(AssertionError, match="account nobody gets no statement"):
        command(home, "approve", CANARY, "--reason", "two first", "--canary-accounts", *picked, "nobody")
    said = command(home, "approve", CANARY, "--reason", "two first", "--canary-accounts", *picked)
    assert "the canary of plan" in said
    wait(stack, run_id, "approve_rest")
    issued = "select account_id from finance.statements where kind = 'connector' and period = %s order by 1"
    assert stack.finance(issued, CANARY) == [(account,) for account in sorted(picked)]
    query = "select count(*) from finance.payment_attempts a join finance.statements s using (statement_id) where {}"
    charged = query.format("s.period = %s and s.kind = 'connector' and a.outcome is not null")
    assert stack.finance(charged, CANARY) == [(2,)]
    with pytest.raises(AssertionError, match=f"the rest of {CANARY} waits"):
        command(home, "approve", CANARY, "--reason", "again")
    assert stack.statements(CANARY) == 2
    assert "the rest of plan" in command(home, "approve", CANARY, "--rest", "--reason", "they look right")
    assert stack.finish(run_id) == "success"
    assert stack.statements(CANARY) > 20
    decided = "select scope, decision, actor, reason from finance.plan_approvals where period = %s order by decided_at"
    assert stack.finance(decided, CANARY) == [
        ("canary", "approved", "admin", "two first"),
        ("rest", "approved", "admin", "they look right"),
    ]
    assert stack.finance("select bool_and(is_ok) from finance.tie_out where period = %s", CANARY) == [(True,)]
    before = stack.published()
    assert stack.bill("canary-again", CANARY) == "success"
    assert stack.published() == before


@pytest.mark.full
def test_a_rejection_fails_the_run(stack: Stack, policy: Path) -> None:
    """Nothing is issued, and the log says who rejected it and why."""
    run_id = ask(stack, REJECTED)
    assert "is rejected by admin" in command(stack.state.home, "reject", REJECTED, "--reason", "too many")
    assert stack.finish(run_id) == "failed"
    assert "admin rejected the plan of 2025-11, so nothing was issued: too many" in stack.log(run_id, "record_decision")
    assert stack.statements(REJECTED) == 0


@pytest.mark.full
def test_nobody_s_answer_is_a_rejection(stack: Stack, policy: Path) -> None:
    """Once the deadline has passed, Airflow's scheduler answers with the default, and the record says whose it is."""
    run_id = ask(stack, UNANSWERED)
    with psycopg.connect(stack.state.role_url("airflow", "airflow")) as metadata:
        metadata.execute(
            "update task_instance set trigger_timeout = now() - interval '1 second'"
            " where dag_id = %s and run_id = %s and task_id = 'approve'",
            (CONNECTOR_STATEMENTS, run_id),
        )
    assert stack.finish(run_id) == "failed"
    query = "select decision, decided_by from finance.plan_approvals where period = %s"
    assert stack.finance(query, UNANSWERED) == [("rejected", "deadline")]
    assert stack.statements(UNANSWERED) == 0


@pytest.mark.full
def test_what_is_asked_again_is_answered_for_the_plan_as_it_is(stack: Stack, policy: Path) -> None:
    """A cleared question of Airflow's keeps its old words; the command answers for the plan in the warehouse."""
    run_id = stack.trigger("waits-twice", partition_key=UNANSWERED)
    deadline = time.monotonic() + PATIENCE
    while stack.tasks(run_id).get("approve", None) is None or stack.tasks(run_id)["approve"].state != "awaiting_input":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    stack.api.post(
        f"{path(CONNECTOR_STATEMENTS)}/clearTaskInstances",
        {"dag_run_id": run_id, "task_ids": ["plan", "approve"], "dry_run": False, "only_failed": False},
    )
    while stack.tasks(run_id)["approve"].state != "awaiting_input" or stack.tasks(run_id)["approve"].try_number < 2:
        assert time.monotonic() < deadline, stack.tasks(run_id)
        time.sleep(0.5)
    command(stack.state.home, "approve", UNANSWERED, "--reason", "as it is")
    assert stack.finish(run_id) == "success"
    assert stack.statements(UNANSWERED) > 20


@pytest.mark.full
def test_a_plan_that_was_only_made_is_issued_from_the_shell(stack: Stack, policy: Path) -> None:
    """As by the button of its page: a run of bill_month counts again, waits where the policy says so, and issues it."""
    made = {"period": MADE, "reason": "a test", "dry_run": True}
    assert stack.run("bill_month", "makes-a-plan", conf=made) == "success"
    said = command(stack.state.home, "approve", MADE, "--reason", "looked at it")
    (run_id,) = {word for word in said.split() if word.startswith("manual__")}
    deadline = time.monotonic() + PATIENCE
    while not any(t.state == "awaiting_input" for t in stack.tasks(run_id, "bill_month").values()):
        assert time.monotonic() < deadline, stack.tasks(run_id, "bill_month")
        time.sleep(0.5)
    assert "is approved by admin" in command(stack.state.home, "approve", MADE, "--reason", "as it was")
    assert stack.finish(run_id, "bill_month") == "success"
    assert stack.statements(MADE) > 20
