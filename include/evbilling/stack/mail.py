"""The local stack's mail server: the sink, as a process of its own, unless the caller has another mail server."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from evbilling.errors import NotReady
from evbilling.stack.ports import LOOPBACK, free_port
from evbilling.stack.processes import ProcessRecord, read_record, start_process, stop_processes
from evbilling.stack.state import StackState

SINK = "mail-sink"
CONNECTION = "AIRFLOW_CONN_SMTP"

_PATIENCE = 20.0


def connection(state: StackState) -> dict[str, Any]:
    """The Airflow connection to this stack's sink."""
    return {
        "conn_type": "smtp",
        "host": LOOPBACK,
        "port": state.smtp_port,
        "extra": {"from_email": "billing@evbilling.example", "disable_ssl": True, "disable_tls": True},
    }


def prepare(state: StackState) -> None:
    """Give the sink two free ports, if it doesn't run."""
    if not is_running(state):
        state.smtp_port = free_port(state.smtp_port)
        state.mail_port = free_port(state.mail_port)
    state.save()


def start(state: StackState) -> bool:
    """Start the sink if it doesn't run; True if it was started. Raises `NotReady` if it doesn't listen soon."""
    if is_running(state):
        return False
    log = log_file(state)
    command = [
        sys.executable, "-P", "-m", "evbilling.cli", "mail-sink", "--smtp-port", str(state.smtp_port),
        "--http-port", str(state.mail_port), "--folder", str(state.home / "mail"),
    ]  # fmt: skip
    start_process(_run_folder(state), SINK, command, dict(os.environ) | {"PYTHONUNBUFFERED": "1"}, log)
    deadline = time.monotonic() + _PATIENCE
    while not (_listens(state.smtp_port) and _listens(state.mail_port)):
        if not is_running(state) or time.monotonic() > deadline:
            raise NotReady(
                "the mail sink doesn't listen", where=str(log), fix="put right what its log says, then try again"
            )
        time.sleep(0.05)
    return True


def stop(state: StackState) -> bool:
    """End the sink; True if it ran."""
    return bool(stop_processes(_run_folder(state), [SINK]))


def record(state: StackState) -> ProcessRecord | None:
    """The record of the sink's process, dead or alive."""
    return read_record(_run_folder(state), SINK)


def is_running(state: StackState) -> bool:
    """True if the sink's process is alive."""
    found = record(state)
    return found is not None and found.is_alive()


def log_file(state: StackState) -> Path:
    """The sink's log."""
    return state.home / "logs" / f"{SINK}.log"


def url(state: StackState) -> str:
    """The page that shows the mail."""
    return f"http://{LOOPBACK}:{state.mail_port}"


def _run_folder(state: StackState) -> Path:
    return state.home / "run"


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
