"""The stack's long-running processes beside Postgres: started, looked at and stopped in one way."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evbilling.errors import NotReady
from evbilling_local.ports import LOOPBACK
from evbilling_local.stack.processes import ProcessRecord, fingerprint, read_record, start_process, stop_processes
from evbilling_local.stack.state import StackState

_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Service:
    """A process with a log and a record of its own, started by `python -m <arguments>`."""

    name: str
    arguments: Callable[[StackState], Sequence[str]]
    ports: Callable[[StackState], Sequence[int]] = lambda _: ()
    # Where a person or a client finds it.
    url: Callable[[StackState], str] = lambda _: ""
    # The variable of the Airflow connection with which users name a server of their own instead.
    replaced_by: str = ""

    def record(self, state: StackState) -> ProcessRecord | None:
        """The record of its process, dead or alive."""
        return read_record(_run_folder(state), self.name)

    def pid(self, state: StackState) -> int | None:
        """The id of its process, or None if it doesn't run."""
        record = self.record(state)
        return record.pid if record and record.is_alive() else None

    def log(self, state: StackState) -> Path:
        """Its log since its last start."""
        return state.home / "logs" / f"{self.name}.log"


def sandbox_key_file(state: StackState) -> Path:
    """The file with the sandbox's key: as an argument, every user of the machine would see it."""
    return state.home / "sandbox.key"


SANDBOX = Service(
    "sandbox",
    lambda state: [
        *("evbilling.cli", "sandbox", "--port", str(state.sandbox_port)),
        *("--state", str(state.home / "sandbox.sqlite"), "--key-file", str(sandbox_key_file(state))),
    ],
    ports=lambda state: [state.sandbox_port],
    url=lambda state: f"http://{LOOPBACK}:{state.sandbox_port}",
    replaced_by="AIRFLOW_CONN_PAYMENT_GATEWAY",
)
MAIL_SINK = Service(
    "mail-sink",
    lambda state: [
        *("evbilling.cli", "mail-sink", "--smtp-port", str(state.smtp_port)),
        *("--http-port", str(state.mail_port), "--folder", str(state.home / "mail")),
    ],
    ports=lambda state: [state.smtp_port, state.mail_port],
    url=lambda state: f"http://{LOOPBACK}:{state.mail_port}",
    replaced_by="AIRFLOW_CONN_SMTP",
)
# The log servers are for workers on other machines; their fixed ports would clash with those of a second stack.
# In the order in which they stop: nothing new is started while the others still answer.
AIRFLOW = (
    Service("scheduler", lambda _: ["airflow", "scheduler", "--skip-serve-logs"]),
    Service("triggerer", lambda _: ["airflow", "triggerer", "--skip-serve-logs"]),
    Service("dag-processor", lambda _: ["airflow", "dag-processor"]),
    Service(
        "api-server",
        lambda _: ["airflow", "api-server", "--workers", "1"],
        url=lambda state: f"http://{LOOPBACK}:{state.airflow_port}",
    ),
)
API_SERVER = AIRFLOW[-1]


def start(state: StackState, services: Sequence[Service], environment: Mapping[str, str] | None = None) -> list[str]:
    """Start the services that don't run, and again those that run with other settings; returns their names.

    Without an `environment` it is the caller's, less its settings of Airflow. Raises `NotReady` if the ports of a
    service aren't open soon.
    """
    if environment is None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = {**environment, "PYTHONUNBUFFERED": "1"}
    settings = fingerprint(environment)
    records = {service.name: service.record(state) for service in services}
    due = [s for s in services if not ((r := records[s.name]) and r.is_alive() and r.environment == settings)]
    stop(state, due)
    for service in due:
        log = service.log(state)
        # A log is of one start, so that what is quoted from it is about this one; the one before is kept.
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        # -P: the caller's folder, in which a module may have any name, stays off the import path.
        command = [sys.executable, "-P", "-m", *service.arguments(state)]
        start_process(_run_folder(state), service.name, command, environment, log)
    for service in due:
        _wait_for_ports(state, service)
    return [service.name for service in due]


def stop(state: StackState, services: Sequence[Service]) -> list[str]:
    """End the services with everything that they started; returns the names of those that ran."""
    return stop_processes(_run_folder(state), [service.name for service in services])


def log_tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, indented, or that there are none."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (nothing)"


def raise_if_ended(state: StackState, services: Sequence[Service]) -> None:
    """Raise `NotReady` that quotes the log of the first service that no longer runs."""
    for service in services:
        if service.pid(state) is None:
            log = service.log(state)
            raise NotReady(
                f"{service.name} ended on its own; its log ends with:\n{log_tail(log)}",
                where=str(log),
                fix="fix what the log says, then run `evbilling up` again",
            )


def _wait_for_ports(state: StackState, service: Service) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not all(map(_is_open, service.ports(state))):
        raise_if_ended(state, [service])
        if time.monotonic() > deadline:
            raise NotReady(
                f"{service.name} doesn't listen after {_START_SECONDS:.0f} s",
                where=str(service.log(state)),
                fix="fix what its log says, then try again",
            )
        time.sleep(0.05)


def _is_open(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _run_folder(state: StackState) -> Path:
    return state.home / "run"
