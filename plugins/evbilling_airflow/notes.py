"""The note of a DAG run: its month and, at its end, what came of it. So the list of runs reads as a list of months.

A task can't write it. Airflow calls these functions where a run changes its state: mostly in the scheduler, in the
transaction of that change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

# Whose runs are annotated; those of other DAGs are none of our business.
DAGS = frozenset({
    *("connector_statements", "account_statements", "correct_statements"),
    *("payment_retries", "payment_reconciliation", "mail_delivery", "missed_months"),
})
# What Airflow keeps of a note.
_MOST = 1000


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """The run has begun: its note is its month."""
    if dag_run.dag_id in DAGS and (period := _period(dag_run)):
        _annotate(dag_run, period)


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:
    """The run has ended: its note says what came of it."""
    if dag_run.dag_id in DAGS:
        _annotate(dag_run, note_of(_period(dag_run), _results(dag_run), None))


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """The run has failed: its note says at which task, and what was done before."""
    if dag_run.dag_id in DAGS:
        _annotate(dag_run, note_of(_period(dag_run), _results(dag_run), _failed(dag_run)))


def note_of(period: str | None, results: Mapping[str, Sequence[Any]], failed: Iterable[str] | None) -> str:
    """The note of a run that has ended: for example "2026-11: 1,200 statements issued, 1,180 collected, 20 declined".

    `results`: by task what its instances returned. `failed`: None if the run succeeded, else the tasks that failed,
    which are none if somebody ended it.
    """
    parts = [] if failed is None else [f"failed at {tasks}" if (tasks := ", ".join(failed)) else "failed"]
    for task_id in ("issue_canary", "issue_statements", "correct"):
        parts += [words for result in results.get(task_id, ()) if (words := _issued(result))]
    if charges := [row for name in ("charge_canary", "charge", "send_retries") for row in results.get(name, ())]:
        parts += _charged(charges)
    if asked := results.get("ask_gateway"):
        parts.append(f"{asked[0].get('still_unknown', 0):,} charges without an outcome")
    if "compare" in results:
        parts.append("gateway and warehouse agree")
    if (forgiven := results.get("forgive")) and forgiven[0]["forgiven"]:
        parts.append(f"{_count(forgiven[0]['forgiven'], 'month')} forgiven")
    if (listed := results.get("list_runs")) and listed[0]:
        parts.append(f"{_count(len(listed[0]), 'month')} to be billed")
    if delivered := [*results.get("deliver_canary", ()), *results.get("deliver", ())]:
        parts += _mailed(delivered)
    text = ", ".join(parts) or "nothing to do"
    return (f"{period}: {text}" if period else f"{text[0].upper()}{text[1:]}")[:_MOST]


def _issued(result: Mapping[str, Any]) -> str:
    outcome = result.get("outcome")
    if outcome == "superseded":
        return "a newer run took over"
    if outcome == "canary":
        return f"canary of {_count(result['statements'], 'statement')} issued"
    if outcome == "differs":
        return f"{_count(result['differing'], 'issued statement')} would be different now"
    if "corrections" in result:
        return f"{_count(result['corrections'], 'correction')} issued"
    if outcome != "issued":
        return "nothing new to issue"
    without = f", {_count(result['unbilled'], 'account')} without one" if result.get("unbilled") else ""
    return f"{_count(result['statements'], 'statement')} issued{without}"


def _charged(results: Sequence[Mapping[str, Any]]) -> list[str]:
    counts = {
        "collected": sum(result.get("succeeded", 0) for result in results),
        "declined": sum(sum(result.get("declined", {}).values()) for result in results),
        "refused for a reason of ours": sum(sum(result.get("not_accepted", {}).values()) for result in results),
        "without an outcome": sum(result.get("unknown", 0) for result in results),
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count or what == "collected"]


def _mailed(results: Sequence[Mapping[str, Any]]) -> list[str]:
    sent = sum(result.get("sent", 0) for result in results)
    failed = sum(result.get("failed", 0) + result.get("unknown", 0) for result in results)
    waiting = sum(result.get("waiting", 0) for result in results)
    counts = (("mailed", sent), ("not mailed", failed), ("mails wait", waiting))
    return [f"{count:,} {what}" for what, count in counts if count or what == "mailed"]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _period(dag_run: DagRun) -> str | None:
    return dag_run.partition_key or (dag_run.conf or {}).get("period")


def _results(dag_run: DagRun) -> dict[str, list[Any]]:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    results: dict[str, list[Any]] = {}
    if (session := object_session(dag_run)) is None:
        return results
    query = select(XComModel).where(
        XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == "return_value"
    )
    with session.no_autoflush:
        for row in session.scalars(query):
            result = XComModel.deserialize_value(row)
            if isinstance(result, dict | list):
                results.setdefault(row.task_id, []).append(result)
    return results


def _failed(dag_run: DagRun) -> list[str]:
    """The tasks that have failed, read in its own session: another would end the scheduler's transaction."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    if (session := object_session(dag_run)) is None:
        return []
    query = select(TaskInstance.task_id).where(
        TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id, TaskInstance.state == "failed"
    )
    with session.no_autoflush:
        return sorted(set(session.scalars(query)))


def _annotate(dag_run: DagRun, note: str) -> None:
    """What a person wrote there stays."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    if (session := object_session(dag_run)) is not None:
        # The scheduler may begin the run in the moment in which a person ends it: two notes of one run are an error to
        # whichever is second, so the second waits here and then sees the first.
        with session.no_autoflush:
            session.execute(select(DagRun.id).where(DagRun.id == dag_run.id).with_for_update())
            session.expire(dag_run, ["dag_run_note"])
    if dag_run.dag_run_note is None or dag_run.dag_run_note.user_id is None:
        dag_run.note = note
