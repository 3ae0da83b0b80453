"""Long-running processes of a stack: each its own session, recorded, and ended with all that it started."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess  # argument lists of our own only
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from evbilling_local.stack.state import open_private, write_private


@dataclass(frozen=True)
class ProcessRecord:
    """A process that we started. `started` is seconds since boot: setting the clock doesn't move it."""

    name: str
    pid: int
    started: float
    environment: str

    def is_alive(self) -> bool:
        """True if that very process still runs; its id given to another one doesn't count."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(_since_boot(process) - self.started) < 0.1
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def start_process(
    run_folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
) -> ProcessRecord:
    """Start `command` in a session of its own, appending to `log`, and record it in `run_folder`.

    The log, and what the process itself writes, is private.
    """
    with open_private(log, append=True) as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=run_folder.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    # The process outlives us, so Python needn't warn that it wasn't waited for.
    process.returncode = 0
    record = ProcessRecord(name, process.pid, _since_boot(psutil.Process(process.pid)), fingerprint(environment))
    write_private(run_folder / f"{name}.json", json.dumps(asdict(record)))
    return record


def read_record(run_folder: Path, name: str) -> ProcessRecord | None:
    """The record of the process `name`, whether it still runs or not; None if there is none."""
    try:
        return ProcessRecord(**json.loads((run_folder / f"{name}.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def stop_processes(run_folder: Path, names: Sequence[str], patience: float = 15) -> list[str]:
    """End the recorded processes and all that they started: SIGTERM, then SIGKILL after `patience` seconds.

    Returns the names of those that ran. Their records are removed.
    """
    records = [record for name in names if (record := read_record(run_folder, name))]
    ran = [record.name for record in records if record.is_alive()]
    for record in records:
        for process in family(record):
            _signal(process, "terminate")
    # Processes may start while others end, so the family is looked up each time.
    deadline = time.monotonic() + patience
    while any(family(record) for record in records) and time.monotonic() < deadline:
        time.sleep(0.1)
    while left := [process for record in records for process in family(record)]:
        for process in left:
            _signal(process, "kill")
        psutil.wait_procs(left, timeout=2)
    for record in records:
        (run_folder / f"{record.name}.json").unlink(missing_ok=True)
    return ran


def family(record: ProcessRecord) -> list[psutil.Process]:
    """The living processes of the record's session: itself and all that it or its children started."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != record.pid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            began = _since_boot(process)
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue
        if process.pid == record.pid and abs(began - record.started) >= 0.1:
            # The id belongs to a new process that leads its own session: none of it is ours.
            return []
        if began >= record.started - 0.1:
            members.append(process)
    return members


def fingerprint(environment: Mapping[str, str]) -> str:
    """A short hash of the settings that a running process would have to be restarted for."""
    settings = sorted((k, v) for k, v in environment.items() if k.startswith("AIRFLOW"))
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def _since_boot(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.Error):
        getattr(process, how)()
