"""The sandbox as Stripe's own client sees it: charges, declines, keys, faults, lists, restarts."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import stripe

from evbilling.cli.main import main
from evbilling.errors import BadInput
from evbilling_local.sandbox import FaultPlan, Rules, Sandbox, running_sandbox

KEY = "sk_test_integration"

_numbers = itertools.count(1)


@contextmanager
def client_of(url: str, key: str = KEY, timeout: float = 20, retries: int = 0) -> Generator[stripe.StripeClient]:
    """Stripe's client, which leaves its connections open unless its session is closed for it."""
    with requests.Session() as session:
        session.trust_env = False
        http = stripe.RequestsClient(session=session, timeout=timeout)
        yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=http, max_network_retries=retries)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.sqlite"


@pytest.fixture
def sandbox(state: Path) -> Iterator[Sandbox]:
    with running_sandbox(state) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    with client_of(sandbox.url) as connected:
        yield connected


def fresh_key() -> str:
    return f"key-{next(_numbers)}"


def charge(client: stripe.StripeClient, key: str | None = None, **changes: Any) -> stripe.PaymentIntent:
    params = {
        "amount": 1250,
        "currency": "usd",
        "customer": "cus_1",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "off_session": True,
        "error_on_requires_action": True,
        "metadata": {"statement": "st-1"},
        **changes,
    }
    sent: Any = {name: value for name, value in params.items() if value is not None}
    return client.v1.payment_intents.create(sent, {"idempotency_key": key or fresh_key()})


def all_intents(client: stripe.StripeClient) -> list[stripe.PaymentIntent]:
    return list(client.v1.payment_intents.list({"limit": 100}).auto_paging_iter())


def was_replayed(answered: Any) -> bool:
    return answered.headers.get("Idempotent-Replayed") == "true"


# Charges


def test_a_charge_succeeds_and_can_be_retrieved(client: stripe.StripeClient) -> None:
    made = charge(client, "k")
    assert made.status == "succeeded"
    assert (made.amount, made.amount_received, made.currency) == (1250, 1250, "usd")
    assert made.customer == "cus_1"
    assert made.payment_method == "pm_card_visa"
    assert str(made.latest_charge).startswith("ch_")
    assert made.metadata.to_dict() == {"statement": "st-1"}
    assert made.last_response.headers["Request-Id"].startswith("req_")
    assert made.last_response.headers["Idempotency-Key"] == "k"
    found = client.v1.payment_intents.retrieve(made.id, {"expand": ["latest_charge", "customer", "payment_method"]})
    assert isinstance(found.latest_charge, stripe.Charge)
    assert (found.latest_charge.amount, found.latest_charge.amount_refunded) == (1250, 0)
    assert isinstance(found.customer, stripe.Customer)
    assert isinstance(found.payment_method, stripe.PaymentMethod)


@pytest.mark.parametrize(
    ("method", "code", "decline_code", "advice"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None, "confirm_card_data"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required", None),
    ],
)
def test_a_decline_is_a_402_that_names_the_intent(
    client: stripe.StripeClient, method: str, code: str, decline_code: str | None, advice: str | None
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        charge(client, payment_method=method)
    error = caught.value.error
    assert error is not None
    assert caught.value.http_status == 402
    assert (caught.value.code, error.type) == (code, "card_error")
    assert (error.decline_code, error.advice_code) == (decline_code, advice)
    assert error.payment_method.id == method
    intent = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.amount_received == 0
    assert intent.latest_charge == error.charge
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code


def test_authentication_can_be_asked_for_when_the_customer_is_there(client: stripe.StripeClient) -> None:
    asked = charge(
        client, payment_method="pm_card_authenticationRequired", off_session=None, error_on_requires_action=None
    )
    assert asked.status == "requires_action"


def test_an_intent_is_confirmed_later_or_canceled(client: stripe.StripeClient) -> None:
    later = {"confirm": None, "off_session": None, "error_on_requires_action": None}
    waiting = charge(client, **later)
    assert waiting.status == "requires_confirmation"
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.confirm(waiting.id, {"payment_method": "pm_card_chargeDeclined"})
    with pytest.raises(stripe.InvalidRequestError, match="without a payment method"):
        client.v1.payment_intents.confirm(waiting.id)
    assert client.v1.payment_intents.confirm(waiting.id, {"payment_method": "pm_card_amex"}).status == "succeeded"
    for wrong in (client.v1.payment_intents.confirm, client.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            wrong(waiting.id)
        assert caught.value.code == "payment_intent_unexpected_state"
    other = charge(client, payment_method=None, **later)
    assert other.status == "requires_payment_method"
    assert client.v1.payment_intents.cancel(other.id, {"cancellation_reason": "abandoned"}).status == "canceled"


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 123_456_789}, "amount_too_large", "amount"),
        ({"amount": "12.50"}, "parameter_invalid_integer", "amount"),
        ({"amount": None}, "parameter_missing", "amount"),
        ({"amount": 12_345, "currency": "kwd"}, "parameter_invalid_integer", "amount"),
        ({"currency": "USD"}, None, "currency"),
        ({"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
        ({"customer": "somebody"}, "resource_missing", "customer"),
        ({"confirm": None}, None, "error_on_requires_action"),
        ({"confirm": "maybe"}, None, "confirm"),
        ({"off_session": "perhaps"}, None, "off_session"),
        ({"capture_method": "manual"}, None, "capture_method"),
        ({"amont": 5}, "parameter_unknown", "amont"),
        ({"expand": ["dreams"]}, None, "expand"),
    ],
)
def test_what_is_not_valid_is_refused_and_leaves_the_key_free(
    client: stripe.StripeClient, changes: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        charge(client, "k", **changes)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert all_intents(client) == []
    assert not was_replayed(charge(client, "k").last_response)


@pytest.mark.parametrize("key", ["sk_live_1", "pk_test_1", "rubbish"])
def test_only_test_keys_are_taken(sandbox: Sandbox, key: str) -> None:
    with client_of(sandbox.url, key) as stranger, pytest.raises(stripe.AuthenticationError):
        charge(stranger)


def test_a_key_of_ones_own_basic_authentication_and_none_at_all(state: Path) -> None:
    with running_sandbox(state, rules=Rules(key="sk_test_mine")) as sandbox, httpx.Client(trust_env=False) as http:
        url = f"{sandbox.url}/v1/payment_intents"
        assert http.get(url, auth=("sk_test_mine", "")).status_code == 200
        assert http.get(url, headers={"Authorization": "bearer sk_test_mine"}).status_code == 200
        for headers in ({"Authorization": "Bearer sk_test_other"}, {"Authorization": "Basic !"}, {}):
            refused = http.get(url, headers=headers)
            assert refused.status_code == 401
            assert refused.json()["error"]["type"] == "invalid_request_error"


def test_what_is_missing_is_a_404(client: stripe.StripeClient) -> None:
    for retrieve in (client.v1.payment_intents.retrieve, client.v1.customers.retrieve, client.v1.charges.retrieve):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            retrieve("x_1")
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL") as caught:
        client.v1.products.list()
    assert caught.value.http_status == 404
    assert client.v1.balance.retrieve().livemode is False


# Customers, payment methods, refunds


def test_customers_are_adopted_unless_it_is_strict(client: stripe.StripeClient, tmp_path: Path) -> None:
    charge(client, customer="cus_never_seen")
    assert client.v1.customers.retrieve("cus_never_seen").id == "cus_never_seen"
    rules = Rules(adopt_customers=False)
    with running_sandbox(tmp_path / "strict.sqlite", rules=rules) as strict, client_of(strict.url) as other:
        with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_x'"):
            charge(other, customer="cus_x")
        made = other.v1.customers.create({"name": "Ann", "metadata": {"account": "a-1"}})
        assert charge(other, customer=made.id).status == "succeeded"
        assert [found.id for found in other.v1.customers.list().data] == [made.id]


def test_methods_are_made_and_belong_to_one_customer(client: stripe.StripeClient) -> None:
    cards: list[Any] = [{"number": "4000000000000341", "exp_month": 1, "exp_year": 2040}, {"token": "tok_mastercard"}]
    failing, working = [client.v1.payment_methods.create({"type": "card", "card": card}) for card in cards]
    for method in (failing, working):
        assert client.v1.payment_methods.attach(method.id, {"customer": "cus_1"}).customer == "cus_1"
    assert charge(client, payment_method=working.id).status == "succeeded"
    with pytest.raises(stripe.CardError):
        charge(client, payment_method=failing.id)
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        charge(client, payment_method=working.id, customer="cus_2")
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        client.v1.payment_methods.attach(working.id, {"customer": "cus_2"})
    copy = client.v1.payment_methods.attach("pm_card_visa", {"customer": "cus_1"})
    assert copy.id != "pm_card_visa"
    assert charge(client, payment_method=copy.id).status == "succeeded"
    with pytest.raises(stripe.CardError):
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": "cus_1"})
    assert client.v1.payment_methods.retrieve("pm_card_amex").card.brand == "amex"


def test_refunds_show_in_the_charge(client: stripe.StripeClient) -> None:
    made = charge(client)
    client.v1.refunds.create({"payment_intent": made.id, "amount": 250})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": made.id, "amount": 1001})
    (listed,) = client.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data
    assert (listed.latest_charge.amount_refunded, listed.latest_charge.refunded) == (250, False)
    assert client.v1.refunds.create({"payment_intent": made.id}).amount == 1000
    found = client.v1.payment_intents.retrieve(made.id, {"expand": ["latest_charge"]}).latest_charge
    assert (found.amount_refunded, found.refunded) == (1250, True)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": made.id})
    assert caught.value.code == "charge_already_refunded"


# Lists


def test_pages_cover_everything_once_newest_first_from_both_ends(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    ids = [sandbox.make_payment(500, "eur", created=1000 + number // 3)["id"] for number in range(11)]
    listed = client.v1.payment_intents.list({"limit": 3})
    assert listed.has_more
    assert listed.url == "/v1/payment_intents"
    assert [found.id for found in listed.auto_paging_iter()] == ids[::-1]
    oldest = client.v1.payment_intents.list({"limit": 3, "ending_before": ids[0]})
    assert [found.id for found in oldest.data] == ids[3:0:-1]
    assert oldest.has_more
    last = client.v1.payment_intents.list({"limit": 3, "starting_after": ids[2]})
    assert [found.id for found in last.data] == ids[1::-1]
    assert not last.has_more


def test_lists_are_narrowed_by_customer_and_creation(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    made = {
        moment: sandbox.make_payment(500, "eur", created=moment, customer=f"cus_{moment % 2}")["id"]
        for moment in range(100, 106)
    }

    def moments(**params: Any) -> list[int]:
        return [found.created for found in client.v1.payment_intents.list(params).data]  # type: ignore[arg-type]

    assert moments(created={"gte": 102, "lt": 104}) == [103, 102]
    assert moments(created={"gt": 102, "lte": 104}) == [104, 103]
    assert moments(created=103) == [103]
    assert moments(customer="cus_1") == [105, 103, 101]
    assert moments(customer="cus_1", created={"gt": 101}, starting_after=made[105]) == [103]
    assert moments(created={"gt": 105}) == []


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        {"starting_after": "pi_none"},
        {"starting_after": "pi_a", "ending_before": "pi_b"},
        {"created": {"after": 5}},
        {"created": {"gte": "today"}},
        {"expand": ["latest_charge"]},
        {"colour": "red"},
    ],
)
def test_lists_that_make_no_sense_are_refused(client: stripe.StripeClient, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.list(params)
    assert caught.value.http_status == 400


# Idempotency


def test_the_same_key_answers_the_same_and_charges_once(client: stripe.StripeClient) -> None:
    first, again = charge(client, "k"), charge(client, "k")
    assert not was_replayed(first.last_response)
    assert was_replayed(again.last_response)
    assert again.to_dict() == first.to_dict()
    assert len(all_intents(client)) == 1


def test_a_decline_is_replayed_even_when_the_card_would_work_by_now(
    sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    sandbox.set_method("pm_custom_1", "pickup_card", "do_not_try_again")
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            charge(client, "k", payment_method="pm_custom_1")
        sandbox.set_method("pm_custom_1", None)
    assert was_replayed(caught.value)
    assert caught.value.error is not None
    assert caught.value.error.decline_code == "pickup_card"
    assert charge(client, "another", payment_method="pm_custom_1").status == "succeeded"


def test_the_same_key_for_something_else_is_refused(client: stripe.StripeClient) -> None:
    made = charge(client, "k")
    with pytest.raises(stripe.IdempotencyError) as caught:
        charge(client, "k", amount=1251)
    assert caught.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        client.v1.refunds.create({"payment_intent": made.id}, {"idempotency_key": "k"})
    assert len(all_intents(client)) == 1


def test_a_key_that_is_executing_is_in_use(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    sandbox.set_faults(FaultPlan(sequence=("slow",), slow_seconds=2))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(charge, client, "k")
        while sandbox.requests()["total"] == 0:
            time.sleep(0.01)
        time.sleep(0.05)
        with client_of(sandbox.url) as other, pytest.raises(stripe.APIError) as caught:
            charge(other, "k")
        assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
        assert caught.value.headers["Stripe-Should-Retry"] == "true"
        assert first.result().status == "succeeded"
    assert was_replayed(charge(client, "k").last_response)
    assert len(all_intents(client)) == 1


def test_many_at_once_with_one_key_make_one_charge(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    sandbox.set_faults(FaultPlan(rates={"slow": 0.5}, slow_seconds=0.02))
    everybody = threading.Barrier(8)

    def ask(_: int) -> tuple[int, str | None]:
        with client_of(sandbox.url) as own:
            everybody.wait()
            try:
                return 200, charge(own, "k").id
            except stripe.APIError as error:
                return error.http_status or 0, None

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for _ in range(3) for answer in pool.map(ask, range(8))]
    assert {status for status, _ in answers} <= {200, 409}
    assert len({intent_id for status, intent_id in answers if status == 200}) == 1
    assert len(all_intents(client)) == 1


def test_a_key_is_forgotten_after_a_day(state: Path) -> None:
    now = [1_800_000_000.0]
    with running_sandbox(state, rules=Rules(clock=lambda: now[0])) as sandbox, client_of(sandbox.url) as client:
        first = charge(client, "k")
        now[0] += 86_000
        assert charge(client, "k").id == first.id
        now[0] += 1_000
        second = charge(client, "k")
        assert second.id != first.id
        assert second.created == first.created + 87_000
        assert charge(client, "k").id == second.id


def test_a_key_may_not_be_endless(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        charge(client, "k" * 256)
    assert charge(client, "k" * 255).status == "succeeded"


# Faults


@pytest.mark.parametrize(
    ("fault", "error", "charges"),
    [
        ("timeout_before", stripe.APIConnectionError, 0),
        ("timeout_after", stripe.APIConnectionError, 1),
        ("drop_before", stripe.APIConnectionError, 0),
        ("drop_after", stripe.APIConnectionError, 1),
        ("rate_limit", stripe.RateLimitError, 0),
        ("nonsense", stripe.APIError, 1),
    ],
)
def test_after_a_fault_the_same_key_finds_out(
    sandbox: Sandbox, client: stripe.StripeClient, fault: str, error: type[Exception], charges: int
) -> None:
    sandbox.set_faults(FaultPlan(sequence=(fault,), hold_seconds=0.2))
    started = time.monotonic()
    with pytest.raises(error):
        charge(client, "k")
    if fault.startswith("timeout"):
        assert time.monotonic() - started >= 0.2
    assert len(all_intents(client)) == charges
    again = charge(client, "k")
    assert was_replayed(again.last_response) is bool(charges)
    assert again.status == "succeeded"
    assert [found.id for found in all_intents(client)] == [again.id]


@pytest.mark.parametrize(("fault", "charges"), [("error_500_before", 0), ("error_500_after", 1)])
def test_a_500_is_kept_for_its_key(sandbox: Sandbox, client: stripe.StripeClient, fault: str, charges: int) -> None:
    sandbox.set_faults(FaultPlan(sequence=(fault,)))
    for is_replay in (False, True):
        with pytest.raises(stripe.APIError) as caught:
            charge(client, "k")
        assert caught.value.http_status == 500
        assert caught.value.headers["Stripe-Should-Retry"] == "false"
        assert was_replayed(caught.value) is is_replay
    assert [found.status for found in all_intents(client)] == ["succeeded"] * charges


def test_slow_is_slow_and_nothing_else(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    sandbox.set_faults(FaultPlan(sequence=("slow",), slow_seconds=0.15))
    started = time.monotonic()
    assert charge(client).status == "succeeded"
    assert time.monotonic() - started >= 0.15


def test_a_client_that_gives_up_first_is_charged_all_the_same(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    sandbox.set_faults(FaultPlan(sequence=("timeout_after",), hold_seconds=60))
    with client_of(sandbox.url, timeout=0.2) as hasty, pytest.raises(stripe.APIConnectionError):
        charge(hasty, "k")
    assert was_replayed(charge(client, "k").last_response)


def test_reads_meet_faults_only_if_they_are_meant_to(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    made = charge(client)
    sandbox.set_faults(FaultPlan(sequence=("drop_before",)))
    assert client.v1.payment_intents.retrieve(made.id).id == made.id
    sandbox.set_faults(FaultPlan(sequence=("drop_before", "error_500_before", "rate_limit", "nonsense"), on="all"))
    for error in (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError, stripe.APIError):
        with pytest.raises(error):
            client.v1.payment_intents.retrieve(made.id)
    assert client.v1.payment_intents.retrieve(made.id).id == made.id


def test_the_client_s_own_retries_get_through_faults(sandbox: Sandbox) -> None:
    sandbox.set_faults(FaultPlan(sequence=("drop_after",)))
    with client_of(sandbox.url, retries=2) as client:
        assert was_replayed(charge(client, "k").last_response)
        assert len(all_intents(client)) == 1


def test_the_same_seed_gives_the_same_faults_whatever_the_order(tmp_path: Path) -> None:
    plan = FaultPlan(seed=3, rates={"drop_before": 0.2, "drop_after": 0.2, "rate_limit": 0.2})

    def outcomes(name: str, order: list[int]) -> dict[int, str]:
        with running_sandbox(tmp_path / name, plan=plan) as sandbox, client_of(sandbox.url) as client:
            found = {}
            for number in order:
                try:
                    found[number] = charge(client, f"key-{number}").status
                except stripe.StripeError as error:
                    found[number] = type(error).__name__
            return found

    forwards = outcomes("a.sqlite", list(range(30)))
    assert outcomes("b.sqlite", list(range(29, -1, -1))) == forwards
    assert set(forwards.values()) == {"succeeded", "APIConnectionError", "RateLimitError"}


def test_the_limit_is_enforced_and_a_429_leaves_the_key_free(state: Path) -> None:
    with running_sandbox(state, rules=Rules(limit=1)) as sandbox, client_of(sandbox.url) as client:
        refused: dict[int, Any] = {}
        for number in range(4):
            try:
                charge(client, f"k-{number}")
            except stripe.RateLimitError as error:
                refused[number] = (error.http_status, error.error.code)
        assert set(refused.values()) == {(429, "rate_limit")}
        time.sleep(1.1)
        assert not was_replayed(charge(client, f"k-{min(refused)}").last_response)
        assert sandbox.requests()["by_status"] == {"200": 5 - len(refused), "429": len(refused)}


# The control API


def test_the_control_api_over_http(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox", trust_env=False) as http:
        assert http.get("/health").json()["status"] == "ok"
        plan = {"sequence": ["drop_after", None], "hold_seconds": 0.1}
        assert http.put("/faults", json=plan).json()["sequence"] == ["drop_after", None]
        with pytest.raises(stripe.APIConnectionError):
            charge(client, "k")
        assert http.get("/faults").json()["sequence"] == [None]
        assert http.put("/faults", json={}).json()["rates"] == {}
        assert http.put("/methods/pm_custom", json={"decline_code": "insufficient_funds"}).json() == {
            "id": "pm_custom",
            "code": "card_declined",
            "decline_code": "insufficient_funds",
            "advice_code": "try_again_later",
        }
        with pytest.raises(stripe.CardError):
            charge(client, payment_method="pm_custom")
        assert http.delete("/methods/pm_custom").json()["deleted"] is True
        with pytest.raises(stripe.InvalidRequestError):
            charge(client, payment_method="pm_custom")
        seen = http.get("/requests").json()
        assert seen["total"] == 3
        assert seen["by_status"] == {"400": 1, "402": 1, "no_answer": 1}
        assert seen["by_endpoint"] == {"POST /v1/payment_intents": 3}
        assert 1 <= seen["busiest_second"] <= 3
        assert seen["first"] < seen["last"]
        assert http.delete("/requests").json()["total"] == 0


def test_payments_can_be_tampered_with(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    made = charge(client, "k")
    stray = sandbox.make_payment(700, "usd", metadata={"statement": "st-9"}, customer="cus_9", created=5)
    assert (stray["status"], stray["amount_received"], stray["created"]) == ("succeeded", 700, 5)
    assert client.v1.payment_intents.retrieve(stray["id"]).metadata.to_dict() == {"statement": "st-9"}
    sandbox.tamper(made.id, amount_received=1, status="processing")
    found = client.v1.payment_intents.retrieve(made.id)
    assert (found.amount_received, found.status) == (1, "processing")
    sandbox.delete_intent(made.id)
    assert [found.id for found in all_intents(client)] == [stray["id"]]
    assert charge(client, "k").id == made.id


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/faults", '{"rates": {"explode": 1}}', 400),
        ("PUT", "/faults", "[]", 400),
        ("PUT", "/faults", "{", 400),
        ("PUT", "/methods/pm_1", '{"decline_code": 5}', 400),
        ("POST", "/intents/pi_none", '{"status": "canceled"}', 404),
        ("POST", "/intents/pi_none", '{"status": "odd"}', 400),
        ("DELETE", "/intents/pi_none", "", 404),
        ("POST", "/payments", '{"currency": "usd"}', 400),
        ("POST", "/payments", '{"amount": "5", "currency": "usd"}', 400),
        ("GET", "/nothing", "", 404),
    ],
)
def test_the_control_api_refuses_nonsense(sandbox: Sandbox, method: str, path: str, body: str, status: int) -> None:
    refused = httpx.request(method, f"{sandbox.url}/_sandbox{path}", content=body, trust_env=False)
    assert refused.status_code == status
    assert refused.json()["error"]["message"]


# The wire


@pytest.mark.parametrize(
    ("headers", "body", "answer"),
    [
        ("Content-Length: 100", "amount=5", b""),
        ("Content-Length: abc", "", b"400"),
        ("Content-Length: -1", "", b"400"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n", b"411"),
        ("Content-Length: 99999999", "", b"413"),
        ("Content-Length: 2", "\xff\xfe", b"400"),
    ],
)
def test_a_body_that_is_not_whole_is_not_executed(sandbox: Sandbox, headers: str, body: str, answer: bytes) -> None:
    request = f"POST /v1/payment_intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{headers}\r\n\r\n{body}"
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.sendall(request.encode("latin-1"))
        if not answer:
            connection.shutdown(socket.SHUT_WR)
        received = connection.recv(4096)
    assert answer in received
    assert bool(received) is bool(answer)
    assert sandbox.requests()["total"] == 0


# The process


@contextmanager
def process(state: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """`evbilling sandbox` in a process of its own, and its URL."""
    command = [sys.executable, "-m", "evbilling.cli", "sandbox", "--port", "0", "--state", str(state), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line
            yield started, found[0]
        finally:
            started.kill()


def test_killed_in_the_middle_of_traffic_nothing_is_lost_and_nothing_charged_twice(state: Path) -> None:
    keys = [f"key-{number}" for number in range(100_000)]
    answered: dict[str, str] = {}
    asked: set[str] = set()

    def ask_until_it_dies(url: str, own: Iterator[str]) -> None:
        with client_of(url) as client:
            for key in own:
                asked.add(key)
                try:
                    answered[key] = charge(client, key, metadata={"key": key}).id
                except stripe.APIConnectionError:
                    return

    for round_number in range(3):
        with process(state, "--quiet") as (server, url), ThreadPoolExecutor(4) as pool:
            done = [
                pool.submit(ask_until_it_dies, url, iter(keys[round_number * 4 + worker :: 12])) for worker in range(4)
            ]
            before = len(answered)
            while len(answered) < before + 60 + 17 * round_number:
                time.sleep(0.002)
            os.kill(server.pid, signal.SIGKILL)
            for future in done:
                future.result()
    with process(state, "--quiet") as (server, url), client_of(url) as client:
        stored = {str(found.metadata["key"]): found.id for found in all_intents(client)}
        assert set(answered) <= set(stored) <= asked
        for key in asked:
            again = charge(client, key, metadata={"key": key})
            assert was_replayed(again.last_response) is (key in stored)
            assert again.id == stored.get(key, again.id) == answered.get(key, again.id)
        found_keys = [found.metadata["key"] for found in all_intents(client)]
        assert sorted(found_keys) == sorted(asked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_when_told_even_while_it_holds_a_connection(state: Path, number: signal.Signals) -> None:
    with (
        process(state, "--fault", "timeout_after=1", "--hold", "60") as (server, url),
        client_of(url) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        held = pool.submit(charge, client, "k")
        while httpx.get(f"{url}/_sandbox/requests", trust_env=False).json()["total"] == 0:
            time.sleep(0.01)
        server.send_signal(number)
        _, logged = server.communicate(timeout=30)
        assert server.returncode == 0
        with pytest.raises(stripe.APIConnectionError):
            held.result()
    assert re.fullmatch(r"[\d:.]+ POST /v1/payment_intents - timeout_after\n", logged)
    with running_sandbox(state) as again, client_of(again.url) as client:
        assert was_replayed(charge(client, "k").last_response)


def test_what_it_cannot_use_is_said_in_a_message(
    sandbox: Sandbox, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(*options: str) -> str:
        assert main(["sandbox", "--state", str(tmp_path / "other.sqlite"), *options]) == 2
        return capsys.readouterr().err

    assert "another program already listens there" in message("--port", str(sandbox.port))
    assert "--port" in message("--port", "70000")
    assert "another process uses this state file" in message("--port", "0", "--state", str(state))
    (tmp_path / "text.sqlite").write_text("this is no database, but long enough to be taken for one" * 20)
    assert "can't be used as a state file" in message("--port", "0", "--state", str(tmp_path / "text.sqlite"))
    assert "can't be used as a state file" in message("--port", "0", "--state", str(tmp_path / "no" / "folder.sqlite"))
    assert "is not a fault" in message("--fault", "explode=0.5")
    assert "write NAME=RATE" in message("--fault", "slow")
    assert "isn't a test key" in message("--key", "sk_live_1")


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "theirs.sqlite"
    theirs = sqlite3.connect(path)
    theirs.execute("create table precious (x)")
    theirs.commit()
    theirs.close()
    with pytest.raises(BadInput, match="isn't the state"), running_sandbox(path):
        pass
