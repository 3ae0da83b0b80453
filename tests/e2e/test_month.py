"""A month through the real scheduler, API and command line, on one local stack: billed, repeated, broken, mended.

The tests run in this order; each bills months of its own.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import EvbillingError
from tests.support.stack import CONNECTOR_STATEMENTS, MONTH, Stack, ended, path

pytestmark = pytest.mark.e2e

PATH = path(CONNECTOR_STATEMENTS)
STEPS = [
    "open_run",
    "extract_inventory",
    "apply_scope_rules",
    "validate",
    "plan",
    "issue_statements",
    "close_run",
    "charge",
    "deliver",
]
# Only where a person is asked.
ASKING = [
    "approve",
    "record_decision",
    *("issue_canary", "charge_canary", "deliver_canary", "approve_rest", "record_rest"),
]


def test_a_partition_key_bills_its_month(stack: Stack, billed: str) -> None:
    """A run asked for with a key issues the month's statements, in few tasks, and all its figures agree."""
    assert stack.statements(MONTH) > 30
    checks = stack.finance("select check_id, is_ok from finance.tie_out where period = %s", MONTH)
    assert checks
    assert [check for check, is_ok in checks if not is_ok] == []
    found = stack.api.get(f"{PATH}/dagRuns/{billed}/taskInstances")["task_instances"]
    states = {ti["task_id"]: ti["state"] for ti in found}
    # Nobody is asked, and no process is started to find that out.
    assert states == dict.fromkeys(STEPS, "success") | dict.fromkeys(ASKING, "skipped")
    assert {ti["pid"] for ti in found if ti["state"] == "skipped"} == {None}
    assert {ti["rendered_map_index"] for ti in found if ti["map_index"] >= 0} == {"part 0"}
    assert {ti["try_number"] for ti in found if ti["state"] == "success"} == {1}


def test_the_list_of_runs_reads_as_a_list_of_months(stack: Stack, billed: str) -> None:
    """The run's note has its month and what came of it, and each step has said how far it was."""
    note = stack.api.get(f"{PATH}/dagRuns/{billed}")["note"]
    statements, mailed = f"{stack.statements(MONTH):,}", r"[\d,]+ mailed"
    assert re.fullmatch(rf"{MONTH}: {statements} statements issued, .*[\d,]+ collected, .*{mailed}.*", note)
    steps = "select step, state from billing.progress where airflow_run_id = %s"
    assert dict(stack.admin("warehouse", steps, billed)) == dict.fromkeys(STEPS, "done")


def test_a_run_is_ended_in_the_moment_in_which_it_begins(stack: Stack, billed: str) -> None:
    """The scheduler writes the run's note meanwhile, and whoever ends the run isn't refused."""
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    stack.trigger("ended", partition_key=MONTH, run_after=later)
    begins = """with begun as (select id from dag_run where run_id = 'ended' for update)
                insert into dag_run_note (dag_run_id, content, created_at, updated_at)
                select id, '2026-10', now(), now() from begun"""
    waits = "select count(*) from pg_stat_activity where datname = 'airflow' and wait_event_type = 'Lock'"
    with psycopg.connect(stack.state.role_url("postgres", "airflow")) as scheduler, ThreadPoolExecutor() as person:
        scheduler.execute(begins)
        end = person.submit(stack.api.patch, f"{PATH}/dagRuns/ended", {"state": "failed"})
        while stack.admin("airflow", waits) == [(0,)]:
            assert not end.done(), end.result()
            time.sleep(0.1)
        scheduler.commit()
        assert end.result()["state"] == "failed"
    assert stack.api.get(f"{PATH}/dagRuns/ended")["note"] == f"{MONTH}: failed"


def test_the_button_leads_to_the_results(stack: Stack, billed: str) -> None:
    """The link on `validate` opens the page of this run for a viewer, and for nobody without a login."""
    link = stack.api.get(f"{PATH}/dagRuns/{billed}/taskInstances/validate/links")["extra_links"]["Validation results"]
    page = stack.web(link, authorization=stack.token("viewer"))
    assert page.status_code == 200
    assert MONTH in page.text
    assert stack.web(link).status_code == 401
    assert stack.web(link, authorization="Bearer garbage").status_code in {401, 403}
    to_login = stack.web(link, accept="text/html")
    assert to_login.status_code == 303
    assert "/auth/login" in to_login.headers["location"]


@pytest.mark.full
def test_the_same_month_again_changes_nothing(stack: Stack, billed: str) -> None:
    """A second run of an issued month succeeds and leaves every row that finance sees as it was."""
    before = stack.published()
    assert stack.bill("again", MONTH) == "success"
    assert stack.published() == before
    assert "0 rows written" in stack.log("again", "issue_statements")


CLEARED = [step if step in {"charge", "open_run"} else pytest.param(step, marks=pytest.mark.full) for step in STEPS]


@pytest.mark.parametrize("task_id", CLEARED[::-1])
def test_any_task_of_a_finished_run_can_be_cleared(stack: Stack, billed: str, task_id: str) -> None:
    """Clearing one task alone runs it again with success and changes nothing that finance sees."""
    before, tries = stack.published(), stack.tasks(billed)[task_id].try_number
    stack.clear(billed, task_id)
    assert stack.finish(billed) == "success"
    assert stack.tasks(billed)[task_id].try_number == tries + 1
    assert stack.published() == before


@pytest.mark.full
def test_two_runs_of_a_month_at_once_bill_it_once(stack: Stack, billed: str, tmp_path: Path) -> None:
    """`airflow dags test` of a second Airflow beside the scheduler: both succeed, and each account is billed once."""
    # On the stack's own metadata database the scheduler would run the tasks of `dags test` too, and deadlock with it.
    own = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{tmp_path}/airflow.db",
    }
    code, said = ended(stack.airflow("db", "migrate", **own))
    assert code == 0, said
    beside = stack.airflow("dags", "test", CONNECTOR_STATEMENTS, "-c", json.dumps({"period": "2026-08"}), **own)
    runs = "select state, opened_at, closed_at from billing.run where period = '2026-08' order by run_id"
    try:
        while not stack.admin("warehouse", runs) and beside.poll() is None:
            time.sleep(0.2)
        by_scheduler = stack.bill("beside", "2026-08")
    finally:
        code, said = ended(beside)
    assert by_scheduler == "success"
    assert code == 0, said
    assert stack.statements("2026-08") > 30
    first, second = stack.admin("warehouse", runs)
    assert first[1] < second[1] < first[2], "the runs did not overlap"
    states = sorted((first[0], second[0]))
    assert states in (["issued", "unchanged"], ["issued", "superseded"])
    query = "select sum(net_amount) from finance.{} where period = '2026-08'"
    assert stack.finance(query.format("statements")) == stack.finance(query.format("statement_lines"))


@pytest.mark.full
def test_a_backfill_waits_while_the_dag_is_paused_then_bills_each_of_its_months(stack: Stack) -> None:
    """`airflow backfill create` over two months: two runs by the scheduler, a set of statements a month."""
    months = ["2026-05", "2026-06"]
    window = ("--from-date", "2026-05-01", "--to-date", f"{months[-1]}-30")
    stack.api.patch(PATH, {"is_paused": True})
    code, said = ended(stack.airflow("backfill", "create", "--dag-id", CONNECTOR_STATEMENTS, *window))
    assert code == 0, said
    runs = stack.api.get(f"{PATH}/dagRuns", run_type="backfill")["dag_runs"]
    assert sorted(run["partition_key"] for run in runs) == months
    # Longer than the scheduler takes to start a run that it may start.
    time.sleep(5)
    waiting = stack.api.get(f"{PATH}/dagRuns", run_type="backfill", state="queued")["dag_runs"]
    assert len(waiting) == len(months)
    stack.api.patch(PATH, {"is_paused": False})
    assert [stack.finish(run["dag_run_id"]) for run in runs] == ["success"] * len(months)
    assert all(stack.statements(period) > 20 for period in months)


def test_no_period_fails_at_once_and_says_so(stack: Stack) -> None:
    """A run with neither key nor Param bills no month, isn't tried again, and its log says what to give."""
    before = stack.published()
    assert stack.finish(stack.trigger("no-period")) == "failed"
    assert "failed at open_run" in stack.api.get(f"{PATH}/dagRuns/no-period")["note"].lower()
    assert stack.tasks("no-period")["open_run"].try_number == 1
    assert "no billing period given" in stack.log("no-period", "open_run")
    assert stack.published() == before


@pytest.mark.parametrize("body", [{"partition_key": "2026-13"}, {"conf": {"period": "2026-13"}}])
def test_what_is_no_month_is_refused_at_the_trigger(stack: Stack, body: dict[str, Any]) -> None:
    """Airflow's API refuses a month that there isn't with status 400; no run is made."""
    with pytest.raises(EvbillingError, match="400"):
        stack.trigger("no-month", **body)
    with pytest.raises(EvbillingError, match="404"):
        stack.api.get(f"{PATH}/dagRuns/no-month")


@pytest.mark.full
def test_a_column_gone_from_the_platform_is_named(stack: Stack) -> None:
    """A platform that lacks a column stops the run before anything is read; mended, the same month is billed."""
    before = stack.published()
    stack.admin("platform", "alter table platform.charger rename scope_status to scope_state")
    try:
        assert stack.bill("no-column", "2026-02") == "failed"
    finally:
        stack.admin("platform", "alter table platform.charger rename scope_state to scope_status")
    assert "platform.charger.scope_status is missing" in stack.log("no-column", "open_run")
    assert stack.tasks("no-column")["open_run"].try_number == 1
    assert stack.published() == before


def test_a_failed_expectation_publishes_nothing(stack: Stack, full: bool) -> None:
    """A critical expectation stops the run at `validate`; its page tells why; mended, the month is billed after all."""
    before = stack.published()
    some = "where abs(hashtext(charger_id)) % 5 <> 0"
    stack.admin("platform", f"update platform.charger set scope_status = 'Was ' || scope_status {some}")
    try:
        assert stack.bill("nonsense", "2026-02") == "failed"
    finally:
        stack.admin("platform", f"update platform.charger set scope_status = substr(scope_status, 5) {some}")
    states = {task_id: task.state for task_id, task in stack.tasks("nonsense").items()}
    assert states["validate"] == "failed"
    assert {states[later] for later in STEPS[STEPS.index("validate") + 1 :]} == {"upstream_failed"}
    assert "known scope_status" in stack.log("nonsense", "validate")
    assert stack.published() == before

    link = stack.api.get(f"{PATH}/dagRuns/nonsense/taskInstances/validate/links")["extra_links"]["Validation results"]
    page = stack.web(link, authorization=stack.token("viewer"))
    assert page.status_code == 200
    assert "known scope_status" in page.text

    if full:
        assert stack.bill("mended", "2026-02") == "success"
        assert stack.statements("2026-02") > 20
