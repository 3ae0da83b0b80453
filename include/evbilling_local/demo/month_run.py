"""A month from beginning to end through a running Airflow: its two DAGs, one after the other, and their result."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from evbilling.approvals import answer_of, asked_of, decisions_of, question_about, task_path
from evbilling.errors import EvbillingError, TransientError
from evbilling.period import Period
from evbilling.warehouse import connected
from evbilling_local.demo.dag_run import DagRunner, TaskState, interruptible, shown_tasks
from evbilling_local.demo.month_report import count_rows, print_month
from evbilling_local.stack import AirflowApi

# The 1st of the month and its last day.
DAG_IDS = ("connector_statements", "account_statements")
_LOGS_SHOWN = 3
_PATIENCE = 180.0
_POLL_SECONDS = 0.5
# Nobody answers at once. A task that is answered before Airflow has noticed the end of its process counts as failed.
_THINKING = 5.0
_REASON = "the demo's month: its change by cause is as expected"


def month_to_bill() -> Period:
    """The month before the newest one that the schedule has begun, so that the demo can plan that one."""
    # The schedule begins a month at 12:00 UTC on its 1st.
    begun = datetime.now(UTC) - timedelta(hours=12)
    return Period(begun.year, begun.month).shifted(-1)


def bill_and_close(
    api: AirflowApi,
    period: Period,
    *,
    web_url: str,
    finance_url: str,
    warehouse_url: str,
    approver: AirflowApi | None = None,
    once_billed: Callable[[], None] = lambda: None,
) -> bool:
    """Run the month's DAGs for `period`, show their progress and print the month; False if a run failed.

    `web_url` is where a person finds Airflow. `finance_url` logs in as finance_reader, `warehouse_url` as the writer.
    `approver`, Airflow as the person who approves the month if it waits. `once_billed` is called between the two DAGs.
    """

    waits_since: list[float] = []

    def answer(tasks: list[TaskState]) -> None:
        if not any(task.task_id == "approve" and task.state == "awaiting_input" for task in tasks):
            waits_since.clear()
        elif not waits_since:
            waits_since.append(time.monotonic())
        elif approver and time.monotonic() - waits_since[0] > _THINKING:
            _approve(approver, warehouse_url, period)

    with interruptible():
        for dag_id in DAG_IDS:
            if not _run(api, dag_id, period, web_url, finance_url, answer):
                return False
            if dag_id == DAG_IDS[0]:
                _say_who_approved(warehouse_url, period)
                once_billed()
    print_month(warehouse_url, period)
    return True


def plan_by_schedule(api: AirflowApi) -> None:
    """Un-pause the DAG of the 1st: its schedule adds the run of the month that is due, which is planned and waits."""
    api.patch(f"/api/v2/dags/{DAG_IDS[0]}", {"is_paused": False})


def say_what_waits(warehouse_url: str, period: Period) -> bool:
    """Print the plan of `period` and True once it waits for a person; or what was decided on it, and False.

    Raises `TransientError` if neither comes.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with connected(warehouse_url, what="warehouse") as connection:
            if asked := asked_of(connection, str(period)):
                subject, body = question_about(connection, asked)
                print(f"\n{subject}\n\n{body.replace('**', '')}")
                return True
            if decided := decisions_of(connection, str(period)):
                last = decided[0]
                print(f"\nThe plan of {period} was {last.decision} by {last.actor}: {last.reason}")
                return False
        time.sleep(_POLL_SECONDS)
    raise TransientError(
        f"no plan of {period} was made in {_PATIENCE:.0f} s",
        where=f"DAG {DAG_IDS[0]}",
        fix="look at its newest run in Airflow",
    )


def _approve(approver: AirflowApi, warehouse_url: str, period: Period) -> None:
    """Answer Airflow's question about the month's plan, as `evbilling approve` does."""
    with connected(warehouse_url, what="warehouse") as connection:
        asked = asked_of(connection, str(period))
    if asked is None:
        return
    # Airflow refuses a second answer: the task is seen to wait until the scheduler has taken the first.
    with suppress(EvbillingError):
        approver.patch(f"{task_path(asked)}/hitlDetails", answer_of(asked, approved=True, reason=_REASON))


def _say_who_approved(warehouse_url: str, period: Period) -> None:
    with connected(warehouse_url, what="warehouse") as connection:
        for decided in decisions_of(connection, str(period))[:1]:
            print(f"Its plan was {decided.decision} by {decided.actor}: {decided.reason}")


def _run(
    api: AirflowApi,
    dag_id: str,
    period: Period,
    web_url: str,
    finance_url: str,
    watch: Callable[[list[TaskState]], None],
) -> bool:
    runner = DagRunner(api, dag_id)
    before = count_rows(finance_url, period)
    print(f"\nDAG {dag_id}, partition key {period}")
    with shown_tasks() as show:

        def look(tasks: list[TaskState]) -> None:
            show(tasks)
            watch(tasks)

        run_id, outcome = runner.run(str(period), look)
    link = f"{web_url}/dags/{dag_id}/runs/{run_id}"
    if outcome == "success":
        written = count_rows(finance_url, period) - before
        print(f"The run succeeded and wrote {written:,} rows: {link}")
        return True
    print(f"The run failed: {link}")
    failed = [task for task in runner.tasks(run_id) if task.state == "failed"]
    for task in failed[:_LOGS_SHOWN]:
        print(f"\nTask {task.label} failed on try {task.try_number}; its log ends with:")
        print(runner.log_tail(run_id, task))
    return False
