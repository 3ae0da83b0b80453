"""The stack under test: what is asked of it, and what is seen in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from evbilling_local.demo import DagRunner, TaskState
from evbilling_local.stack import API_SERVER, StackState, admin_api, settings

CONNECTOR_STATEMENTS = "connector_statements"
ACCOUNT_STATEMENTS = "account_statements"
PUBLISHED = (
    "statements",
    "statement_lines",
    "connector_decisions",
    "unbilled_accounts",
    "tie_out",
    "audit_events",
    "account_statement_items",
    "withheld_account_statements",
    "payments",
    "payment_attempts",
    "ledger",
)
MONTH = "2026-10"
PLATFORM = ("--accounts", "60", "--seed", "7", "--today", "2026-11-20")
# Seconds that anything may take on a machine that has more to do.
PATIENCE = 240.0


def path(dag_id: str) -> str:
    """Where Airflow's API has the DAG."""
    return f"/api/v2/dags/{dag_id}"


def command(home: Path, *args: str, timeout: float = 300, given: Mapping[str, str] | None = None) -> str:
    """What an `evbilling` command of this stack prints, with `given` in its environment; it must succeed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW") and not k.endswith("_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "evbilling.cli", *args],
        env=inherited | {"EVBILLING_HOME": str(home)} | dict(given or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and last words of a process, which is killed if it doesn't end."""
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return process.returncode, said[-4000:]


class Stack:
    """The stack under test: what is asked of it and what is seen in it."""

    def __init__(self, home: Path, given: Mapping[str, str] | None = None) -> None:
        state = StackState.load(home)
        assert state is not None
        self._given = dict(given or {})
        self.state = state
        self.api = admin_api(state)

    def environment(self) -> dict[str, str]:
        """What an `airflow` command of this stack needs."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        own = settings(self.state, self._given)
        return inherited | self._given | own | {"EVBILLING_HOME": str(self.state.home)}

    def airflow(self, *args: str, **settings: str) -> subprocess.Popen[str]:
        """An `airflow` command under way; `settings` replace those of the stack."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "airflow", *args],
            env=self.environment() | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,  # as the stack's own processes: what it writes is for nobody else
        )

    def unpause(self, dag_id: str) -> None:
        """Un-pause the DAG and end the run that its schedule makes at once, whose month depends on today's date."""
        self.api.patch(path(dag_id), {"is_paused": False})
        deadline = time.monotonic() + PATIENCE
        # The scheduler may start the run in the same moment and set its state again: it is ended once it stays ended.
        while not (runs := self.api.get(f"{path(dag_id)}/dagRuns")["dag_runs"]) or any(map(self._is_active, runs)):
            assert time.monotonic() < deadline, f"the schedule of {dag_id} makes no run, or the run doesn't end"
            for run in runs:
                if run["state"] != "failed":
                    self.api.patch(f"{path(dag_id)}/dagRuns/{quote(run['dag_run_id'], safe='')}", {"state": "failed"})
            time.sleep(0.2)

    def _is_active(self, run: Mapping[str, Any]) -> bool:
        """True for a run that hasn't failed, or has a task that isn't over."""
        tasks = self.api.get(f"{path(run['dag_id'])}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances")
        return run["state"] != "failed" or any(t["state"] in {"queued", "running"} for t in tasks["task_instances"])

    def trigger(self, run_id: str, dag_id: str = CONNECTOR_STATEMENTS, **body: Any) -> str:
        self.api.post(f"{path(dag_id)}/dagRuns", {"dag_run_id": run_id, "logical_date": None} | body)
        return run_id

    def finish(self, run_id: str, dag_id: str = CONNECTOR_STATEMENTS) -> str:
        """The state in which the run ends; fails the test if it doesn't. What failed is in the test's output."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.api.get(f"{path(dag_id)}/dagRuns/{run_id}")["state"]) not in {"success", "failed"}:
            if time.monotonic() > deadline:
                pytest.fail(f"{run_id} is {state} after {PATIENCE:.0f} s: {self.tasks(run_id, dag_id)}")
            time.sleep(0.5)
        for task_id, task in self.tasks(run_id, dag_id).items() if state == "failed" else ():
            if task.state == "failed":
                print(f"{run_id}, {task_id} failed:\n{self.log(run_id, task_id, dag_id)}")
        return str(state)

    def bill(self, run_id: str, period: str) -> str:
        return self.finish(self.trigger(run_id, partition_key=period))

    def run(self, dag_id: str, run_id: str, **body: Any) -> str:
        """Trigger a run of any DAG and wait for its end."""
        return self.finish(self.trigger(run_id, dag_id, **body), dag_id)

    def clear(self, run_id: str, task_id: str, dag_id: str = CONNECTOR_STATEMENTS) -> None:
        body = {"dag_run_id": run_id, "task_ids": [task_id], "dry_run": False, "only_failed": False}
        cleared = self.api.post(f"{path(dag_id)}/clearTaskInstances", body)
        assert {ti["task_id"] for ti in cleared["task_instances"]} == {task_id}

    def tasks(self, run_id: str, dag_id: str = CONNECTOR_STATEMENTS) -> dict[str, TaskState]:
        return {task.task_id: task for task in DagRunner(self.api, dag_id).tasks(run_id)}

    def log(self, run_id: str, task_id: str, dag_id: str = CONNECTOR_STATEMENTS) -> str:
        return DagRunner(self.api, dag_id).log_tail(run_id, self.tasks(run_id, dag_id)[task_id], lines=2000)

    def finance(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.state.url("finance")) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def published(self) -> dict[str, list[str]]:
        """All that finance sees, row by row."""
        return {
            view: [row for (row,) in self.finance(f"select t::text from finance.{view} t order by 1")]
            for view in PUBLISHED
        }

    def statements(self, period: str) -> int:
        query = "select count(*), count(distinct account_id) from finance.statements where period = %s"
        ((count, accounts),) = self.finance(query, period)
        assert count == accounts
        return int(count)

    def admin(self, database: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser; returns its rows if it has any."""
        with psycopg.connect(self.state.role_url("postgres", database)) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def web(self, url: str, **headers: str) -> httpx.Response:
        return httpx.get(url, headers=headers, timeout=30, trust_env=False)

    def token(self, user: str) -> str:
        login = {"username": user, "password": self.state.airflow_passwords[user]}
        answer = httpx.post(f"{API_SERVER.url(self.state)}/auth/token", json=login, timeout=30, trust_env=False)
        return f"Bearer {answer.json()['access_token']}"
