"""One run of a DAG through the real scheduler: requested, waited for, and shown while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from evbilling.errors import NotReady, TransientError
from evbilling_local.stack import AirflowApi, wait_until

_FINISHED = ("success", "failed")
_POLL_SECONDS = 0.5
_PARSE_PATIENCE = 60.0


@dataclass(frozen=True)
class TaskState:
    """A task instance as Airflow shows it. `try_number` is that of the latest try."""

    task_id: str
    map_index: int
    state: str
    try_number: int
    seconds: float | None

    @property
    def label(self) -> str:
        """`task`, or `task[0]` for an instance of a mapped one."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class DagRunner:
    """Runs one DAG for single periods."""

    def __init__(self, api: AirflowApi, dag_id: str) -> None:
        self._api = api
        self._dag_id = dag_id
        self._path = f"/api/v2/dags/{dag_id}"

    def run(self, period: str, watch: Callable[[list[TaskState]], None]) -> tuple[str, str]:
        """Bill `period` and wait for the end; returns (run id, `success` or `failed`).

        A DAG that was paused is paused again afterwards, and its schedule has added no run meanwhile.
        """
        details = self._api.get(f"{self._path}/details")
        now = datetime.now(UTC)
        run_id = f"demo__{period}__{now:%Y%m%dT%H%M%S}"
        placeholders = []
        try:
            if details["is_paused"]:
                # Un-pausing also makes Airflow create the run that its schedule missed last, which is of this month. It
                # doesn't while the DAG has its maximum of active runs, and queued runs of tomorrow count as active.
                for number in range(int(details["max_active_runs"])):
                    placeholders.append(f"demo-hold-{number}__{period}__{now:%Y%m%dT%H%M%S}")
                    self._request(placeholders[-1], period, now + timedelta(days=1))
            self._request(run_id, period, now)
            if placeholders:
                self._wait_for_parse(details)
                self._api.patch(self._path, {"is_paused": False})
            state = self._watch(run_id, watch)
        finally:
            if placeholders:
                self._api.patch(self._path, {"is_paused": True})
            for placeholder in placeholders:
                self._api.delete(f"{self._path}/dagRuns/{placeholder}")
        return run_id, state

    def tasks(self, run_id: str) -> list[TaskState]:
        """The run's task instances, in the order in which they started; those that haven't started come last."""
        found = self._api.get(f"{self._path}/dagRuns/{run_id}/taskInstances", limit=1000)["task_instances"]
        found.sort(key=lambda ti: (ti["start_date"] is None, ti["start_date"] or "", ti["map_index"]))
        return [
            TaskState(ti["task_id"], ti["map_index"], ti["state"] or "waiting", ti["try_number"], ti["duration"])
            for ti in found
        ]

    def log_tail(self, run_id: str, task: TaskState, lines: int = 25) -> str:
        """The last lines of the task's latest log, indented."""
        log = self._api.get(
            f"{self._path}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{task.try_number}",
            map_index=task.map_index,
            full_content="true",
        )
        text = [line for entry in log["content"] for line in _log_lines(entry) if not line.startswith("::")]
        return "\n".join(f"    {line}" for line in text[-lines:])

    def _request(self, run_id: str, period: str, run_after: datetime) -> None:
        body = {"dag_run_id": run_id, "partition_key": period, "run_after": run_after.isoformat()}
        self._api.post(f"{self._path}/dagRuns", body | {"logical_date": None})

    def _wait_for_parse(self, before: dict[str, Any]) -> None:
        # Airflow notices only when it parses the DAG that it has its maximum of active runs.
        self._api.put(f"/api/v2/parseDagFile/{before['file_token']}")
        parsed_before = before["last_parsed_time"]
        if not wait_until(lambda: self._api.get(self._path)["last_parsed_time"] != parsed_before, _PARSE_PATIENCE):
            raise NotReady(
                f"the DAG {self._dag_id} is no longer parsed",
                where=before["fileloc"],
                fix="look at the dag-processor's log: `evbilling status` says where",
            )

    def _watch(self, run_id: str, watch: Callable[[list[TaskState]], None]) -> str:
        silent = 0
        while True:
            try:
                state = str(self._api.get(f"{self._path}/dagRuns/{run_id}")["state"])
                watch(self.tasks(run_id))
                silent = 0
            except TransientError:
                silent += 1
                if silent > 20:
                    raise
                state = "unknown"
            if state in _FINISHED:
                return state
            time.sleep(_POLL_SECONDS)


class Progress:
    """Prints a line for each change of a task instance."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, int]] = {}

    def __call__(self, tasks: list[TaskState]) -> None:
        """Print what is new in `tasks`, the run's task instances as they are now."""
        for task in tasks:
            now = (task.state, task.try_number)
            if task.state != "waiting" and self._shown.get(task.label) != now:
                self._shown[task.label] = now
                seconds = f"{task.seconds:.1f} s" if task.seconds is not None and task.state in _FINISHED else ""
                print(f"  {task.label:<40} {task.state:<16}{seconds}".rstrip(), flush=True)


def _log_lines(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return entry.splitlines()
    lines = str(entry.get("event", "")).splitlines()
    for error in entry.get("error_detail") or []:
        lines += [f"  {f['filename']}:{f['lineno']} in {f['name']}" for f in error.get("frames", [])[-3:]]
        lines += f"{error.get('exc_type')}: {error.get('exc_value')}".splitlines()
    return lines
