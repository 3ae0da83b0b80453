"""What has begun is decided by the warehouse's clock, and a worker whose clock disagrees does nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest

from evbilling.errors import BadInput, NotReady
from evbilling.payments import PaymentServices
from evbilling.period import Period
from evbilling.warehouse import clock
from evbilling_airflow import account_statements, actions, connector_statements, mail, payments
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import contents
from tests.support.payments import SOFT, PaymentWorld, payment_world

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """Two declined statements of 2026-11; the connections of the tasks lead to them."""
    with (
        payment_world(postgres, tmp_path_factory.mktemp("clock"), 2, methods=[SOFT]) as world,
        pytest.MonkeyPatch.context() as patch,
    ):
        world.charge()

        @contextmanager
        def payment_services() -> Generator[PaymentServices]:
            with world.payment_services() as opened:
                yield opened

        patch.setattr("evbilling_airflow.connections.services", lambda **_: world.services)
        patch.setattr("evbilling_airflow.connections.payment_services", payment_services)
        patch.setattr("evbilling_airflow.connections.smtp_settings", lambda: None)
        yield world


@pytest.fixture
def worker_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the worker's clock so far ahead of the real one."""

    def set_clock(ahead: timedelta) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + ahead

        monkeypatch.setattr(clock, "datetime", Clock)

    return set_clock


def context(**params: Any) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="connector_statements", run_id="r", triggering_user_name="ann", run_type="manual")
    limits = {"deliver": "no", "max_count_change_percent": 25, "max_orphan_connectors": 0, "shard_rows": 1000}
    return {"dag_run": run, "params": {"period": "2026-11", "dry_run": False, "days": 35, **limits, **params}}


def tasks(world: PaymentWorld) -> dict[str, Callable[[], Any]]:
    """The tasks that decide by time, charge or mail."""
    asked: dict[str, Any] = {"statement_ids": world.ids, "reason": "r", "expected_total": None}
    rebill = asked | {"account_id": None, "period": None}
    mark = asked | {"statement_id": None, "amount": None, "currency": None, "paid_on": "2026-11-05", "reference": "x"}
    return {
        "open_run": lambda: connector_statements.open_run(context()),
        "charge": lambda: connector_statements.charge(context(), {"run_id": 1}),
        "assemble": lambda: account_statements.assemble(context()),
        "plan_month_end": lambda: payments.plan_month_end(context()),
        "plan_due": lambda: payments.plan_due(context()),
        "send": lambda: payments.send("planned r/0"),
        "close_month_end": lambda: payments.close_month_end(context()),
        "close_due": lambda: payments.close_due(context()),
        "ask_gateway": lambda: payments.ask_gateway(context(min_age_minutes=60)),
        "compare": lambda: payments.compare(context()),
        "rebill": lambda: actions.REBILL.carry_out(context(**rebill)),
        "mark_as_paid": lambda: actions.MARK_AS_PAID.carry_out(context(**mark)),
        "deliver": lambda: mail.deliver_all(context()),
    }


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (timedelta(days=2), r"is 2 days, 0:00:00 ahead of the warehouse's"),
        (timedelta(minutes=6), r"is 0:06:00 ahead of the warehouse's"),
        (timedelta(days=-40), r"is 40 days, 0:00:00 behind the warehouse's"),
    ],
)
def test_a_worker_whose_clock_is_wrong_does_nothing(
    world: PaymentWorld, worker_is: Callable[[timedelta], None], ahead: timedelta, says: str
) -> None:
    """Each task stops with one message that says how wrong it is and what to do; only that it began is written."""
    before, at_gateway = contents(world.admin_url, leave_out={"dag_event"}), world.sandbox.requests()["total"]
    worker_is(ahead)
    for name, task in tasks(world).items():
        with pytest.raises(NotReady, match=says) as stopped:
            task()
        assert "set the one that is wrong" in str(stopped.value), name
    assert contents(world.admin_url, leave_out={"dag_event"}) == before
    assert world.sandbox.requests()["total"] == at_gateway


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(minutes=-4)])
def test_a_small_difference_is_no_fault_and_the_warehouse_is_right(
    world: PaymentWorld, worker_is: Callable[[timedelta], None], ahead: timedelta
) -> None:
    """Within five minutes the step goes by the warehouse's clock."""
    worker_is(ahead)
    assert abs(world.services.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_month_that_hasnt_begun_by_the_warehouse_isnt_billed(world: PaymentWorld) -> None:
    """Neither its count, nor its end."""
    today = datetime.now(UTC)
    later = Period(today.year, today.month).shifted(2)
    with pytest.raises(BadInput, match="has not begun anywhere yet"):
        connector_statements.open_run(context(period=str(later)))
    with pytest.raises(BadInput, match="has not reached its last day"):
        account_statements.assemble(context(period=str(later)))
    with pytest.raises(BadInput, match="has not reached its last day"):
        account_statements.assemble(context(period="9999-12"))
