"""The notes of DAG runs: what came of a month, in one line."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.models.dagrun import DagRun, DagRunNote

from evbilling_airflow import notes

pytestmark = pytest.mark.airflow

ISSUED = {"outcome": "issued", "statements": 1200, "unbilled": 1, "differing": 0}
CHARGED = {"succeeded": 1180, "declined": {"hard": 5, "soft": 14}, "unknown": 1, "not_accepted": {}}
MAILED = {"sent": 1198, "failed": 1, "unknown": 1, "later": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("results", "failed", "note"),
    [
        (
            {"issue_statements": [ISSUED], "charge": [CHARGED], "deliver": [MAILED]},
            None,
            "2026-11: 1,200 statements issued, 1 account without one, 1,180 collected, 19 declined, "
            "1 without an outcome, 1,198 mailed, 2 not mailed",
        ),
        (
            {"issue_statements": [ISSUED]},
            ["charge"],
            "2026-11: failed at charge, 1,200 statements issued, 1 account without one",
        ),
        ({}, ["open_run"], "2026-11: failed at open_run"),
        ({}, [], "2026-11: failed"),
        ({"issue_statements": [{"outcome": "unchanged", "statements": 0}]}, None, "2026-11: nothing new to issue"),
        ({"issue_statements": [{"outcome": "superseded"}]}, None, "2026-11: a newer run took over"),
        (
            {"issue_statements": [{"outcome": "differs", "differing": 2}]},
            None,
            "2026-11: 2 issued statements would be different now",
        ),
        ({"correct": [{"outcome": "issued", "corrections": 1}]}, None, "2026-11: 1 correction issued"),
        ({"send_retries": [CHARGED, CHARGED]}, None, "2026-11: 2,360 collected, 38 declined, 2 without an outcome"),
    ],
)
def test_what_came_of_a_run(results: dict[str, list[Any]], failed: list[str] | None, note: str) -> None:
    """Statements, payments and mail in one line, after the month; of a failure the task, and what was done before."""
    assert notes.note_of("2026-11", results, failed) == note


def test_a_daily_run_has_no_month() -> None:
    """Its note is what came of it."""
    assert notes.note_of(None, {"deliver": [MAILED]}, None) == "1,198 mailed, 2 not mailed"
    assert notes.note_of(None, {"ask_gateway": [{"still_unknown": 0}], "compare": [{}]}, None) == (
        "0 charges without an outcome, gateway and warehouse agree"
    )
    missed = {"forgive": [{"forgiven": 1}], "list_runs": [[{"run_id": "policy-1"}, {"run_id": "policy-2"}]]}
    assert notes.note_of(None, missed, None) == "1 month forgiven, 2 months to be billed"
    assert notes.note_of(None, {"forgive": [{"forgiven": 0}], "list_runs": [[]]}, None) == "Nothing to do"
    assert notes.note_of(None, {}, None) == "Nothing to do"


@pytest.mark.parametrize(
    ("dag_id", "there", "after"),
    [
        ("connector_statements", None, "2026-11"),
        ("connector_statements", DagRunNote("ours", None), "2026-11"),
        ("connector_statements", DagRunNote("ann's", "ann"), "ann's"),
        ("somebody_elses", None, None),
    ],
)
def test_only_our_own_notes_are_written(dag_id: str, there: DagRunNote | None, after: str | None) -> None:
    """The note of a person stays, and so does a run of another DAG."""
    run = DagRun(dag_id=dag_id, run_id="r", run_type="manual", partition_key="2026-11")
    run.dag_run_note = there
    notes.on_dag_run_running(run, "")
    assert run.note == after
