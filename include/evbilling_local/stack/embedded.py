"""A server of our own that the local stack runs in place of one outside: a process with its ports and its log."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evbilling.errors import NotReady
from evbilling_local.stack.ports import LOOPBACK
from evbilling_local.stack.processes import ProcessRecord, read_record, start_process, stop_processes
from evbilling_local.stack.state import StackState

_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """Started by `evbilling <name> <arguments>`. It is up when all its ports listen."""

    name: str
    what: str
    # The variable of the Airflow connection with which the caller names a server of its own.
    replaced_by: str
    ports: Callable[[StackState], Sequence[int]]
    arguments: Callable[[StackState], Sequence[str]]

    def start(self, state: StackState) -> bool:
        """Start it if it doesn't run; True if it was started. Raises `NotReady` if it doesn't listen soon."""
        if self.is_running(state):
            return False
        log = self.log_file(state)
        command = [sys.executable, "-P", "-m", "evbilling.cli", self.name, *self.arguments(state)]
        start_process(_run_folder(state), self.name, command, dict(os.environ) | {"PYTHONUNBUFFERED": "1"}, log)
        deadline = time.monotonic() + _PATIENCE
        while not all(map(_listens, self.ports(state))):
            if not self.is_running(state) or time.monotonic() > deadline:
                raise NotReady(
                    f"{self.what} doesn't listen", where=str(log), fix="put right what its log says, then try again"
                )
            time.sleep(0.05)
        return True

    def stop(self, state: StackState) -> bool:
        """End it; True if it ran."""
        return bool(stop_processes(_run_folder(state), [self.name]))

    def record(self, state: StackState) -> ProcessRecord | None:
        """The record of its process, dead or alive."""
        return read_record(_run_folder(state), self.name)

    def is_running(self, state: StackState) -> bool:
        """True if its process is alive."""
        found = self.record(state)
        return found is not None and found.is_alive()

    def log_file(self, state: StackState) -> Path:
        """Its log."""
        return state.home / "logs" / f"{self.name}.log"


def _run_folder(state: StackState) -> Path:
    return state.home / "run"


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
