"""One run of a DAG through the real scheduler: requested, waited for, and shown while it runs."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from evbilling.errors import NotReady, TransientError
from evbilling_local.stack import AirflowApi, wait_until

_FINISHED = ("success", "failed")
# States in which a task instance is done, one way or the other.
_OVER = (*_FINISHED, "skipped", "upstream_failed", "removed")
_POLL_SECONDS = 0.5
_PARSE_PATIENCE = 60.0
# After so many looks at a run that hasn't begun, it is worth saying what it waits for.
_LOOKS = 10
# A queued run that keeps the schedule from adding one, see `DagRunner.run`.
_HOLD = "demo-hold-"
_RUN = "demo__"


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

        A DAG that was paused is paused again afterwards, and its schedule has added no run meanwhile; also if the
        waiting is interrupted. Raises `NotReady` if somebody else pauses it meanwhile.
        """
        clear_leftovers(self._api)
        details = self._api.get(f"{self._path}/details")
        now = datetime.now(UTC)
        run_id = f"{_RUN}{period}__{now:%Y%m%dT%H%M%S}"
        placeholders: list[str] = []
        try:
            if details["is_paused"]:
                # Un-pausing also makes Airflow create the run that its schedule missed last, which is of this month. It
                # doesn't while the DAG has its maximum of active runs, and queued runs of tomorrow count as active.
                for number in range(int(details["max_active_runs"])):
                    placeholders.append(f"{_HOLD}{number}__{period}__{now:%Y%m%dT%H%M%S}")
                    self._request(placeholders[-1], period, now + timedelta(days=1))
            self._request(run_id, period, now)
            if placeholders:
                self._wait_for_parse(details)
                self._api.patch(self._path, {"is_paused": False})
            return run_id, self._watch(run_id, watch)
        finally:
            if placeholders:
                self._api.patch(self._path, {"is_paused": True})
                # A run that nobody waits for mustn't begin when the DAG is un-paused one day.
                if self._state(run_id) == "queued":
                    placeholders.append(run_id)
            for placeholder in placeholders:
                self._api.delete(f"{self._path}/dagRuns/{placeholder}")

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

    def _state(self, run_id: str) -> str:
        return str(self._api.get(f"{self._path}/dagRuns/{run_id}")["state"])

    def _watch(self, run_id: str, watch: Callable[[list[TaskState]], None]) -> str:
        silent = looks = 0
        while True:
            try:
                # In this order: a run that isn't over then won't go on.
                is_paused = self._api.get(self._path)["is_paused"]
                state = self._state(run_id)
                watch(self.tasks(run_id))
                silent = 0
            except TransientError:
                silent += 1
                if silent > 20:
                    raise
                is_paused, state = False, "unknown"
            if state in _FINISHED:
                return state
            if is_paused:
                raise NotReady(
                    f"somebody has paused the DAG {self._dag_id}, so its run {run_id} waits",
                    where="Airflow",
                    fix="run the demo again: it un-pauses the DAG for as long as its run takes",
                )
            looks += 1
            if looks == _LOOKS and state == "queued":
                self._say_what_runs(run_id)
            time.sleep(_POLL_SECONDS)

    def _say_what_runs(self, run_id: str) -> None:
        runs = self._api.get(f"{self._path}/dagRuns", state=["running", "queued"], limit=100)["dag_runs"]
        before = [r["dag_run_id"] for r in runs if r["dag_run_id"] != run_id and not r["dag_run_id"].startswith(_HOLD)]
        print(f"  waiting for {', '.join(before) or 'the scheduler'}", flush=True)


def clear_leftovers(api: AirflowApi) -> list[str]:
    """Pause the DAGs again that a killed demo has left un-paused, remove its queued runs.

    Returns the DAGs' ids. No demo may be running on this Airflow.
    """
    dag_ids = sorted({run["dag_id"] for run in _queued(api) if run["dag_run_id"].startswith(_HOLD)})
    for dag_id in dag_ids:
        api.patch(f"/api/v2/dags/{dag_id}", {"is_paused": True})
    # Looked at again: what is queued now doesn't begin any more.
    for run in _queued(api) if dag_ids else []:
        if run["dag_id"] in dag_ids:
            api.delete(f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}")
    return dag_ids


def _queued(api: AirflowApi) -> list[dict[str, Any]]:
    """The queued runs of demos, of all DAGs."""
    runs = api.get("/api/v2/dags/~/dagRuns", state="queued", limit=1000)["dag_runs"]
    return [run for run in runs if run["dag_run_id"].startswith((_HOLD, _RUN))]


@contextmanager
def interruptible() -> Generator[None]:
    """In the block SIGTERM and SIGHUP do what Ctrl-C does, so that what was begun is undone."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shown_tasks() -> Generator[TaskLines]:
    """What prints the tasks of a run; on a terminal with a bar below, of the tasks that are done."""
    if not sys.stdout.isatty():
        yield TaskLines(partial(print, flush=True))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("  {task.description:<40}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), transient=True) as bars:
        bar = bars.add_task("waiting for the scheduler", total=None)

        def draw(tasks: Sequence[TaskState]) -> None:
            under_way = sorted({task.task_id for task in tasks if task.state == "running"})
            done = sum(task.state in _OVER for task in tasks)
            bars.update(bar, completed=done, total=len(tasks), description=", ".join(under_way))

        yield TaskLines(partial(bars.console.print, markup=False, highlight=False), draw)


class TaskLines:
    """Prints a line for each change of a task instance, and lets a bar be drawn."""

    def __init__(
        self, write: Callable[[str], None], draw: Callable[[Sequence[TaskState]], None] = lambda _: None
    ) -> None:
        self._shown: dict[str, tuple[str, int]] = {}
        self._write = write
        self._draw = draw

    def __call__(self, tasks: list[TaskState]) -> None:
        """Print what is new in `tasks`, the run's task instances as they are now."""
        for task in tasks:
            now = (task.state, task.try_number)
            if task.state != "waiting" and self._shown.get(task.label) != now:
                self._shown[task.label] = now
                seconds = f"{task.seconds:.1f} s" if task.seconds is not None and task.state in _FINISHED else ""
                self._write(f"  {task.label:<40} {task.state:<16}{seconds}".rstrip())
        self._draw(tasks)


def _log_lines(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return entry.splitlines()
    lines = str(entry.get("event", "")).splitlines()
    for error in entry.get("error_detail") or []:
        lines += [f"  {f['filename']}:{f['lineno']} in {f['name']}" for f in error.get("frames", [])[-3:]]
        lines += f"{error.get('exc_type')}: {error.get('exc_value')}".splitlines()
    return lines
