"""The local stack's payment gateway: the sandbox, as a process of its own, unless the caller has another gateway."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evbilling.errors import NotReady
from evbilling.stack.ports import LOOPBACK, free_port
from evbilling.stack.processes import ProcessRecord, read_record, start_process, stop_processes
from evbilling.stack.state import StackState

SANDBOX = "sandbox"
CONNECTION = "AIRFLOW_CONN_PAYMENT_GATEWAY"
# Nobody else is on the sandbox, so the demo needn't go at the pace that Stripe's limits ask for.
_RATE_PER_SECOND = 50

_PATIENCE = 20.0


def connection(state: StackState) -> dict[str, Any]:
    """The Airflow connection to this stack's sandbox."""
    return {
        "conn_type": "http",
        "host": f"http://{LOOPBACK}",
        "port": state.sandbox_port,
        "password": state.secrets.get("sandbox_key", ""),
        "extra": {"rate_per_second": _RATE_PER_SECOND},
    }


def prepare(state: StackState) -> None:
    """Give the sandbox a key and a free port, if it has none yet."""
    if "sandbox_key" not in state.secrets:
        state.secrets["sandbox_key"] = f"sk_test_{secrets.token_hex(16)}"
    if not is_running(state):
        state.sandbox_port = free_port(state.sandbox_port)
    state.save()


def start(state: StackState) -> bool:
    """Start the sandbox if it doesn't run; True if it was started. Raises `NotReady` if it doesn't listen soon."""
    if is_running(state):
        return False
    log = log_file(state)
    command = [
        sys.executable, "-P", "-m", "evbilling.cli", "sandbox", "--port", str(state.sandbox_port),
        "--state", str(state.home / "sandbox.sqlite"), "--key", state.secrets["sandbox_key"],
    ]  # fmt: skip
    start_process(_run_folder(state), SANDBOX, command, _environment(), log)
    deadline = time.monotonic() + _PATIENCE
    while not _listens(state.sandbox_port):
        if not is_running(state) or time.monotonic() > deadline:
            raise NotReady(
                "the payment sandbox doesn't listen", where=str(log), fix="put right what its log says, then try again"
            )
        time.sleep(0.05)
    return True


def stop(state: StackState) -> bool:
    """End the sandbox; True if it ran."""
    return bool(stop_processes(_run_folder(state), [SANDBOX]))


def record(state: StackState) -> ProcessRecord | None:
    """The record of the sandbox's process, dead or alive."""
    return read_record(_run_folder(state), SANDBOX)


def is_running(state: StackState) -> bool:
    """True if the sandbox's process is alive."""
    found = record(state)
    return found is not None and found.is_alive()


def log_file(state: StackState) -> Path:
    """The sandbox's log: a line for each request."""
    return state.home / "logs" / f"{SANDBOX}.log"


def url(state: StackState) -> str:
    """Where the sandbox answers."""
    return f"http://{LOOPBACK}:{state.sandbox_port}"


def _environment() -> Mapping[str, str]:
    return dict(os.environ) | {"PYTHONUNBUFFERED": "1"}


def _run_folder(state: StackState) -> Path:
    return state.home / "run"


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
