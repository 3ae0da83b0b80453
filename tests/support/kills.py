"""Ends a process by SIGKILL in a chosen wait for the warehouse, and finds the waits that are worth it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

_FORK = multiprocessing.get_context("fork")
_PATIENCE = 120.0


def kill_in_wait(number: int) -> None:
    """End this process in its `number`-th wait, from 1, for Postgres: the request is out, its answer unread."""
    real, lock, waits = psycopg.Connection.wait, threading.Lock(), 0

    def wait(connection: Any, generator: Any, *args: Any, **options: Any) -> Any:
        nonlocal waits
        with lock:
            waits += 1
            is_last = waits == number
        if is_last:
            next(generator, None)
            time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(connection, generator, *args, **options)

    psycopg.Connection.wait = wait  # type: ignore[method-assign]


def is_killed(deed: Callable[[], object]) -> bool:
    """Do it in a forked process; True if that was killed, False if it came to its end."""
    process = _FORK.Process(target=deed)
    process.start()
    process.join(_PATIENCE)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def writing_waits(deed: Callable[[], object]) -> list[int]:
    """The waits in which a kill leaves different states behind, found by doing it once in a forked process.

    These are the commit of each transaction that writes, and the last statement of the first one and of the last one.
    Any other wait leaves in the warehouse what the commit before it leaves, and the last one files beside it.
    """
    ours, theirs = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=lambda: theirs.send(_recorded(deed)))
    process.start()
    theirs.close()
    assert ours.poll(_PATIENCE), "what is to be killed doesn't end"
    found: list[int] = ours.recv()
    process.join(_PATIENCE)
    return found


def _recorded(deed: Callable[[], object]) -> list[int]:
    real, lock, waits = psycopg.Connection.wait, threading.Lock(), 0
    found: list[tuple[int, int]] = []
    inside: dict[int, tuple[int, bool]] = {}

    def wait(connection: Any, generator: Any, *args: Any, **options: Any) -> Any:
        nonlocal waits
        with lock:
            waits += 1
            number = waits
        result = real(connection, generator, *args, **options)
        status = connection.pgconn.transaction_status
        if connection.pgconn.pipeline_status != PipelineStatus.OFF:
            inside[id(connection)] = (number, True)
        elif status == TransactionStatus.INTRANS:
            answer = connection.pgconn.exec_(b"select pg_current_xact_id_if_assigned()")
            inside[id(connection)] = (number, answer.get_value(0, 0) is not None)
        elif status == TransactionStatus.IDLE:
            # Without one before it is a transaction of a single statement.
            last, has_written = inside.pop(id(connection), (number, True))
            if has_written:
                found.append((last, number))
        return result

    psycopg.Connection.wait = wait  # type: ignore[method-assign]
    deed()
    return sorted({*found[0], *found[-1], *(commit for _, commit in found)})
