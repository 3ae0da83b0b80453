"""What tests need beside Python: where programs and fonts are, and what happens where they aren't."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

_PATIENCE = 60.0


def program(name: str, how_to_get: str) -> str:
    """The path of a program; without it the test is skipped with a reason, or fails where all tests must run."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    return found or do_without(f"{name} isn't installed: {how_to_get}")


def do_without(reason: str) -> NoReturn:
    """Skip the test with the reason, or fail it with CI=true, where all tests must run."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason)
    pytest.skip(reason)


def free_ports(count: int) -> list[int]:
    """So many free ports of the loopback address, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def start_server(command: Sequence[str], folder: Path, answers: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """A server's process that runs in `folder` and answers; fails the test with its log's end if it doesn't."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + _PATIENCE
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            stop_server(process)
            pytest.fail(f"{command[0]} doesn't answer; its log ends with:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)
    return process


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """End a server at once; what it kept is thrown away with its folder."""
    process.kill()
    process.wait()
