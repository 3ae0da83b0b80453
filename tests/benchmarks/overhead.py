"""`make bench-overhead`: what Airflow adds to a month, on N connectors through the real scheduler.

A local stack of its own (LocalExecutor, embedded Postgres) in a temporary folder; one run of `connector_statements`, by
the REST API. Counted until `close_run` has ended: `charge` goes at the pace of the gateway (a fixed rate), so it isn't
waited for and is in no figure. `make bench` times the steps' own work without Airflow.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from evbilling import __version__
from evbilling.settings import record_settings
from evbilling_local.sample import sample_settings, write_sample
from evbilling_local.stack import AirflowApi, StackState, admin_api, bring_up, take_down

_FILE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks" / "overhead.json"
_DAG = "/api/v2/dags/connector_statements"
_STEPS = ("open_run", "extract_inventory", "apply_scope_rules", "validate", "plan", "issue_statements", "close_run")
_TODAY, _PERIOD, _SEED = date(2026, 11, 15), "2026-10", 1
_ENDED = ("success", "failed", "upstream_failed")
_PATIENCE = 1800.0


@dataclass(frozen=True)
class TaskTime:
    """A task instance by Airflow's own instants; its body is ours, with the imports that it makes."""

    task_id: str
    map_index: int
    start: datetime
    body_start: datetime
    body_end: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its duration as Airflow shows it."""
        return _seconds(self.start, self.end)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-overhead", description="what the scheduler adds to a month")
    parser.add_argument("--connectors", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N")
    parser.add_argument("--keep", action="store_true", help="write the results to docs/benchmarks")
    args = parser.parse_args()
    console = Console()
    months = []
    for connectors in args.connectors:
        with _stack() as state:
            months.append(_month(state, connectors))
        _print(console, months[-1])
    if args.keep:
        _FILE.parent.mkdir(parents=True, exist_ok=True)
        machine = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "version": __version__,
            "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
            "without": "charge",
        }
        _FILE.write_text(json.dumps({**machine, "months": months}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


@contextmanager
def _stack() -> Generator[StackState, None, None]:
    """A running stack in a folder of its own, whatever stack or databases the caller's shell names."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW") or name.endswith("_URL")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="overhead-", ignore_cleanup_errors=True) as folder:
        os.environ["EVBILLING_HOME"] = str(Path(folder) / "home")
        try:
            yield bring_up()
        finally:
            take_down()


def _month(state: StackState, connectors: int) -> dict[str, Any]:
    api = admin_api(state)
    try:
        _unpause(api)
        accounts = max(1, connectors // 100)
        made = write_sample(state.url("platform"), accounts, _SEED, _TODAY, 100)
        record_settings(state.url("warehouse"), sample_settings(accounts, _SEED, _TODAY, 100), "bench")
        run_id = "overhead"
        api.post(f"{_DAG}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "partition_key": _PERIOD})
        _wait(lambda: _state_of(api, run_id, "close_run") in _ENDED)
        if (state_of := _state_of(api, run_id, "close_run")) != "success":
            sys.exit(f"close_run is {state_of}: look into {state.home}")
        run = api.get(f"{_DAG}/dagRuns/{run_id}")
        return _figures(connectors, made.connectors, _instant(run["queued_at"]), _task_times(api, run_id))
    finally:
        api.close()


def _unpause(api: AirflowApi) -> None:
    """Let the DAG run. Airflow bills the current month at once then; the platform is empty, so its first task fails.

    That run is over before ours is asked for, and has warmed up what is warm in a scheduler that runs for weeks.
    """
    api.patch(_DAG, {"is_paused": False})

    def over() -> bool:
        runs = api.get(f"{_DAG}/dagRuns")["dag_runs"]
        return bool(runs) and all(run["state"] in _ENDED for run in runs)

    _wait(over)


def _state_of(api: AirflowApi, run_id: str, task_id: str) -> str:
    return str(api.get(f"{_DAG}/dagRuns/{run_id}/taskInstances/{task_id}")["state"])


def _task_times(api: AirflowApi, run_id: str) -> list[TaskTime]:
    found = api.get(f"{_DAG}/dagRuns/{run_id}/taskInstances", limit=1000)["task_instances"]
    times = []
    for ti in sorted((ti for ti in found if ti["task_id"] in _STEPS), key=itemgetter("start_date")):
        body = _body(api, run_id, ti)
        times.append(
            TaskTime(ti["task_id"], ti["map_index"], _instant(ti["start_date"]), *body, _instant(ti["end_date"]))
        )
    return times


def _body(api: AirflowApi, run_id: str, ti: dict[str, Any]) -> tuple[datetime, datetime]:
    """When Airflow handed over to our function and got it back, by its own lines in the task's log."""
    log = api.get(
        f"{_DAG}/dagRuns/{run_id}/taskInstances/{ti['task_id']}/logs/{ti['try_number']}",
        map_index=ti["map_index"],
        full_content="true",
    )
    said = [(line["timestamp"], line["event"]) for line in log["content"] if line.get("timestamp")]
    start = next(at for at, event in said if event == "::endgroup::")  # of "Pre Execute"
    end = next(at for at, event in said if event.startswith("Done. Returned value was"))
    return _instant(start), _instant(end)


def _figures(connectors: int, rows: int, queued: datetime, tasks: Sequence[TaskTime]) -> dict[str, Any]:
    """What the run took: its wall, the longest way through its tasks, and what lies between them."""
    by_step = [[task for task in tasks if task.task_id == step] for step in _STEPS]
    ends = [queued, *(max(task.end for task in step) for step in by_step)]
    gaps = [(min(t.start for t in step) - before).total_seconds() for before, step in zip(ends, by_step, strict=False)]
    wall = (ends[-1] - queued).total_seconds()
    # A step begins when all of the step before have ended, so the longest of each lie on the critical path.
    path = sum(max(task.seconds for task in step) for step in by_step)
    return {
        "connectors": connectors,
        "connector_rows": rows,
        "task_instances": len(tasks),
        "wall_s": wall,
        "sum_of_tasks_s": sum(task.seconds for task in tasks),
        "critical_path_s": path,
        "overhead_s": wall - path,
        "between_tasks_s": sum(gaps),
        "around_bodies_s": sum(t.seconds - _seconds(t.body_start, t.body_end) for t in tasks),
        "tasks": [
            {
                "task": t.task_id,
                "map_index": t.map_index,
                "all_s": t.seconds,
                "before_s": _seconds(t.start, t.body_start),
                "body_s": _seconds(t.body_start, t.body_end),
                "after_s": _seconds(t.body_end, t.end),
            }
            for t in tasks
        ],
        "gaps": dict(zip(_STEPS, gaps, strict=True)),
    }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def _wait(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_done():
        if time.monotonic() > deadline:
            sys.exit(f"not done after {_PATIENCE:.0f} s")
        time.sleep(0.5)


def _print(console: Console, month: dict[str, Any]) -> None:
    title = f"{month['connector_rows']:,} connector rows, {month['task_instances']} task instances beside charge"
    table = Table("task", "waited s", "before s", "body s", "after s", "all of it s", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for step, tasks in itertools.groupby(month["tasks"], key=itemgetter("task")):
        for number, task in enumerate(tasks):
            label = step if task["map_index"] < 0 else f"{step}[{task['map_index']}]"
            parts = [f"{task[name]:.1f}" for name in ("before_s", "body_s", "after_s", "all_s")]
            table.add_row(label, "" if number else f"{month['gaps'][step]:.1f}", *parts)
    console.print(table)
    console.print(
        f"queued → close_run ended {month['wall_s']:.1f} s; tasks {month['sum_of_tasks_s']:.1f} s, one after the other"
        f" where they must be {month['critical_path_s']:.1f} s; overhead {month['overhead_s']:.1f} s. Within the tasks,"
        f" before and after our function and its imports: {month['around_bodies_s']:.1f} s",
        soft_wrap=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
