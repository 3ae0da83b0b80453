"""What isn't in order after charging fails the task, by the sentence of the break or the figures of the check."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from evbilling.errors import Mismatch
from evbilling.payments import PaymentServices
from evbilling.payments.actions import RebillRequest, charge_again
from evbilling.payments.gateway.interface import Charge, ChargeResult
from evbilling_airflow import connector_statements, payments
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PERIOD
from tests.support.payments import SOFT, VISA, PaymentWorld, check_books, payment_world

pytestmark = pytest.mark.postgres

PARAMS = {"period": str(PERIOD), "dry_run": False, "days": 35, "min_age_minutes": 60}
CONTEXT = {
    "dag_run": SimpleNamespace(run_id="run", partition_key=None, triggering_user_name="ann"),
    "params": PARAMS,
}


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PaymentWorld]:
    """Three statements, the last with a card that is declined; the connections of the tasks lead to them."""
    with payment_world(postgres, tmp_path, 3, methods=[VISA, VISA, SOFT]) as world:

        @contextmanager
        def payment_services() -> Generator[PaymentServices]:
            with world.payment_services() as opened:
                yield opened

        monkeypatch.setattr("evbilling_airflow.connections.payment_services", payment_services)
        monkeypatch.setattr("evbilling_airflow.connections.preview_services", lambda: PaymentServices(world.services))
        yield world


def double(world: PaymentWorld, statement: str) -> str:
    """Charge a statement's payment once more, at the gateway alone; its id."""
    (first,) = world.charged()[statement]
    return str(world.sandbox.make_payment(first["amount"], "eur", metadata=first["metadata"])["id"])


def charge(world: PaymentWorld) -> dict[str, Any]:
    """The task `charge`."""
    return connector_statements.charge(CONTEXT, {"run_id": 1})


def test_a_double_fails_the_charge_that_finds_it(world: PaymentWorld) -> None:
    """In order, the task returns; with a double it fails, once all is recorded, and says what to do."""
    assert charge(world)["succeeded"] == 2
    second = double(world, world.ids[0])
    with pytest.raises(Mismatch) as caught:
        charge(world)
    said = str(caught.value)
    assert f"duplicate: {second} for {world.ids[0]}: 0.00 EUR recorded, 5.95 EUR at the gateway; " in said
    assert world.one("select count(*) from finance.payment_breaks where is_open") == 1
    assert world.one("select is_ok from finance.tie_out where check_id = 'gateway-EUR'") is False
    check_books(world)
    with pytest.raises(Mismatch, match=f"duplicate: {second}"):
        payments.compare(CONTEXT)


def test_what_the_tie_out_finds_fails_the_charge(world: PaymentWorld) -> None:
    """A payment of the gateway for a statement, of no attempt of ours: the break and the figures are named."""
    charge(world)
    ours = {"evbilling_installation": world.one("select installation_id::text from billing.installation")}
    metadata = ours | {"evbilling_statement": world.ids[2]}
    payment = world.sandbox.make_payment(833, "eur", metadata=metadata)["id"]
    with pytest.raises(Mismatch) as caught:
        charge(world)
    said = str(caught.value)
    assert f"charged_not_recorded: {payment} for {world.ids[2]}: 0.00 EUR recorded, 8.33 EUR at the gateway; " in said
    assert "tie-out gateway-EUR of 2026-11: Succeeded attempts, EUR 13.09, but Payments that the gateway lists" in said
    assert "everything is recorded, and 2 things aren't in order" in said


def test_retries_record_first_and_fail_then(world: PaymentWorld) -> None:
    """The month's end in one task; the daily retries in a task after the mails, so that those go out."""
    charge(world)
    second = double(world, world.ids[1])
    world.set_method("a00002", VISA)
    for batch in payments.plan_month_end(CONTEXT):
        payments.send(batch)
    with pytest.raises(Mismatch, match=f"duplicate: {second}"):
        payments.close_month_end(CONTEXT)
    assert world.statuses() == ["Paid", "Paid", "Billing failure (resolved)"]
    for batch in payments.plan_due(CONTEXT):
        payments.send(batch)
    closed = payments.close_due(CONTEXT)
    assert closed["not_ok"] == {str(PERIOD): ["gateway-EUR"]}
    with pytest.raises(Mismatch, match=f"duplicate: {second}"):
        payments.check(closed)
    world.sandbox.delete_intent(second)
    assert payments.compare(CONTEXT) == {"breaks": 0, "not_ok": {}}
    reported = world.rows("select distinct dag_id, task_id, event from billing.dag_event order by 1, 2, 3")
    assert reported == [
        ("connector_statements", "charge", "begun"),
        ("connector_statements", "charge", "done"),
        ("payment_reconciliation", "compare", "done"),
        ("payment_retries", "plan_retries", "begun"),
        ("payment_retries", "record", "done"),
    ]
    payments.check(payments.close_due(CONTEXT))
    payments.check({})


def test_a_check_that_fails_without_a_break_fails_the_comparison(world: PaymentWorld) -> None:
    """The tie-out finds what no break is about, such as a list that differs from the ledger."""
    charge(world)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("update billing.standing set has_failed = true where statement_id = %s", (world.ids[0],))
    with pytest.raises(Mismatch, match="tie-out standing-EUR of 2026-11: Connector statements, EUR 3, but"):
        payments.compare(CONTEXT)


def test_a_rebill_that_doubles_says_so(world: PaymentWorld) -> None:
    """A gateway that charges twice: the statement is paid, the second payment is named at once."""
    charge(world)
    world.set_method("a00002", VISA)
    with world.payment_services() as opened:
        twice = replace(opened, gateway=_Twice(world, opened.gateway))  # type: ignore[arg-type]
        with pytest.raises(Mismatch, match=f"duplicate: pi_.* for {world.ids[2]}"):
            charge_again(twice, RebillRequest("r", "ann", "new card", statement_ids=(world.ids[2],)), NOW)
    assert world.status(world.ids[2]) == "Billing failure (resolved)"
    check_books(world)


class _Twice:
    """A gateway at which each charge is made twice."""

    def __init__(self, world: PaymentWorld, gateway: Any) -> None:
        self._world = world
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def charge(self, charge: Charge) -> ChargeResult:
        self._world.sandbox.make_payment(charge.amount_minor, charge.currency.lower(), metadata=dict(charge.metadata))
        result: ChargeResult = self._gateway.charge(charge)
        return result
