"""A task that fails for good: what the warehouse knows of it, and who hears it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk.observability import stats

from evbilling.errors import TransientError
from evbilling.service_levels import ServiceLevel
from evbilling_airflow.alerting import deadline
from evbilling_airflow.defaults import DEFAULT_ARGS
from evbilling_airflow.metrics import count, set_levels
from tests.support.month import rows

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


NOTHING: dict[str, Any] = {"late_since": None, "reason_id": None, "reason": None, "reason_since": None}


class Backend:
    """Keeps what Airflow would send to OpenTelemetry or StatsD."""

    def __init__(self) -> None:
        self.kept: dict[str, float] = {}

    def incr(self, stat: str, count: float = 1, *_: Any, **__: Any) -> None:
        self.kept[stat] = self.kept.get(stat, 0) + count

    def gauge(self, stat: str, value: float, *_: Any, **__: Any) -> None:
        self.kept[stat] = value


@pytest.fixture
def metrics() -> Iterator[Backend]:
    backend = Backend()
    stats.initialize(factory=lambda: backend, export_legacy_names=False)  # type: ignore[arg-type,return-value]
    yield backend
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


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


def test_service_levels_are_metrics(metrics: Backend) -> None:
    """How many are late, for how long, with how much money; and what steps counted."""
    now = datetime(2026, 11, 3, 18, tzinfo=UTC)
    late = {"late_since": now - timedelta(hours=2), "reason_id": "NO_RUN", "reason": "", "reason_since": None}
    common: dict[str, Any] = {"due_at": now, "done_at": None, "dag_id": "x", "airflow_run_id": None}
    charges = {"service_level": "charges", "accounts": 2, "statements": 2}
    levels = [
        ServiceLevel(period="2026-11", state="late", money={"EUR": Decimal("11.90")}, **charges, **late, **common),
        ServiceLevel(period="2026-10", state="ok", money={"USD": Decimal(5)}, **charges, **NOTHING, **common),
    ]
    set_levels(levels, now)
    count("charges", {"succeeded": 3, "declined": 0, "not_ok": [], "run_id": 7})
    assert metrics.kept == {
        "evbilling.charges.late": 1,
        "evbilling.charges.late_seconds": 7200,
        "evbilling.charges.needs_somebody": 1,
        "evbilling.charges.accounts": 2,
        "evbilling.charges.statements": 2,
        "evbilling.charges.money.EUR": 11.9,
        "evbilling.charges.money.USD": 0,
        "evbilling.charges.succeeded": 3,
    }


def test_deadline_alerts_are_airflows_own_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deadline(timedelta(hours=6)) is None
    monkeypatch.setenv("EVBILLING_DEADLINE_ALERTS", "true")
    alert = deadline(timedelta(hours=6))
    assert alert is not None
    assert (alert.interval, alert.callback.path) == (timedelta(hours=6), "evbilling_airflow.alerting.send_late")


def test_without_a_warehouse_the_callback_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so, and the check sends it later."""
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    failed("rebill", "charge_again")
    assert "isn't sent as an alert" in caplog.text
