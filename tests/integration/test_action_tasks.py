"""The operators' actions as their tasks call them: Params in, a row for each statement out."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evbilling.errors import BadInput
from evbilling.payments import PaymentServices
from evbilling.payments.actions import ActionResult, line
from evbilling_airflow import actions, connector_statements, payments
from evbilling_local.stack import EmbeddedPostgres
from tests.support.payments import SOFT, VISA, PaymentWorld, payment_world

pytestmark = pytest.mark.postgres

MARK = {
    "statement_id": None,
    "statement_ids": None,
    "amount": None,
    "currency": None,
    "paid_on": "2026-11-20",
    "reference": "bank 4711",
    "expected_total": None,
    "reason": "by transfer",
    "dry_run": False,
}
UNDO = {"payment_id": None, "reason": "mistake", "dry_run": False}
REBILL = {
    "statement_ids": None,
    "account_id": None,
    "period": None,
    "expected_total": None,
    "reason": "r",
    "dry_run": False,
}


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PaymentWorld]:
    """Three declined statements; the connections of the tasks lead to them."""
    with payment_world(postgres, tmp_path, 3, methods=[SOFT]) as world:
        world.charge()

        @contextmanager
        def payment_services() -> Generator[PaymentServices]:
            with world.payment_services() as opened:
                yield opened

        monkeypatch.setattr("evbilling_airflow.connections.services", lambda **_: world.services)
        monkeypatch.setattr("evbilling_airflow.connections.payment_services", payment_services)
        preview = PaymentServices(world.services)
        monkeypatch.setattr("evbilling_airflow.connections.preview_services", lambda: preview)
        yield world


def context(run_id: str, defaults: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {"dag_run": SimpleNamespace(run_id=run_id, triggering_user_name="ann"), "params": defaults | params}


def test_marked_seen_and_undone(world: PaymentWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Each Param gets where it belongs; a dry run writes nothing; the person who asked is on record."""
    caplog.set_level("INFO")
    first, second, third = world.ids
    dry = actions.MARK_AS_PAID.carry_out(context("dry", MARK, statement_ids=[first, second], dry_run=True))
    assert world.statuses() == ["Billing failure"] * 3
    with pytest.raises(BadInput, match=r"5\.00 EUR was expected to be due, 13\.09 EUR is due now"):
        actions.MARK_AS_PAID.carry_out(context("less", MARK, statement_ids=[first, second], expected_total={"EUR": 5}))
    seen = {"EUR": "13.09"}
    rows = actions.MARK_AS_PAID.carry_out(context("run", MARK, statement_ids=[first, second], expected_total=seen))
    paid = {"action": "mark_as_paid", "code": "marked", "currency": "EUR", "balance_due": "0.00"}
    assert (
        rows
        == dry
        == [
            paid | {"statement_id": first, "amount": "5.95"},
            paid | {"statement_id": second, "amount": "7.14"},
        ]
    )
    assert f"{first}: 5.95 EUR paid by other means; 0.00 EUR stay due" in caplog.messages
    assert f"dry run: {second}: 7.14 EUR paid by other means; 0.00 EUR stay due" in caplog.messages
    (row,) = actions.MARK_AS_PAID.carry_out(context("part", MARK, statement_id=third, amount=1.5, currency="EUR"))
    assert (row["statement_id"], row["amount"], row["balance_due"]) == (third, "1.50", "6.83")
    (payment,) = world.rows("select payment_id from finance.payments where statement_id = %s", second)[0]
    (dry_row,) = actions.UNDO_MARK_AS_PAID.carry_out(context("u", UNDO, statement_id=second, dry_run=True))
    (row,) = actions.UNDO_MARK_AS_PAID.carry_out(context("u", UNDO, statement_id=second, payment_id=payment))
    assert row == dry_row
    undone = f"{second}: {payment}, 7.14 EUR of 2026-11-20 (bank 4711), undone; 7.14 EUR are due"
    assert line(ActionResult.from_json(row)) == undone
    assert {undone, f"dry run: {undone}"} <= set(caplog.messages)
    assert world.statuses() == ["Paid manually", "Billing failure", "Partly paid"]
    done = world.rows(
        "select distinct actor, action from finance.audit_events where reason in ('by transfer', 'mistake')"
    )
    assert set(done) == {("ann", "mark_as_paid"), ("ann", "undo_mark_as_paid")}


@pytest.mark.parametrize("both", [{}, {"statement_id": "A-202611-000001", "statement_ids": ["A-202611-000002"]}])
def test_one_statement_or_several(world: PaymentWorld, both: dict[str, Any]) -> None:
    """Neither, or both, is a mistake."""
    with pytest.raises(BadInput, match="name a statement or several"):
        actions.MARK_AS_PAID.carry_out(context("run", MARK, **both))
    with pytest.raises(BadInput, match="expected_total"):
        actions.MARK_AS_PAID.carry_out(context("run", MARK, statement_id=world.ids[0], expected_total={"EUR": "5.955"}))


def test_rebill_of_what_was_seen(world: PaymentWorld) -> None:
    """Another amount than was seen charges nothing; the one that was seen is charged."""
    world.set_method("a00001", VISA)
    wrong = {"EUR": "7.15"}
    with pytest.raises(BadInput, match=r"7\.15 EUR was expected to be due, 7\.14 EUR is due now"):
        actions.REBILL.carry_out(context("r", REBILL, statement_ids=[world.ids[1]], expected_total=wrong))
    assert world.charged() == {}
    (row,) = actions.REBILL.carry_out(context("r", REBILL, statement_ids=[world.ids[1]], expected_total={"EUR": 7.14}))
    assert (row["statement_id"], row["code"], row["amount"]) == (world.ids[1], "charged", "7.14")


def test_neither_xcom_nor_logs_name_a_payment_method(world: PaymentWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Every viewer of Airflow reads both: no id of the gateway's customers and methods, no address or name of a person.

    Charged, tried again at the month's end and when due, by hand, marked as paid, taken back, compared.
    """
    caplog.set_level("DEBUG")
    caplog.set_level("INFO", "asyncio")
    # The sandbox runs in this process; its own log isn't a task's.
    caplog.set_level("WARNING", "uvicorn.access")
    first, _, third = world.ids
    world.platform.execute("update platform.app_user set full_name = 'Ann Onymous'")
    month = {"period": "2026-11", "days": 35, "min_age_minutes": 60, "dry_run": False}
    kept: list[Any] = [connector_statements.charge(context("r1", month), {"run_id": 1})]
    kept += [payments.plan_due(context("r2", month | {"dry_run": True}))]
    for batch in (planned := payments.plan_month_end(context("r3", month))):
        kept.append(payments.send(batch))
    kept += [planned, payments.close_month_end(context("r3", month))]
    world.set_method("a00001", VISA)
    kept += [payments.plan_due(context("r4", month)), payments.close_due(context("r4", month))]
    kept += [actions.REBILL.carry_out(context("r5", REBILL, statement_ids=[first, third], dry_run=True))]
    kept += [actions.REBILL.carry_out(context("r5", REBILL, statement_ids=[first, third]))]
    kept += [actions.MARK_AS_PAID.carry_out(context("r6", MARK, statement_ids=[first]))]
    kept += [actions.UNDO_MARK_AS_PAID.carry_out(context("r7", UNDO, statement_id=first))]
    kept += [payments.ask_gateway(context("r8", month)), payments.compare(context("r8", month))]
    assert kept[5] == ["planned r4/0"]
    everything = f"{kept} {caplog.text}"
    assert third in everything
    found = re.findall(r"pm_\w+|cus_\w+|\S+@example\.org|Ann Onymous|sk_test_\w+", everything)
    assert sorted(set(found)) == []
