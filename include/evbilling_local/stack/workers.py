"""Who runs the stack's tasks: processes of the scheduler's own, or Celery workers, here or on other machines."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from evbilling.errors import BadInput, NotReady
from evbilling_local.stack.state import StackState

_SCHEMES = ("redis://", "rediss://")


def choose_broker(state: StackState, broker_url: str) -> None:
    """Let Celery workers run the tasks, over the Redis at `broker_url`; an empty one: the scheduler itself.

    Raises `BadInput` if it is no Redis URL, `NotReady` if Airflow's Celery provider isn't installed.
    """
    if broker_url and not broker_url.startswith(_SCHEMES):
        raise BadInput("is no URL of a Redis server", where="--broker", fix="give it as redis://:PASSWORD@HOST:6379/0")
    if broker_url:
        try:
            version("apache-airflow-providers-celery")
        except PackageNotFoundError:
            raise NotReady(
                "Airflow's Celery provider isn't installed",
                where="--broker",
                fix="install evbilling with its extra: pip install 'evbilling[celery]'",
            ) from None
    state.broker_url = broker_url
    state.save()


def executor_settings(state: StackState) -> dict[str, str]:
    """The AIRFLOW variables that say who runs the tasks."""
    if not state.broker_url:
        return {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor", "AIRFLOW__CORE__PARALLELISM": "4"}
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": state.broker_url,
        # What Celery says of a task is of use for minutes only: it needn't be in the metadata database.
        "AIRFLOW__CELERY__RESULT_BACKEND": state.broker_url,
        # A message that nobody confirms is handed out again after this long. Later than any task may take.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
    }
