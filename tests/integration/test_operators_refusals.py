"""Refusals that aren't the customer's making: nobody is told, nothing counts, and the right key tries all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import BadInput, Mismatch
from evbilling.payments import require_in_order
from evbilling.payments.actions import Code, RebillRequest, charge_again
from evbilling.payments.attempts import claim, record
from evbilling.payments.gateway import GatewaySettings
from evbilling.payments.gateway.interface import ChargeResult, Outcome
from evbilling.payments.gateway.stripe_gateway import StripeGateway
from evbilling.payments.retries.runs import close_retries, due_retries, month_end_retries, open_retries
from evbilling_local.sandbox import Rules
from evbilling_local.sandbox.customers import CUSTOMER, new_customer
from evbilling_local.sandbox.faults import INVALID_REQUEST, UNAUTHORIZED, FaultPlan
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PERIOD
from tests.support.payments import KEY, VISA, PaymentWorld, check_books, check_collected_once, payment_world

pytestmark = pytest.mark.postgres

STRICT = Rules(adopt_customers=False)


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Forty statements, each with a card that works."""
    with payment_world(postgres, tmp_path, 40) as world:
        yield world


@pytest.fixture
def strict(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Twelve statements, at a gateway that has none of their customers: as one does for the key of another account."""
    with payment_world(postgres, tmp_path, 12, rules=STRICT) as world:
        yield world


def add_customers(world: PaymentWorld, *numbers: int) -> None:
    """The gateway has the customers of these accounts, by number, from now on."""
    for number in numbers:
        world.sandbox.call(lambda api, n=number: new_customer(api.store, f"cus_a{n:05d}", 1))


def require_untouched(world: PaymentWorld) -> None:
    """No customer is told, no statement has failed, and nothing counts against anybody."""
    assert world.one("select count(*) from finance.mail where kind = 'failed_charge'") == 0
    assert "Billing failure" not in world.statuses()
    assert "declined" not in world.outcomes()
    check_books(world)


def in_order(world: PaymentWorld, **options: Any) -> None:
    """Raise `Mismatch` as the task does if the month's charge left something to do."""
    with world.payment_services() as payments:
        require_in_order(payments, [str(PERIOD)], {}, occasion=options.get("occasion", f"issue {PERIOD}"))


def month_end(world: PaymentWorld, name: str) -> None:
    """Try again whatever may still succeed."""
    with world.payment_services() as payments:
        for batch in open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", name, "ann"):
            payments.collect(batch)
        close_retries(payments, name, NOW)


def test_the_key_of_another_account_charges_nobody(strict: PaymentWorld) -> None:
    """None of the customers is there: said before anything is opened; the right key charges all of them."""
    with pytest.raises(BadInput, match=r"has none of the customers that are to be charged \(12 looked for\)") as no:
        strict.charge()
    assert "key of the account, and of the mode" in str(no.value)
    assert strict.outcomes() == {}
    assert strict.sandbox.requests()["by_endpoint"].get("POST /v1/payment_intents") is None
    require_untouched(strict)
    add_customers(strict, *range(12))
    assert strict.charge()["succeeded"] == 12
    check_collected_once(strict)


def test_a_retry_with_the_key_of_another_account_charges_nobody(strict: PaymentWorld) -> None:
    """Nothing is opened; and what a retry opened with the right key waits, unsent, until the key is right again."""
    with strict.payment_services() as payments:
        retries = month_end_retries(payments, PERIOD, NOW)
        with pytest.raises(BadInput, match="has none of the customers"):
            open_retries(payments, retries, "month_end", "month end", "ann")
        assert strict.outcomes() == {}
        add_customers(strict, *range(12))
        (batch,) = open_retries(payments, retries, "month_end", "month end", "ann")
        strict.sandbox.call(lambda api: [api.store.delete(CUSTOMER, f"cus_a{n:05d}") for n in range(12)])
        with pytest.raises(BadInput, match="has none of the customers"):
            payments.collect(batch)
    assert strict.rows("select outcome, count(*) from billing.payment_attempt where sent_at is null group by 1") == [
        ("pending", 12)
    ]
    require_untouched(strict)
    add_customers(strict, *range(12))
    with strict.payment_services() as payments:
        assert payments.collect(batch).succeeded == 12
    check_collected_once(strict)


def test_a_key_of_the_other_mode_is_noticed_before_anything_is_asked(world: PaymentWorld) -> None:
    """By what the connection says, and by what the payments so far were made with; the connection goes before."""
    settings = GatewaySettings(KEY, world.sandbox.url, livemode=True)
    with StripeGateway(settings, lambda: None) as gateway, pytest.raises(BadInput, match="key is for test payments"):
        gateway.check()
    assert world.sandbox.requests()["total"] == 0
    for number in range(20, 40):
        world.set_method(f"a{number:05d}", None)
    assert world.charge()["succeeded"] == 20
    assert world.rows("select distinct livemode from billing.gateway_payment") == [(False,)]
    for number in range(20, 40):
        world.set_method(f"a{number:05d}", VISA)
    before = world.outcomes()
    with world.payment_services(key="sk_live_x") as payments:
        retries = month_end_retries(payments, PERIOD, NOW)
        with pytest.raises(BadInput, match="key is for live payments, and test payments are made here") as caught:
            open_retries(payments, retries, "month_end", "month end", "ann")
    assert "livemode to true" in str(caught.value)
    assert world.outcomes() == before
    live = GatewaySettings("sk_live_x", world.sandbox.url, livemode=True)
    with StripeGateway(live, lambda: None) as gateway, pytest.raises(BadInput, match="refuses the key"):
        gateway.check(is_live=False)


def test_a_request_that_the_gateway_refuses_stops_the_batch(world: PaymentWorld) -> None:
    """The first three alike are enough: the others wait unsent, nobody is told, and later all of them are charged."""
    world.sandbox.set_faults(FaultPlan(rates={INVALID_REQUEST: 1.0}))
    with pytest.raises(BadInput, match=r"refused the last . charges alike \(parameter_unknown\)") as caught:
        world.charge()
    assert "no customer was told" in str(caught.value)
    # One answer may come so early that its place is taken by another call.
    sent = world.sandbox.requests()["by_endpoint"]["POST /v1/payment_intents"]
    assert 3 <= sent <= 5
    assert world.outcomes() == {"refused": sent, "pending": 40 - sent}
    query = (
        "select distinct decline_code, decline_class, message from finance.payment_attempts where outcome = 'refused'"
    )
    assert world.rows(query) == [
        ("parameter_unknown", None, "HTTP 400, Received unknown parameter: off_session"),
    ]
    require_untouched(world)
    world.sandbox.set_faults()
    again = world.charge(lease_seconds=0.5)  # or it waits a minute for what the first one claimed and left
    assert (again["opened"], again["succeeded"], again["not_ok"]) == (sent, 40, [])
    require_untouched(world)
    check_collected_once(world)
    in_order(world)


def test_a_key_that_expires_in_the_middle_stops_the_batch(world: PaymentWorld) -> None:
    """What was charged is booked, what was refused is tried again, and nothing is charged twice."""
    world.sandbox.set_faults(FaultPlan(sequence=(None,) * 10 + (UNAUTHORIZED,) * 40))
    with pytest.raises(BadInput, match="refuses the key"):
        world.charge(workers=4)
    found = world.outcomes()
    assert found["succeeded"] == 10
    assert 1 <= found["refused"] <= 8
    require_untouched(world)
    world.sandbox.set_faults()
    assert world.charge(lease_seconds=0.5)["succeeded"] == 30
    check_collected_once(world)


def test_one_stale_customer_concerns_one_statement(strict: PaymentWorld) -> None:
    """The others are charged; the task fails with what to do, and once the platform is right the retry collects it."""
    add_customers(strict, *(n for n in range(12) if n != 4))
    result = strict.charge()
    assert (result["succeeded"], result["declined"], result["not_accepted"]) == (11, {}, {"customer_missing": 1})
    assert strict.statuses() == ["Paid"] * 4 + ["Issued"] + ["Paid"] * 7
    require_untouched(strict)
    with pytest.raises(Mismatch, match=f"{strict.ids[4]}: refused by the gateway \\(customer_missing\\)") as caught:
        in_order(strict)
    assert "correct the financial admin's payment_customer" in str(caught.value)
    month_end(strict, "while it is missing")
    require_untouched(strict)
    add_customers(strict, 4)
    month_end(strict, "once it is there")
    assert strict.statuses() == ["Paid"] * 12
    assert strict.attempts(strict.ids[4]) == ["refused", "refused", "succeeded"]
    check_collected_once(strict)
    in_order(strict, occasion="once it is there")


def test_a_missing_card_of_a_missing_customer_is_ours(strict: PaymentWorld) -> None:
    """The gateway may name the card first; whether the customer is there decides whose making it is."""
    add_customers(strict, *range(1, 12))
    strict.set_method("a00000", "pm_of_nobody")
    strict.set_method("a00001", "pm_of_nobody")
    result = strict.charge()
    assert (result["declined"], result["not_accepted"]) == ({"needs_customer": 1}, {"customer_missing": 1})
    assert strict.statuses()[:3] == ["Issued", "Billing failure", "Paid"]
    assert strict.one("select count(*) from finance.mail where kind = 'failed_charge'") == 1


def test_an_amount_below_the_gateways_least_is_ours(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """The customer can't help it. A dozen of them don't keep the others from being charged."""
    kinds = [("EUR", "0.20"), ("EUR", "5")]
    with payment_world(postgres, tmp_path, 6, kinds=kinds) as world:
        result = world.charge()
        assert (result["succeeded"], result["not_accepted"]) == (3, {"amount_too_small": 3})
        assert world.statuses() == ["Issued", "Paid"] * 3
        require_untouched(world)
        with pytest.raises(Mismatch, match="mark the statement as paid by other means"):
            in_order(world)
        request = RebillRequest("r", "ann", "again", statement_ids=(world.ids[0],))
        with world.payment_services() as payments:
            (row,) = charge_again(payments, request, NOW)
        assert (row.code, row.decline_code, row.is_done) == (Code.NOT_ACCEPTED, "amount_too_small", False)


def test_what_was_refused_counts_for_nothing(world: PaymentWorld) -> None:
    """Neither for the cap, nor for the gaps, nor as the last decline; and it is planned, so that it isn't forgotten."""
    world.sandbox.set_faults(FaultPlan(rates={INVALID_REQUEST: 1.0}))
    statement = world.ids[0]
    for number in range(16):
        request = RebillRequest(f"r{number}", "ann", "again", statement_ids=(statement,))
        with world.payment_services() as payments, pytest.raises(BadInput, match="parameter_unknown"):
            charge_again(payments, request, NOW)
    assert world.attempts(statement) == ["refused"] * 16
    with world.payment_services() as payments:
        (retry,) = due_retries(payments, NOW)
    assert (retry.debt.statement_id, retry.is_tried, retry.plan.reason_id) == (statement, True, "FIRST-TRY")
    world.sandbox.set_faults()
    with world.payment_services() as payments:
        (row,) = charge_again(payments, RebillRequest("ok", "ann", "again", statement_ids=(statement,)), NOW)
    assert row.code is Code.CHARGED
    require_untouched(world)


def test_a_refusal_says_nothing_of_what_was_sent_before(world: PaymentWorld) -> None:
    """Claimed twice, the first send may have charged: with another key meanwhile only the gateway's list knows."""
    with world.payment_services() as payments:
        (batch,) = open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", "once", "ann")
    refused = ChargeResult(Outcome.REFUSED, decline_code="customer_missing", message="No such customer")
    with world.services.warehouse() as connection:
        (first, second) = (claim(connection, batch, 1, 60.0)[0], claim(connection, batch, 1, 60.0)[0])
        (again,) = claim(connection, batch, 1, timedelta(0).total_seconds())
        assert again.attempt_id == first.attempt_id
        record(connection, [(first.attempt_id, refused), (second.attempt_id, refused)])
    assert (world.attempts(first.statement_id), world.attempts(second.statement_id)) == (["unknown"], ["refused"])
