"""Whether a service is healthy, as its health check asks: cheaply, because it asks several times a minute.

Airflow's own command for this, `airflow jobs check`, takes seconds of CPU each time; its API says the same for nothing.
"""

from __future__ import annotations

from pathlib import Path

from evbilling.errors import BadInput

# As Airflow's report names them, and the sandbox.
AIRFLOW_PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
SANDBOX = "sandbox"
_WORKER_ANSWERS_WITHIN = 5.0


def is_healthy(part: str, url: str) -> bool:
    """True if `part` of the Airflow at `url` says so itself; for the sandbox, if the one at `url` answers."""
    import httpx

    from evbilling_local.stack.api import AirflowApi

    if part != SANDBOX:
        client = AirflowApi(url, "", "")
        unhealthy = client.unhealthy_parts()
        client.close()
        return part not in unhealthy and "api-server" not in unhealthy
    try:
        return httpx.get(f"{url}/_sandbox/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def worker_answers(name: str, broker_file: Path) -> bool:
    """True if the Celery worker `name` answers a ping through the broker whose URL the file holds."""
    from celery import Celery  # type: ignore[import-untyped]

    try:
        broker = broker_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInput(f"can't be read: {error}", where=str(broker_file), fix="run `make secrets`") from None
    with Celery(broker=broker, set_as_current=False) as app:
        answers = app.control.ping(destination=[name], timeout=_WORKER_ANSWERS_WITHIN, limit=1)
    return any(name in answer for answer in answers)
