"""A run of a month that is ended while it waits for a person: its plan is rejected at once, not at its deadline.

Nobody can answer any more, so nothing is to be waited for, on any page. Airflow calls the listener in the process that
ends the run, in the transaction of that change; the warehouse is called beside it, from a thread of its own.
"""

from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from evbilling_airflow.actions import BILL_MONTH

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)
_ASKING = frozenset({"connector_statements", BILL_MONTH.dag_id})


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """The run has failed: if it left a question without an answer, or a deadline that passed, somebody ended it."""
    if dag_run.dag_id in _ASKING and (who := _ended_unanswered(dag_run)):
        # The process may end: the plan waits until its deadline then.
        Thread(target=_reject, args=(dag_run.dag_id, dag_run.run_id, who), daemon=True).start()


def _ended_unanswered(dag_run: DagRun) -> str | None:
    """Who ended the run, by Airflow's log, or "airflow"; None unless a question was left without an answer."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.log import Log
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    if (session := object_session(dag_run)) is None:
        return None
    of_run = TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id
    unanswered = select(HITLDetail.ti_id).join(TaskInstance, TaskInstance.id == HITLDetail.ti_id)
    unanswered = unanswered.where(*of_run, HITLDetail.responded_at.is_(None))
    ended_by = select(Log.owner).where(Log.dag_id == dag_run.dag_id, Log.run_id == dag_run.run_id)
    ended_by = ended_by.where(Log.event == "patch_dag_run").order_by(Log.id.desc()).limit(1)
    with session.no_autoflush:
        if session.scalars(unanswered.limit(1)).first() is None:
            return None
        return session.scalars(ended_by).first() or "airflow"


def _reject(dag_id: str, run_id: str, actor: str) -> None:
    from evbilling.approvals import reject_ended_run
    from evbilling_airflow.connections import services

    try:
        with services(with_platform=False).warehouse() as connection:
            plans = reject_ended_run(connection, dag_id, run_id, actor)
        log.info("%s of %s was ended by %s: %s plans that waited are rejected", run_id, dag_id, actor, plans)
    except Exception:
        log.exception("the plan of %s, which was ended, waits until its deadline", run_id)
