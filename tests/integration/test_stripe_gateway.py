"""The gateway on the official client, against the sandbox over real HTTP: outcomes, faults, lists, turns."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from evbilling.errors import BadInput, TransientError
from evbilling.payments.gateway import GatewaySettings
from evbilling.payments.gateway.interface import Charge, ChargeResult, Gateway, GatewayPayment, Outcome
from evbilling.payments.gateway.stripe_gateway import StripeGateway
from evbilling_local.sandbox import Rules, Sandbox, running_sandbox
from evbilling_local.sandbox.faults import ALL, READS, FaultPlan

KEY = "sk_test_of_the_tests_0123456789"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

CHARGE = Charge(
    idempotency_key="attempt-1",
    amount_minor=12_345,
    currency="EUR",
    customer="cus_1",
    payment_method="pm_card_visa",
    description="A-202611-000042",
    metadata={"statement_id": "A-202611-000042", "attempt_id": "1"},
)


# Every way to ask, with a customer in it.
READINGS: tuple[Callable[[StripeGateway], object], ...] = (
    lambda gateway: gateway.check(),
    lambda gateway: gateway.check([CHARGE.customer]),
    lambda gateway: list(gateway.list_payments(LONG_AGO)),
    lambda gateway: list(gateway.list_payments(LONG_AGO, customer=CHARGE.customer)),
    lambda gateway: list(gateway.list_returned(LONG_AGO)),
)


def require_no_customer(error: BaseException) -> None:
    """Whoever may read a task's log reads an error with all its causes: none of them names a customer."""
    assert CHARGE.customer not in "".join(traceback.format_exception(error, chain=True))


class Turns:
    """Counts the turns that were waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.count += 1


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path / "sandbox.sqlite", rules=Rules(key=KEY)) as running:
        yield running


@pytest.fixture
def turns() -> Turns:
    return Turns()


@contextmanager
def connected(
    url: str,
    turns: Callable[[], None] = lambda: None,
    *,
    key: str = KEY,
    retries: int = 0,
    page_size: int = 100,
    slept: list[float] | None = None,
    timeout: float = 30,
) -> Generator[StripeGateway]:
    settings = GatewaySettings(key, url, timeout_seconds=timeout, max_network_retries=retries)
    naps = [] if slept is None else slept
    with StripeGateway(settings, turns, page_size=page_size, sleep=naps.append) as gateway:
        yield gateway


@pytest.fixture
def gateway(sandbox: Sandbox, turns: Turns) -> Iterator[StripeGateway]:
    with connected(sandbox.url, turns) as connection:
        yield connection
    assert turns.count == sandbox.requests()["total"]


def payments(gateway: Gateway) -> list[GatewayPayment]:
    return list(gateway.list_payments(LONG_AGO))


# ---- Outcomes


def test_a_success_comes_back_with_all_that_was_said(gateway: StripeGateway) -> None:
    result = gateway.charge(CHARGE)
    assert result.outcome is Outcome.SUCCEEDED
    assert result.gateway_payment_id is not None
    (payment,) = payments(gateway)
    assert payment.gateway_payment_id == result.gateway_payment_id
    assert abs(payment.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert payment == GatewayPayment(
        gateway_payment_id=result.gateway_payment_id,
        outcome=Outcome.SUCCEEDED,
        amount_minor=12_345,
        refunded_minor=0,
        currency="EUR",
        created_at=payment.created_at,
        customer="cus_1",
        metadata=CHARGE.metadata,
        is_live=False,
    )


@pytest.mark.parametrize(
    ("method", "decline_code", "advice_code"),
    [
        ("pm_card_chargeDeclined", "generic_decline", "try_again_later"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", "try_again_later"),
        ("pm_card_chargeDeclinedLostCard", "lost_card", "do_not_try_again"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "confirm_card_data"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "try_again_later"),
        ("pm_card_authenticationRequired", "authentication_required", None),
    ],
)
def test_a_decline_keeps_its_codes_and_its_payment(
    gateway: StripeGateway, method: str, decline_code: str, advice_code: str | None
) -> None:
    result = gateway.charge(replace(CHARGE, payment_method=method))
    assert (result.outcome, result.decline_code, result.advice_code) == (Outcome.DECLINED, decline_code, advice_code)
    assert result.message
    assert result.gateway_payment_id is not None
    (payment,) = payments(gateway)
    assert payment.gateway_payment_id == result.gateway_payment_id
    assert (payment.outcome, payment.decline_code, payment.advice_code) == (Outcome.DECLINED, decline_code, advice_code)
    assert payment.amount_minor == 12_345


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        ({"payment_method": "pm_that_is_nowhere"}, Outcome.DECLINED, "resource_missing"),
        ({"customer": "nobody"}, Outcome.REFUSED, "customer_missing"),
        ({"customer": "nobody", "payment_method": "pm_that_is_nowhere"}, Outcome.REFUSED, "customer_missing"),
        ({"amount_minor": 3}, Outcome.REFUSED, "amount_too_small"),
        ({"amount_minor": 123_456_789}, Outcome.REFUSED, "amount_too_large"),
        ({"metadata": {"name": "x" * 501}}, Outcome.REFUSED, "invalid_request"),
    ],
)
def test_a_refused_request_is_ours_unless_the_card_is_gone(
    gateway: StripeGateway, changes: dict[str, Any], outcome: Outcome, code: str
) -> None:
    result = gateway.charge(replace(CHARGE, **changes))
    assert (result.outcome, result.decline_code) == (outcome, code)
    assert result.message
    assert payments(gateway) == []


@pytest.mark.parametrize(
    ("minor", "currency", "units"),
    [(500, "JPY", 500), (1_230, "KWD", 1_230), (500, "ISK", 50_000), (5_000, "UGX", 500_000)],
)
def test_amounts_in_the_currencys_own_units(gateway: StripeGateway, minor: int, currency: str, units: int) -> None:
    result = gateway.charge(replace(CHARGE, amount_minor=minor, currency=currency))
    assert result.outcome is Outcome.SUCCEEDED
    assert gateway._intents.retrieve(result.gateway_payment_id or "").amount == units
    assert [(payment.amount_minor, payment.currency) for payment in payments(gateway)] == [(minor, currency)]


def test_an_amount_that_cannot_be_charged_is_refused_unasked(gateway: StripeGateway, turns: Turns) -> None:
    result = gateway.charge(replace(CHARGE, amount_minor=1_234, currency="KWD"))
    assert (result.outcome, result.decline_code) == (Outcome.REFUSED, "amount_not_chargeable")
    assert turns.count == 0


def test_a_repeated_key_gives_the_same_payment(gateway: StripeGateway) -> None:
    first = gateway.charge(CHARGE)
    assert gateway.charge(CHARGE) == first
    assert len(payments(gateway)) == 1


def test_a_key_used_for_something_else_is_unknown(gateway: StripeGateway) -> None:
    gateway.charge(CHARGE)
    result = gateway.charge(replace(CHARGE, amount_minor=999))
    assert result.outcome is Outcome.UNKNOWN
    assert "idempotency key" in (result.message or "")
    assert [payment.amount_minor for payment in payments(gateway)] == [12_345]


# ---- Faults


@pytest.mark.parametrize(
    ("fault", "took_place", "says"),
    [
        ("timeout_before", False, "no answer (ReadTimeout)"),
        ("timeout_after", True, "no answer (ReadTimeout)"),
        ("drop_before", False, "no answer (ConnectionError)"),
        ("drop_after", True, "no answer (ConnectionError)"),
        ("error_500_before", False, "HTTP 500"),
        ("error_500_after", True, "HTTP 500"),
        ("nonsense", True, "HTTP 200"),
    ],
)
def test_a_fault_is_unknown_and_the_list_tells(
    sandbox: Sandbox, gateway: StripeGateway, turns: Turns, fault: str, took_place: bool, says: str
) -> None:
    sandbox.set_faults(FaultPlan(sequence=(fault,), hold_seconds=1))
    if fault.startswith("timeout"):
        with connected(sandbox.url, turns, timeout=0.3) as hasty:
            result = hasty.charge(CHARGE)
    else:
        result = gateway.charge(CHARGE)
    assert result.outcome is Outcome.UNKNOWN
    assert result.message is not None
    assert result.message.startswith(says)
    assert "\n" not in result.message
    assert len(result.message) < 320
    assert [payment.outcome for payment in payments(gateway)] == [Outcome.SUCCEEDED] * took_place


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "timeout_before", "timeout_after"])
def test_the_librarys_own_repeats_are_paced_and_charge_once(sandbox: Sandbox, turns: Turns, fault: str) -> None:
    sandbox.set_faults(FaultPlan(sequence=(fault, fault, None), hold_seconds=1.5))
    # Long enough for the third, which is answered.
    with connected(sandbox.url, turns, retries=2, timeout=1) as gateway:
        assert gateway.charge(CHARGE).outcome is Outcome.SUCCEEDED
        assert turns.count == sandbox.requests()["total"] == 3
        assert len(payments(gateway)) == 1


def test_too_many_requests_are_sent_again_with_the_same_key(sandbox: Sandbox, turns: Turns) -> None:
    slept: list[float] = []
    with connected(sandbox.url, turns, slept=slept) as gateway:
        sandbox.set_faults(FaultPlan(sequence=("rate_limit",) * 7))
        assert gateway.charge(CHARGE).outcome is Outcome.SUCCEEDED
        assert turns.count == sandbox.requests()["total"] == 8
        for wait, longest in zip(slept, [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5], strict=True):
            assert longest / 2 <= wait <= longest
        sandbox.set_faults(FaultPlan(sequence=("rate_limit",) * 3, on=READS))
        assert len(payments(gateway)) == 1


def test_too_many_requests_for_long_are_unknown(sandbox: Sandbox, turns: Turns) -> None:
    sandbox.set_faults(FaultPlan(rates={"rate_limit": 1.0}, on=ALL))
    with connected(sandbox.url, turns) as gateway:
        result = gateway.charge(CHARGE)
        assert (result.outcome, result.gateway_payment_id) == (Outcome.UNKNOWN, None)
        assert (result.message or "").startswith("HTTP 429")
        assert turns.count == 11
        with pytest.raises(TransientError, match="HTTP 429"):
            payments(gateway)


@pytest.mark.parametrize("fault", ["timeout_before", "drop_before", "error_500_before", "nonsense"])
def test_a_fault_while_reading_is_transient(sandbox: Sandbox, gateway: StripeGateway, fault: str) -> None:
    sandbox.set_faults(FaultPlan(rates={fault: 1.0}, hold_seconds=0.4, on=READS))
    for read in READINGS:
        with pytest.raises(TransientError, match="no usable answer") as caught:
            read(gateway)
        assert sandbox.url in str(caught.value)
        require_no_customer(caught.value)


def test_what_waiting_for_a_turn_raises_passes_through(sandbox: Sandbox) -> None:
    def broken() -> None:
        raise OSError("the warehouse doesn't answer")

    with connected(sandbox.url, broken) as gateway, pytest.raises(OSError, match="doesn't answer"):
        gateway.charge(CHARGE)
    assert sandbox.requests()["total"] == 0


# ---- Keys and addresses


def test_a_refused_key(sandbox: Sandbox) -> None:
    secret = "sk_test_" + "wrong" * 10
    with connected(sandbox.url, key=secret) as gateway:
        for call in (gateway.check, lambda: gateway.charge(CHARGE)):
            with pytest.raises(BadInput, match="refuses the key") as caught:
                call()
            assert "payment_gateway" in str(caught.value)
            assert "wrong" not in "".join(traceback.format_exception(caught.value, chain=True))


@pytest.mark.parametrize("key", ["", " ", "sk_test_1\nX-Evil: 1", "sk_test_1 ", "sk_tést_1"])
def test_what_cannot_be_a_key(key: str) -> None:
    with pytest.raises(BadInput, match="key") as caught:
        StripeGateway(GatewaySettings(key), lambda: None)
    assert "sk_t" not in str(caught.value)
    assert "sk_t" not in repr(GatewaySettings(key))


@pytest.mark.parametrize(
    "base", ["127.0.0.1:12111", "ftp://host", "http://", "http://user:secret@host", "http://host:port"]
)
def test_what_cannot_be_an_address(base: str) -> None:
    with pytest.raises(BadInput, match="address") as caught:
        StripeGateway(GatewaySettings(KEY, base), lambda: None)
    assert "secret@" not in str(caught.value)


def test_check_returns_if_all_is_well(sandbox: Sandbox, gateway: StripeGateway) -> None:
    gateway.check()
    assert sandbox.requests()["total"] == 1


def test_an_address_with_a_slash_at_its_end(sandbox: Sandbox) -> None:
    with connected(f"{sandbox.url}/") as gateway:
        gateway.check()


def test_nothing_listening() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with connected(url) as gateway:
            for read in READINGS:
                with pytest.raises(TransientError, match=f"{url} gives no usable answer: no answer") as caught:
                    read(gateway)
                require_no_customer(caught.value)
            assert gateway.charge(CHARGE).outcome is Outcome.UNKNOWN


class _Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody away, and counts who came."""

    methods: Counter[str]

    def _redirect(self) -> None:
        self.methods[self.command] += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(302)
        self.send_header("Location", "/somewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _redirect  # ruff: ignore[mixed-case-variable-in-class-scope]

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_redirect_is_not_followed() -> None:
    _Elsewhere.methods = Counter()
    with HTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with connected(f"http://127.0.0.1:{server.server_port}") as gateway:
                assert gateway.charge(CHARGE).outcome is Outcome.UNKNOWN
                with pytest.raises(TransientError, match="TooManyRedirects"):
                    gateway.check()
        finally:
            server.shutdown()
            thread.join()
    assert _Elsewhere.methods == {"POST": 1, "GET": 1}


def test_the_clients_log_stays_silent(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    with connected(sandbox.url) as gateway:
        gateway.charge(replace(CHARGE, payment_method="pm_card_chargeDeclined"))
    assert capfd.readouterr() == ("", "")


# ---- Answers that the sandbox doesn't give


def answered(monkeypatch: pytest.MonkeyPatch, status: int, body: object) -> ChargeResult:
    """What a charge comes to if this is the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    monkeypatch.setattr(stripe.RequestsClient, "request", lambda *_: (raw, status, {}))
    with connected("http://127.0.0.1:1") as gateway:
        return gateway.charge(CHARGE)


def intent(**fields: object) -> dict[str, object]:
    return {"id": "pi_1", "object": "payment_intent", "amount": 12_345, "currency": "eur", **fields}


@pytest.mark.parametrize(
    ("fields", "outcome", "code"),
    [
        ({"status": "succeeded", "amount_received": 12_345}, Outcome.SUCCEEDED, None),
        ({"status": "succeeded", "amount_received": 12_344}, Outcome.UNKNOWN, None),
        ({"status": "succeeded"}, Outcome.UNKNOWN, None),
        ({"status": "succeeded", "amount_received": 12_345, "currency": "usd"}, Outcome.UNKNOWN, None),
        ({"status": "processing"}, Outcome.UNKNOWN, None),
        ({"status": "requires_capture"}, Outcome.UNKNOWN, None),
        ({"status": "requires_confirmation"}, Outcome.UNKNOWN, None),
        ({"status": "a_status_of_tomorrow"}, Outcome.UNKNOWN, None),
        ({"status": None}, Outcome.UNKNOWN, None),
        ({"status": "requires_action"}, Outcome.DECLINED, "authentication_required"),
        ({"status": "canceled"}, Outcome.DECLINED, "canceled"),
        ({"status": "requires_payment_method"}, Outcome.DECLINED, None),
        (
            {"status": "requires_payment_method", "last_payment_error": {"decline_code": "do_not_honor"}},
            Outcome.DECLINED,
            "do_not_honor",
        ),
        (
            {"status": "requires_payment_method", "last_payment_error": {"code": "expired_card"}},
            Outcome.DECLINED,
            "expired_card",
        ),
    ],
)
def test_every_state_of_a_payment(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, object], outcome: Outcome, code: str | None
) -> None:
    result = answered(monkeypatch, 200, intent(**fields))
    assert (result.outcome, result.decline_code, result.gateway_payment_id) == (outcome, code, "pi_1")
    assert (result.message is not None) or outcome is not Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"\xff\xfe"),
        (200, []),
        (200, None),
        (200, "succeeded"),
        (200, 7),
        (200, {}),
        (200, {"object": "list", "data": []}),
        (200, {"status": "succeeded", "amount_received": 12_345, "currency": "eur"}),
        (400, []),
        (400, {"error": []}),
        (400, {"error": "invalid_grant"}),
        (404, b"<h1>Not found</h1>"),
        (404, {"detail": "Not found"}),
        (409, {"error": {"code": "idempotency_key_in_use", "type": "idempotency_error", "message": "in use"}}),
        (400, {"error": {"code": "idempotency_key_in_use", "type": "invalid_request_error", "message": "in use"}}),
        (400, {"error": {"code": "lock_timeout", "type": "invalid_request_error", "message": "locked"}}),
        (418, {"error": {"message": "tea"}}),
        (502, b"<h1>Bad gateway</h1>" * 100),
        (503, {"error": {"message": None}}),
    ],
)
def test_what_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch, status: int, body: object) -> None:
    result = answered(monkeypatch, status, body)
    assert (result.outcome, result.gateway_payment_id) == (Outcome.UNKNOWN, None)
    assert result.message
    assert len(result.message) < 320


def test_a_key_without_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="refuses the key"):
        answered(monkeypatch, 403, {"error": {"message": "This key may not do that"}})


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"data": [{}]},
        {"data": [7]},
        {"data": "none"},
        {"data": [intent()]},
        {"data": [intent(created=1, amount="12")]},
    ],
)
def test_a_list_that_is_none_is_transient(monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    monkeypatch.setattr(stripe.RequestsClient, "request", lambda *_: (json.dumps(body).encode(), 200, {}))
    with connected("http://127.0.0.1:1") as gateway, pytest.raises(TransientError, match=r"http://127\.0\.0\.1:1 "):
        payments(gateway)


def test_a_list_that_never_ends_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"object": "list", "has_more": True, "data": [intent(created=1, status="processing")]}
    monkeypatch.setattr(stripe.RequestsClient, "request", lambda *_: (json.dumps(body).encode(), 200, {}))
    with connected("http://127.0.0.1:1") as gateway, pytest.raises(TransientError, match="again and again"):
        payments(gateway)


# ---- Listing


def test_a_list_comes_page_by_page_newest_first(sandbox: Sandbox, turns: Turns) -> None:
    made = [sandbox.make_payment(100 + n, "eur", created=1_700_000_000 + n)["id"] for n in range(7)]
    with connected(sandbox.url, turns, page_size=3) as gateway:
        listed = payments(gateway)
    assert [payment.gateway_payment_id for payment in listed] == made[::-1]
    assert turns.count == sandbox.requests()["total"] == 3


def test_a_list_of_a_span_and_a_customer(sandbox: Sandbox, gateway: StripeGateway) -> None:
    start = datetime.fromtimestamp(1_700_000_000, UTC)
    for n in range(4):
        sandbox.make_payment(100 + n, "eur", created=1_700_000_000 + n, customer=f"cus_{n % 2}")

    def amounts(since: float, until: float | None = None, customer: str | None = None) -> list[int]:
        end = None if until is None else start + timedelta(seconds=until)
        listed = gateway.list_payments(start + timedelta(seconds=since), end, customer=customer)
        return [payment.amount_minor for payment in listed]

    assert amounts(0) == [103, 102, 101, 100]
    assert amounts(1, 3) == [102, 101]
    assert amounts(0.5, 2.5) == [102, 101]
    assert amounts(1, 1) == []
    assert amounts(0, customer="cus_1") == [103, 101]
    assert amounts(0, customer="cus_nobody") == []


def test_every_state_can_be_listed(sandbox: Sandbox, gateway: StripeGateway) -> None:
    states = ["processing", "requires_capture", "requires_action", "requires_payment_method", "canceled", "succeeded"]
    ids: dict[str, str] = {}
    for state in states:
        made = sandbox.make_payment(50_000, "isk")
        sandbox.tamper(made["id"], status=state)
        ids[made["id"]] = state
    outcomes = {ids[payment.gateway_payment_id]: payment.outcome for payment in payments(gateway)}
    assert outcomes == {
        "processing": Outcome.UNKNOWN,
        "requires_capture": Outcome.UNKNOWN,
        "requires_action": Outcome.DECLINED,
        "requires_payment_method": Outcome.DECLINED,
        "canceled": Outcome.DECLINED,
        "succeeded": Outcome.SUCCEEDED,
    }
    assert {payment.amount_minor for payment in payments(gateway)} == {500}


def test_a_foreign_payment_does_not_stop_the_list(sandbox: Sandbox, gateway: StripeGateway) -> None:
    made = sandbox.make_payment(1_000, "eur")
    sandbox.tamper(made["id"], currency="zzz")
    assert [(payment.amount_minor, payment.currency) for payment in payments(gateway)] == [(1_000, "ZZZ")]


def test_a_refund_shows(sandbox: Sandbox, gateway: StripeGateway, turns: Turns) -> None:
    made = sandbox.make_payment(50_000, "isk")
    client = stripe.StripeClient(KEY, http_client=gateway._http, base_addresses={"api": sandbox.url})
    client.v1.refunds.create({"payment_intent": made["id"], "amount": 20_000})
    (listed,) = payments(gateway)
    assert (listed.outcome, listed.amount_minor, listed.refunded_minor) == (Outcome.SUCCEEDED, 500, 200)


# ---- Many threads


def test_many_threads_share_the_client(sandbox: Sandbox, turns: Turns) -> None:
    with StripeGateway(GatewaySettings(KEY, sandbox.url), turns) as gateway, ThreadPoolExecutor(32) as pool:
        charges = [replace(CHARGE, idempotency_key=f"attempt-{n}", amount_minor=1_000 + n) for n in range(96)]
        results = list(pool.map(gateway.charge, charges))
        assert {result.outcome for result in results} == {Outcome.SUCCEEDED}
        assert turns.count == sandbox.requests()["total"] == 96
        assert sorted(payment.amount_minor for payment in payments(gateway)) == list(range(1_000, 1_096))
