"""The charge on the 1st: each outcome, each currency, repeated, and with a gateway that doesn't play along."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import BadInput, Mismatch, TransientError
from evbilling.payments import attempts
from evbilling.payments.actions import MarkRequest, mark_statements
from evbilling.payments.charge import charge_period
from evbilling.payments.gateway.interface import Charge, ChargeResult, Gateway, Outcome
from evbilling_local.sandbox.faults import ALL, CHARGES, FaultPlan
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import (
    ASKS_CUSTOMER,
    HARD,
    KEY,
    SOFT,
    VISA,
    PaymentWorld,
    check_books,
    check_collected_once,
    payment_world,
)

pytestmark = pytest.mark.postgres

CARDS = {
    VISA: ("succeeded", None, None, "Paid"),
    "pm_card_mastercard": ("succeeded", None, None, "Paid"),
    "pm_card_chargeDeclined": ("declined", "generic_decline", "soft", "Billing failure"),
    SOFT: ("declined", "insufficient_funds", "soft", "Billing failure"),
    HARD: ("declined", "lost_card", "hard", "Billing failure"),
    "pm_card_chargeDeclinedStolenCard": ("declined", "stolen_card", "hard", "Billing failure"),
    ASKS_CUSTOMER: ("declined", "expired_card", "needs_customer", "Billing failure"),
    "pm_card_chargeDeclinedIncorrectCvc": ("declined", "incorrect_cvc", "needs_customer", "Billing failure"),
    "pm_card_chargeDeclinedProcessingError": ("declined", "processing_error", "soft", "Billing failure"),
    "pm_card_authenticationRequired": ("declined", "authentication_required", "needs_customer", "Billing failure"),
    "pm_card_radarBlock": ("declined", "fraudulent", "hard", "Billing failure"),
    "pm_of_nobody": ("declined", "resource_missing", "needs_customer", "Billing failure"),
    None: ("declined", "no_payment_method", "needs_customer", "Billing failure"),
}


@pytest.fixture
def cards(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """A statement for each test card, in their order."""
    with payment_world(postgres, tmp_path, len(CARDS), methods=list(CARDS)) as world:
        yield world


@pytest.fixture
def ten(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Ten statements, each with a card that works."""
    with payment_world(postgres, tmp_path, 10) as world:
        yield world


@pytest.fixture(scope="module")
def unpaid(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """Two statements that stay as they were issued, whatever is tried."""
    with payment_world(postgres, tmp_path_factory.mktemp("unpaid"), 2) as world:
        yield world


def test_every_card_comes_to_its_outcome(cards: PaymentWorld) -> None:
    """Each attempt says what the gateway said, the statement its status, and what failed has a plan; once only."""
    result = cards.charge()
    assert (result["opened"], result["refused"], result["succeeded"], result["unknown"]) == (13, {}, 2, 0)
    assert result["declined"] == {"soft": 3, "hard": 3, "needs_customer": 4}  # the one without a card isn't a call
    assert result["not_ok"] == []
    found = cards.rows(
        """select a.outcome, a.decline_code, a.decline_class, s.status
           from billing.payment_attempt a join finance.statements s using (statement_id) order by statement_id"""
    )
    assert found == list(CARDS.values())
    plans = dict(cards.rows("select statement_id, reason_id from finance.payment_plans"))
    reasons = {"soft": "RETRY", "hard": "HARD-DECLINE", "needs_customer": "NEEDS-CUSTOMER"}
    expected = {i: reasons[c] for i, (_, code, c, _) in zip(cards.ids, CARDS.values(), strict=True) if c and code}
    assert plans == {**expected, cards.ids[-1]: "NO-METHOD"}
    check_collected_once(cards)


def test_a_second_charge_charges_nothing(cards: PaymentWorld) -> None:
    """However often the task is run again, no statement is tried twice, and nothing is written."""
    cards.charge()
    before = cards.rows("select a::text from billing.payment_attempt a order by attempt_id")
    sent = cards.sandbox.requests()["by_endpoint"]
    again = cards.charge()
    assert (again["opened"], again["succeeded"], again["declined"], again["unknown"]) == (0, 0, {}, 0)
    assert cards.rows("select a::text from billing.payment_attempt a order by attempt_id") == before
    posted = {name: count for name, count in cards.sandbox.requests()["by_endpoint"].items() if "POST" in name}
    assert posted == {name: count for name, count in sent.items() if "POST" in name}


def test_who_cannot_be_charged_is_a_failure_without_a_call(ten: PaymentWorld) -> None:
    """An admin who left, or without customer or card, is charged nothing; the statement fails with that reason."""
    changes = (
        "active = false",
        "active = null",
        "payment_customer = null",
        "payment_customer = ''",
        "payment_method = null",
        "payment_method = ''",
        "user_id = 'somebody else'",
    )
    for n, change in enumerate(changes):
        ten.platform.execute(f"update platform.app_user set {change} where account_id = %s", f"a{n:05d}")
    result = ten.charge()
    assert (result["opened"], result["succeeded"], result["declined"]) == (10, 3, {})
    assert ten.statuses() == ["Billing failure"] * 7 + ["Paid"] * 3
    query = "select distinct decline_code, sent_at from billing.payment_attempt where outcome = 'declined'"
    assert ten.rows(query) == [("no_payment_method", None)]
    assert sorted(ten.charged()) == ten.ids[7:]


ATTEMPTS_OF = "select attempt_id from billing.payment_attempt where statement_id = %s order by attempt_no"

# Currency and fee, what the gateway charges in its own units, what stays due, and the status.
AMOUNTS = [
    ("JPY", "1500", 1_785, 0, "Paid"),
    ("KWD", "5.000", 5_950, 0, "Paid"),
    ("KWD", "5.100", 6_060, 9, "Partly paid"),
    ("ISK", "1500", 178_500, 0, "Paid"),
    ("EUR", "0.30", None, 36, "Issued"),
]


def test_amounts_in_every_kind_of_currency(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """The gateway gets its own units; what it can't charge, a last digit or too small an amount, stays due."""
    with payment_world(postgres, tmp_path, 5, kinds=[(currency, fee) for currency, fee, *_ in AMOUNTS]) as world:
        assert world.charge()["not_ok"] == []
        amounts = [world.charged().get(i, [{}])[0].get("amount_received") for i in world.ids]
        assert amounts == [charged for _, _, charged, _, _ in AMOUNTS]
        due = world.rows("select balance_minor from billing.receivable order by statement_id")
        assert due == [(left,) for *_, left, _ in AMOUNTS]
        assert world.statuses() == [status for *_, status in AMOUNTS]
        check_books(world)


def test_a_late_answer_leaves_a_decline_as_it_is_and_costs_no_other(ten: PaymentWorld) -> None:
    """An attempt is settled once; the answers that are recorded with a late one are kept."""
    ten.set_method("a00000", SOFT)
    ten.charge()
    ten.write(
        """select billing.open_attempts('month_end', 'a', 'a', 'ann', 'why', 15, %s, '{cus_1}', '{pm_1}', '{1}')""",
        [ten.ids[0]],
    )
    query = "select a::text from billing.payment_attempt a where attempt_id = %s"
    settled, waiting = (row[0] for row in ten.rows(ATTEMPTS_OF, ten.ids[0]))
    before = ten.rows(query, settled)
    answers = [
        (settled, ChargeResult(Outcome.DECLINED, "pi_other", "lost_card", message="late")),
        (waiting, ChargeResult(Outcome.DECLINED, "pi_new", "expired_card")),
    ]
    with ten.services.warehouse() as connection:
        changed = attempts.record(connection, answers)
    assert changed == [(waiting, ten.ids[0], "declined")]
    assert ten.rows(query, settled) == before


def test_every_status_in_finances_words(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """The six statuses, each reached the way it is meant."""
    with payment_world(postgres, tmp_path, 10, methods=[VISA, SOFT]) as world:
        assert set(world.statuses()) == {"Issued"}
        paid, failed, part, resolved, by_hand = world.ids[:5]
        mark(world, part, Decimal("1.00"))
        assert world.status(part) == "Partly paid"
        world.set_method("a00002", HARD)
        world.set_method("a00004", HARD)
        world.charge()
        world.set_method("a00003", VISA)
        mark(world, by_hand)
        with world.payment_services() as payments:
            from evbilling.payments.actions import RebillRequest, charge_again

            charge_again(payments, RebillRequest("r", "ann", "new card", (resolved,)), NOW)
        assert [world.status(i) for i in (paid, failed, part, resolved, by_hand)] == [
            "Paid",
            "Billing failure",
            "Partly paid",
            "Billing failure (resolved)",
            "Paid manually",
        ]


def mark(world: PaymentWorld, statement: str, amount: Decimal | None = None) -> None:
    """Mark a statement as paid."""
    payment = MarkRequest(f"m {statement}", "ann", "by bank", (statement,), PAID_ON, "ref", amount)
    mark_statements(world.services, payment, NOW.date())


def test_what_is_paid_before_the_charge_isnt_charged(ten: PaymentWorld) -> None:
    """A statement marked as paid, in full or in part, is charged what is due then."""
    mark(ten, ten.ids[0])
    mark(ten, ten.ids[1], Decimal("2.00"))
    assert ten.charge()["refused"] == {"paid": 1}
    assert ten.ids[0] not in ten.charged()
    assert ten.charged()[ten.ids[1]][0]["amount_received"] == 714 - 200
    assert ten.one("select sum(balance_due) from finance.statements") == 0
    check_collected_once(ten)


# ---- A gateway that doesn't play along


@pytest.mark.parametrize(
    ("options", "plan", "error", "says"),
    [
        ({"key": "sk_live_wrong"}, FaultPlan(), BadInput, "refuses the key"),
        ({"url": "http://127.0.0.1:9"}, FaultPlan(), TransientError, "no usable answer"),
        ({}, FaultPlan(rates={"nonsense": 1.0}, on=ALL), TransientError, "no usable answer"),
        (
            {"timeout": 0.2},
            FaultPlan(rates={"timeout_before": 1.0}, on=ALL, hold_seconds=0.5),
            TransientError,
            "answer",
        ),
        ({}, FaultPlan(rates={"error_500_before": 1.0}, on=ALL), TransientError, "HTTP 500"),
    ],
)
def test_a_gateway_that_is_not_there_opens_no_attempt(
    unpaid: PaymentWorld, options: dict[str, Any], plan: FaultPlan, error: type[Exception], says: str
) -> None:
    """Wrong key, nobody there, nonsense: said before anything is written, so that nothing has to be cleared up."""
    unpaid.sandbox.set_faults(plan)
    with pytest.raises(error, match=says) as caught:
        unpaid.charge(**options)
    assert "payment_gateway" in str(caught.value)
    assert KEY not in str(caught.value)
    assert unpaid.outcomes() == {}
    assert set(unpaid.statuses()) == {"Issued"}


def test_a_platform_that_is_not_there_opens_no_attempt(ten: PaymentWorld) -> None:
    """Whose card is to be charged is asked before anything is opened."""
    ten.platform.execute("alter schema platform rename to elsewhere")
    try:
        with pytest.raises(Exception, match="platform"):
            ten.charge()
    finally:
        ten.platform.execute("alter schema elsewhere rename to platform")
    assert ten.outcomes() == {}


@pytest.mark.parametrize("readable", [True, False])
def test_a_gateway_that_falls_silent_stops_the_charge(
    postgres: EmbeddedPostgres, tmp_path: Path, readable: bool
) -> None:
    """What wasn't sent stays pending and the next call goes on; what was sent without an answer is asked about."""
    with payment_world(postgres, tmp_path, 200) as world:
        with world.payment_services(workers=8) as payments:
            silent = _silent_after(world, payments.gateway, 40, readable=readable)
            with pytest.raises(TransientError, match=r"no clear answer|no usable answer"):
                charge_period(replace(payments, gateway=silent), PERIOD, actor="ann", now=NOW)
        outcomes = world.outcomes()
        assert 24 <= outcomes["unknown"] <= 48
        assert outcomes["pending"] >= 100
        check_books(world)
        world.sandbox.set_faults()
        again = world.charge(lease_seconds=0.5)
        assert (again["opened"], again["succeeded"], again["unknown"]) == (0, outcomes["pending"], 0)
        # Of those without an answer, the charge asks the gateway at its end; what isn't there may still come.
        unknown = world.outcomes()["unknown"]
        assert world.outcomes() == {"succeeded": 200 - unknown, "unknown": unknown}
        assert unknown > 0
        settled = world.settle()
        assert settled == {"succeeded": 0, "declined": unknown, "still_unknown": 0}
        check_collected_once(world)
        assert world.tie_out() == []


def _silent_after(world: PaymentWorld, gateway: Gateway, charges: int, *, readable: bool) -> Gateway:
    """The gateway, whose sandbox drops every connection once so many charges were made."""
    faults = FaultPlan(rates={"drop_before": 0.5, "drop_after": 0.5}, on=CHARGES if readable else ALL)
    return _Tampered(gateway, before=lambda number: world.sandbox.set_faults(faults) if number == charges else None)


class _Tampered:
    """A gateway whose `number`-th charge, from 1, comes after something has happened, or with another answer."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        before: Callable[[int], object] = lambda _: None,
        answer: Callable[[int, ChargeResult], ChargeResult] = lambda _, result: result,
    ) -> None:
        self._gateway = gateway
        self._before, self._answer = before, answer
        self._numbers = itertools.count(1)
        self.check, self.list_payments = gateway.check, gateway.list_payments

    def charge(self, charge: Charge) -> ChargeResult:
        number = next(self._numbers)
        self._before(number)
        return self._answer(number, self._gateway.charge(charge))


@pytest.mark.parametrize(
    "answer",
    [
        lambda result: replace(result, gateway_payment_id=None),
        lambda result: replace(result, gateway_payment_id="pi_of_two"),
        lambda result: replace(result, message="a\0b"),
        lambda result: replace(result, gateway_payment_id="pi_\ud800"),
    ],
    ids=["without id", "same id", "nul", "half a character"],
)
def test_an_answer_that_cannot_be_recorded_costs_no_other(
    postgres: EmbeddedPostgres, tmp_path: Path, answer: Callable[[ChargeResult], ChargeResult]
) -> None:
    """Two of ten: the others are recorded, and what became of these the gateway's list tells."""
    with payment_world(postgres, tmp_path, 10) as world:
        with world.payment_services() as payments:
            odd = _Tampered(payments.gateway, answer=lambda n, result: answer(result) if n in {3, 7} else result)
            # The gateway's list has another payment than the answer named: that is a break.
            with suppress(Mismatch):
                charge_period(replace(payments, gateway=odd), PERIOD, actor="ann", now=NOW)
        found = world.outcomes()
        assert found["succeeded"] >= 8
        assert found["succeeded"] + found.get("unknown", 0) == 10
        world.settle()
        assert world.statuses() == ["Paid"] * 10
        check_books(world)


@pytest.mark.parametrize("losses", [pytest.param({15}, marks=pytest.mark.full), {1}, {5, 25}])
def test_a_warehouse_that_goes_away_costs_no_answer(
    postgres: EmbeddedPostgres, tmp_path: Path, losses: set[int]
) -> None:
    """Its connections are cut in the midst: the charge stops, and the next one goes on; nothing is charged twice."""
    with payment_world(postgres, tmp_path, 50) as world:

        def cut(number: int) -> None:
            if number in losses:
                world.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'evbilling_writer'")

        with world.payment_services(workers=4) as payments, pytest.raises(TransientError, match="warehouse"):
            charge_period(
                replace(payments, gateway=_Tampered(payments.gateway, before=cut)), PERIOD, actor="ann", now=NOW
            )
        check_books(world)
        recorded = world.outcomes().get("succeeded", 0)
        # All that was charged until then is in the books: what was under way was kept over a connection of its own.
        assert recorded == len(world.charged())
        assert world.charge(lease_seconds=0.5)["succeeded"] == 50 - recorded
        check_collected_once(world)
        assert world.outcomes() == {"succeeded": 50}


def test_nothing_stays_open_while_the_gateway_is_asked(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """No transaction of the writer's lasts as long as a call: the warehouse ends those that idle."""
    query = """select state, query from pg_stat_activity
               where usename = 'evbilling_writer' and datname = current_database() and state like 'idle in%%'
                 and state_change < clock_timestamp() - interval '1 second'"""
    with payment_world(postgres, tmp_path, 10) as world:
        world.sandbox.set_faults(FaultPlan(rates={"slow": 1.0}, slow_seconds=2, on=ALL))
        idle: list[Any] = []
        done = threading.Event()

        def watch() -> None:
            with psycopg.connect(world.admin_url, autocommit=True) as connection:
                while not done.wait(0.05):
                    idle.extend(connection.execute(query.encode()).fetchall())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            world.charge()
        finally:
            done.set()
            watcher.join()
        assert idle == []


def test_nothing_to_send_asks_nobody(ten: PaymentWorld) -> None:
    """A batch without anything to send doesn't ask the gateway at all."""
    with ten.payment_services(url="http://127.0.0.1:9") as payments:
        assert payments.collect("nothing of the kind").total == 0
