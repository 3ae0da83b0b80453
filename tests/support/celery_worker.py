"""A Celery worker with a folder and a name of its own, as if it were on a machine of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from evbilling_local.stack.processes import family, start_process, stop_processes

_NAME = "EVBILLING_TEST_WORKER"


def host_name() -> str:
    """What a task says of where it runs; Airflow calls it in the worker."""
    return os.environ[_NAME]


class Worker:
    """A worker that runs one task at a time; `kill` ends it as a machine that loses its power does."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.folder = folder
        self._run_folder = folder / "run"
        self._run_folder.mkdir(parents=True)
        own = {
            _NAME: name,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH")])
            ),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{host_name.__module__}.{host_name.__name__}",
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "task-logs"),
            # Nothing of the stack's own folder is needed.
            "EVBILLING_HOME": str(folder / "nothing-here"),
        }
        command = [
            sys.executable,
            "-P",
            "-m",
            "airflow",
            "celery",
            "worker",
            "--celery-hostname",
            name,
            "--concurrency",
            "1",
            "--skip-serve-logs",
        ]
        self._record = start_process(self._run_folder, name, command, dict(environment) | own, folder / "worker.log")

    def processes(self) -> list[psutil.Process]:
        """The worker and all that it has started."""
        members = {process.pid: process for process in family(self._record)}
        for member in list(members.values()):
            members |= {child.pid: child for child in member.children(recursive=True)}
        return list(members.values())

    def kill(self) -> None:
        """End the worker with all it has started, before any of them could tell that another is gone."""
        doomed = self.processes()
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for process in doomed:
                process.send_signal(how)
        psutil.wait_procs(doomed, timeout=10)

    def stop(self) -> None:
        stop_processes(self._run_folder, [self.name])

    def log(self) -> str:
        """The end of what the worker said."""
        return (self.folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-4000:]
