"""Who runs the local stack's tasks: chosen once, kept, and changed back."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest

from evbilling.errors import BadInput, NotReady
from evbilling_local.stack import StackState, airflow

BROKER = "redis://:secret@127.0.0.1:6379/0"


@pytest.fixture
def state(tmp_path: Path) -> StackState:
    return StackState.create(tmp_path / "home")


def executor(state: StackState) -> str:
    return airflow.executor_settings(state)["AIRFLOW__CORE__EXECUTOR"]


def test_the_scheduler_runs_the_tasks_until_told_otherwise(state: StackState) -> None:
    """A broker is kept in the stack's state; an empty one goes back, and leaves no setting of Celery behind."""
    alone = airflow.executor_settings(state)
    assert executor(state) == "LocalExecutor"
    airflow.choose_broker(state, BROKER)
    kept = StackState.load(state.home)
    assert kept is not None
    assert executor(kept) == "CeleryExecutor"
    assert airflow.executor_settings(kept)["AIRFLOW__CELERY__BROKER_URL"] == BROKER
    airflow.choose_broker(kept, "")
    assert airflow.executor_settings(kept) == alone


def test_a_stack_made_before_there_were_workers_goes_on(state: StackState) -> None:
    """A state file without a broker is one of a single machine."""
    file = StackState.file(state.home)
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "broker_url" not in line]
    file.write_text("\n".join(lines).replace(",\n}", "\n}"), encoding="utf-8")
    older = StackState.load(state.home)
    assert older is not None
    assert executor(older) == "LocalExecutor"


def test_what_is_no_redis_is_refused(state: StackState) -> None:
    """Another broker is refused, without what may be a password in it."""
    with pytest.raises(BadInput, match="is no URL of a Redis server") as refused:
        airflow.choose_broker(state, "amqp://user:secret@127.0.0.1")
    assert "secret" not in str(refused.value)
    assert executor(state) == "LocalExecutor"


def test_a_missing_provider_is_named_with_the_extra(state: StackState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra that is missing."""

    def missing(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(airflow, "version", missing)
    with pytest.raises(NotReady, match=r"evbilling\[celery\]"):
        airflow.choose_broker(state, BROKER)
    assert executor(state) == "LocalExecutor"
