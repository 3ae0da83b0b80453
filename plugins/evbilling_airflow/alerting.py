"""Says at once that a task failed for good: in the warehouse, by mail and webhook. It never fails anything itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseNotifier

log = logging.getLogger(__name__)


class FailureNotifier(BaseNotifier):
    """A task's on_failure_callback: a DAG's own isn't called by every version of Airflow."""

    def notify(self, context: Any) -> None:
        """Record the failure and send what wasn't sent yet; what can't be is in the log, and the check sends it."""
        try:
            _report(context)
        except Exception:
            log.exception("that the task failed isn't sent as an alert; evbilling check --notify sends what is late")


def _report(context: Mapping[str, Any]) -> None:
    from evbilling.alerts import notify
    from evbilling.errors import EvbillingError
    from evbilling.service_levels import read_service_levels
    from evbilling_airflow.connections import alert_settings, services
    from evbilling_airflow.context import billing_period
    from evbilling_airflow.reporting import report_event

    run, task_id = context["dag_run"], context["ti"].task_id
    try:
        period = str(billing_period(context))
    except EvbillingError:
        period = None
    here = services(with_platform=False)
    detail = str(context.get("exception") or "the task was cut off")
    report_event(here, context, run.dag_id, task_id, "failed", period=period, detail=detail)
    with here.warehouse() as connection:
        levels = read_service_levels(connection)
    is_known = any(level.needs_somebody and level.airflow_run_id == run.run_id for level in levels)
    cause = f"failed_run:{run.dag_id}:{run.run_id}"
    title = f"A run of {run.dag_id} failed at {task_id}"
    notify(here.warehouse_url, alert_settings(), levels, failed_run=None if is_known else (cause, title))
