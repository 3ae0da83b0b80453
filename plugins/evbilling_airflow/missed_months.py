"""The tasks of missed_months: the policies carried out. The product is imported inside the functions, as elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from evbilling_airflow.reporting import report_event
from evbilling_airflow.watching import watched

log = logging.getLogger(__name__)


@watched
def forgive_by_policy(context: Mapping[str, Any]) -> dict[str, int]:
    """Forgive what the policies say, with what it would have cost; returns how many months, 0 for a dry run."""
    from evbilling.missed_months import BASIS, forgive_by_policy
    from evbilling.platform.access import open_lookup
    from evbilling.read_models.preview import preview_missed
    from evbilling_airflow.connections import services

    if context["params"]["dry_run"]:
        return {"forgiven": 0}
    here = services()
    now = here.now()
    report_event(here, context, "missed_months", "forgive", "begun")
    with here.warehouse() as connection:
        forgiven = forgive_by_policy(
            connection,
            now,
            lambda months: [
                one.month for one in preview_missed(open_lookup(here.platform_url), connection, months, now=now)
            ],
            basis=BASIS,
        )
    log.info("%s months forgiven by policy", forgiven)
    return {"forgiven": forgiven}


def runs_to_trigger(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs of bill_month to trigger, {"run_id", "conf"}, none for a dry run; logs every decision."""
    from evbilling.missed_months import decisions, runs_by_policy
    from evbilling_airflow.connections import services

    here = services(with_platform=False)
    with here.warehouse() as connection:
        now = here.now()
        for one in decisions(connection, now):
            log.info("%s of %s: %s%s", one.period, one.account_id, one.decision, f", as {one.why}" if one.why else "")
        found = runs_by_policy(connection, now)
    if context["params"]["dry_run"]:
        return []
    report_event(here, context, "missed_months", "list_runs", "done")
    return found


def trigger(run: Mapping[str, Any]) -> None:
    """Have Airflow trigger this run of bill_month and end the task; it is skipped if there is such a run.

    By what TriggerDagRunOperator raises too: that renders conf as a template, in which an account's id could be code,
    and has a DAG file import SQLAlchemy.
    """
    from airflow.sdk.exceptions import DagRunTriggerException

    from evbilling_airflow.actions import BILL_MONTH

    raise DagRunTriggerException(
        trigger_dag_id=BILL_MONTH.dag_id,
        dag_run_id=run["run_id"],
        conf=dict(run["conf"]),
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=60,
        deferrable=False,
    )
