"""What a demo leaves behind that somebody pauses, ends or kills within its run: a paused DAG, and nothing queued."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from evbilling.errors import NotReady
from evbilling_local.demo import DagRunner, clear_leftovers, interruptible
from tests.support.stack import CONNECTOR_STATEMENTS, Stack, path

pytestmark = pytest.mark.e2e

PATH = path(CONNECTOR_STATEMENTS)
PERIOD = "2026-03"


@pytest.fixture
def paused(stack: Stack) -> Iterator[Stack]:
    """The stack with its DAG paused, as after `evbilling up`; afterwards it is un-paused and has no run of these."""
    stack.api.patch(PATH, {"is_paused": True})
    yield stack
    for run in runs_of_demos(stack):
        stack.api.patch(f"{PATH}/dagRuns/{run}", {"state": "failed"})
        stack.api.delete(f"{PATH}/dagRuns/{run}")
    stack.api.patch(PATH, {"is_paused": False})


def runs_of_demos(stack: Stack, **query: str) -> list[str]:
    runs = stack.api.get(f"{PATH}/dagRuns", limit=1000, **query)["dag_runs"]
    return [run["dag_run_id"] for run in runs if run["dag_run_id"].startswith("demo")]


def is_paused(stack: Stack) -> bool:
    return bool(stack.api.get(PATH)["is_paused"])


def pause(stack: Stack) -> None:
    stack.api.patch(PATH, {"is_paused": True})


def end(_: Stack) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("deed", "error"), [pytest.param(pause, NotReady, marks=pytest.mark.full), (end, KeyboardInterrupt)]
)
def test_a_demo_that_is_stopped_leaves_nothing_queued(
    paused: Stack, deed: Callable[[Stack], None], error: type[BaseException]
) -> None:
    """Paused by somebody, it says so and what to do; ended by SIGTERM it tidies up. The DAG is paused either way."""

    with interruptible(), pytest.raises(error) as stopped:
        DagRunner(paused.api, CONNECTOR_STATEMENTS).run(PERIOD, lambda _: deed(paused))
    if isinstance(stopped.value, NotReady):
        assert f"somebody has paused the DAG {CONNECTOR_STATEMENTS}" in str(stopped.value)
        assert "run the demo again" in str(stopped.value)
    assert is_paused(paused)
    assert runs_of_demos(paused, state="queued") == []


def test_what_a_killed_demo_left_is_cleared(paused: Stack) -> None:
    """Its DAG is paused again before its schedule's place is given free, and a second look finds nothing."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    hold = f"demo-hold-0__{PERIOD}__killed"
    paused.trigger(hold, partition_key=PERIOD, run_after=tomorrow)
    paused.trigger(f"demo__{PERIOD}__killed", partition_key=PERIOD, run_after=tomorrow)
    paused.api.patch(PATH, {"is_paused": False})
    assert clear_leftovers(paused.api) == [CONNECTOR_STATEMENTS]
    assert is_paused(paused)
    assert runs_of_demos(paused) == []
    assert clear_leftovers(paused.api) == []
