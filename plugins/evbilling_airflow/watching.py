"""Tasks that can last over a minute: how far they are is logged and kept each half minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from evbilling.errors import BadInput
from evbilling.progress import Progress
from evbilling_airflow.context import billing_period

_P = ParamSpec("_P")
_Result = TypeVar("_Result")

_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current_progress() -> Progress:
    """Where the task under way counts; a counter that nobody looks at where there is none."""
    return _progress.get() or Progress()


def watched(act: Callable[_P, _Result]) -> Callable[_P, _Result]:
    """Let a task's function be watched: the services that it opens count where the log and the pages look."""

    @wraps(act)
    def watching(*args: _P.args, **kwargs: _P.kwargs) -> _Result:
        from evbilling.warehouse.progress import progress_kept
        from evbilling_airflow.connections import warehouse_url

        if (context := _context()) is None:
            return act(*args, **kwargs)
        progress = Progress()
        token = _progress.set(progress)
        try:
            with progress_kept(warehouse_url(), _step(context), progress):
                return act(*args, **kwargs)
        finally:
            _progress.reset(token)

    return watching


def _context() -> Mapping[str, Any] | None:
    from airflow.sdk import get_current_context

    try:
        return get_current_context()
    except RuntimeError:
        return None


def _step(context: Mapping[str, Any]) -> Any:
    from evbilling.warehouse.progress import StepOfRun

    task_instance = context["ti"]
    try:
        period = str(billing_period(context))
    except BadInput:
        # A daily DAG is of no month; a monthly one says the same itself, with what to do.
        period = None
    return StepOfRun(
        task_instance.dag_id,
        task_instance.run_id,
        task_instance.task_id,
        period,
        max(task_instance.map_index, 0),
        context.get("expanded_ti_count") or 1,
    )
