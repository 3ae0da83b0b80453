"""A task that fails for good: what the warehouse knows of it, and who hears it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evbilling.errors import TransientError
from evbilling_airflow.defaults import DEFAULT_ARGS
from tests.support.month import rows

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


def failed(dag_id: str, task_id: str) -> None:
    """Airflow calls back."""
    run = SimpleNamespace(dag_id=dag_id, run_id="scheduled__1", partition_key=None)
    context = {"dag_run": run, "ti": SimpleNamespace(task_id=task_id), "params": {}}
    DEFAULT_ARGS["on_failure_callback"](context | {"exception": TransientError("can't be reached", where="gateway")})


def test_a_failure_is_kept_and_said_once_a_run(
    warehouse_db: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many tasks of the run fail; a webhook that is down is said in the log, without its address."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_db.writer_url)
    monkeypatch.setenv("AIRFLOW_CONN_EVIDENCE", json.dumps({"conn_type": "file", "extra": {"path": "/nowhere"}}))
    extra = {"webhook_url": "http://127.0.0.1:9/T0/hidden-1"}
    monkeypatch.setenv("AIRFLOW_CONN_ALERTS", json.dumps({"conn_type": "generic", "extra": extra}))
    failed("rebill", "charge_again")
    failed("rebill", "charge_again")
    kept = rows(warehouse_db.admin_url, "select dag_id, task_id, event, detail from billing.dag_event")
    assert kept == [("rebill", "charge_again", "failed", "gateway: can't be reached")] * 2
    alerts = rows(warehouse_db.admin_url, "select cause, title from billing.alert")
    assert alerts == [("failed_run:rebill:scheduled__1", "A run of rebill failed at charge_again")]
    errors = rows(warehouse_db.admin_url, "select channel, error from billing.alert_message")
    assert errors == [("webhook", "no answer (ConnectError)")]
    assert "isn't sent by webhook: no answer" in caplog.text
    assert "hidden-1" not in caplog.text


def test_without_a_warehouse_the_callback_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so, and the check sends it later."""
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    failed("rebill", "charge_again")
    assert "isn't sent as an alert" in caplog.text
