"""Times steps in processes of their own, and what they cost the machine while they ran."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

_CORES = psutil.cpu_count() or 1


@dataclass(frozen=True)
class Measured:
    """One step of one round: wall seconds, CPU seconds of its processes, of the whole machine, bytes on loopback.

    `peak_mib` is the largest process; the machine's CPU has the database's work in it.
    """

    step: str
    wall: float
    cpu: float
    machine_cpu: float
    peak_mib: float
    moved_mib: float
    results: list[Any] = field(repr=False)

    @property
    def result(self) -> Any:
        """What the step gave back, if it ran once."""
        return self.results[0]


def warm_up(modules: Sequence[str]) -> None:
    """Import what the step imports, so that imports aren't timed, and no more, so that memory is the step's own."""
    # A process of its own knows nothing of how the benchmark logs.
    logging.basicConfig(level=logging.ERROR)
    for name in ("adbc_driver_postgresql.dbapi", *modules):
        importlib.import_module(name)


def measured(
    step: str, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], imports: Sequence[str] = ()
) -> Measured:
    """Run the calls side by side, as many at once as the machine has cores, in fresh processes.

    `imports` are modules that the step imports only when it runs: their import isn't timed either.
    """
    context = multiprocessing.get_context("spawn")
    workers = min(_CORES, len(calls))
    modules = sorted({function.__module__ for function, _ in calls} | {*imports})
    with ProcessPoolExecutor(workers, mp_context=context, initializer=warm_up, initargs=(modules,)) as pool:
        list(pool.map(time.sleep, [0.2] * workers))  # all are up and have imported
        busy, moved, start = _busy(), _loopback(), time.monotonic()
        spent = [future.result() for future in [pool.submit(_timed, function, args) for function, args in calls]]
        wall = time.monotonic() - start
        return Measured(
            step,
            wall,
            sum(s[0] for s in spent),
            _busy() - busy,
            max(s[1] for s in spent),
            (_loopback() - moved) / 2**20,
            [s[2] for s in spent],
        )


def measured_here(step: str, function: Callable[[], Any]) -> Measured:
    """Run a step in this process: for what is the database's work alone."""
    busy, moved, start, cpu = _busy(), _loopback(), time.monotonic(), time.process_time()
    result = function()
    return Measured(
        step,
        time.monotonic() - start,
        time.process_time() - cpu,
        _busy() - busy,
        0.0,
        (_loopback() - moved) / 2**20,
        [result],
    )


def measured_script(connection: psycopg.Connection[Any], path: Path) -> list[Measured]:
    """Execute a file of statements that are parted by lines of dashes and a title; one step each."""
    steps = []
    for part in ("------ run\n" + path.read_text(encoding="utf-8")).split("------ ")[1:]:
        title, _, statement = part.partition("\n")
        steps.append(measured_here(title, lambda s=statement: connection.execute(s.encode()).rowcount))
    return steps


def _timed(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[float, float, Any]:
    cpu = time.process_time()
    result = function(*args)
    return time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system)


def _loopback() -> int:
    counters = psutil.net_io_counters(pernic=True).get("lo")
    return counters.bytes_sent if counters else 0
