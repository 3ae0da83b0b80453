"""Says at once that a task failed for good: in the warehouse, by mail and webhook. It never fails anything itself."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from evbilling_airflow.metrics import count, set_levels

if TYPE_CHECKING:
    from evbilling.service_levels import ServiceLevel
    from evbilling.services import Services

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
    levels = look(here)
    count("task_failed", {run.dag_id: 1})
    is_known = any(level.needs_somebody and level.airflow_run_id == run.run_id for level in levels)
    cause = f"failed_run:{run.dag_id}:{run.run_id}"
    title = f"A run of {run.dag_id} failed at {task_id}"
    notify(here.warehouse_url, alert_settings(), levels, failed_run=None if is_known else (cause, title))


def look(here: Services) -> list[ServiceLevel]:
    """The service levels now, which are Airflow's metrics too."""
    from evbilling.service_levels import read_service_levels
    from evbilling.warehouse import read_clock

    with here.warehouse() as connection:
        levels, now = read_service_levels(connection), read_clock(connection)
    set_levels(levels, now)
    return levels


def send_late(**_given: Any) -> None:
    """Send what is late and wasn't sent yet: called by Airflow when a deadline of a run has passed."""
    from evbilling.alerts import notify
    from evbilling_airflow.connections import alert_settings, services

    here = services(with_platform=False)
    levels = look(here)
    notify(here.warehouse_url, alert_settings(), levels)


def deadline(after: timedelta) -> DeadlineAlert | None:
    """Airflow's own alarm for a run that isn't over so long after it was queued; None unless it is switched on.

    Experimental: in Airflow 3.3.2 `airflow dags test` can't run a DAG that has one. A partition run has no logical
    date, so the time counts from the queue on.
    """
    if os.environ.get("EVBILLING_DEADLINE_ALERTS", "").lower() != "true":
        return None
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, after, SyncCallback(send_late))
