"""What was read before somebody else wrote: conclusions, late successes, and payments that nothing accounts for.

A success of the gateway is booked or is a break at once, and nothing more is charged for its statement until that is
put right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from evbilling.errors import BadInput, Mismatch
from evbilling.payments import PaymentServices, attempts
from evbilling.payments.actions import (
    Code,
    MarkRequest,
    RebillRequest,
    UndoRequest,
    charge_again,
    load_action_facts,
    preview_mark_statements,
    preview_rebill,
    reverse_payment,
)
from evbilling.payments.collection import Collected, _Sender
from evbilling.payments.gateway.interface import ChargeResult, Gateway, GatewayPayment, GatewaySettings, Outcome
from evbilling.payments.reconciliation import compare, require_all_booked, settle_unknown
from evbilling.payments.retries.planner import UNACCOUNTED_PAYMENT
from evbilling.payments.retries.runs import due_retries, month_end_retries, open_retries
from evbilling_local.sandbox.faults import DROP_BEFORE, SLOW, FaultPlan
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import (
    KEY,
    LONG_AGO,
    SOFT,
    VISA,
    PaymentWorld,
    check_books,
    check_collected_once,
    payment_world,
)
from tests.support.reconciling import look, mark, pay, refund

pytestmark = pytest.mark.postgres

LATER = NOW + timedelta(days=20)
BREAKS = (
    "select kind, statement_id, recorded_minor, gateway_minor from finance.payment_breaks where is_open order by 1, 2"
)


@pytest.fixture
def two(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Two statements with cards that work; nothing is charged yet."""
    with payment_world(postgres, tmp_path, 2) as world:
        yield world


class Hooked:
    """A gateway that does something each time right after its list was read, and has the answers made up."""

    def __init__(self, gateway: Gateway, *, listed: Callable[[], object] = lambda: None) -> None:
        self._gateway, self._listed = gateway, listed
        self.check, self.charge, self.list_returned = gateway.check, gateway.charge, gateway.list_returned

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        yield from self._gateway.list_payments(since, until, customer=customer)
        self._listed()


def open_all(world: PaymentWorld, occasion: str = "once") -> list[int]:
    """An attempt at every statement, not sent; their numbers."""
    with world.payment_services() as payments:
        open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", occasion, "ann")
    query = "select attempt_id from billing.payment_attempt where occasion = %s order by statement_id"
    return [row[0] for row in world.rows(query, occasion)]


def claim(world: PaymentWorld, batch: str = "once/0", lease: float = 60) -> list[int]:
    """Claim what may be sent; the numbers of those claimed."""
    with world.services.warehouse() as connection:
        return [one.attempt_id for one in attempts.claim(connection, batch, 32, lease)]


def answer(world: PaymentWorld, *results: tuple[int, ChargeResult]) -> list[tuple[int, str, str]]:
    """Record answers as a sender does."""
    with world.services.warehouse() as connection:
        return attempts.record(connection, results)


def charged(payment: str) -> ChargeResult:
    return ChargeResult(Outcome.SUCCEEDED, payment)


def collect_at_gateway(world: PaymentWorld, attempt: int) -> str:
    """What a charge of this attempt leaves at the gateway; its id."""
    statement, amount = world.rows(
        "select statement_id, amount_minor from billing.payment_attempt where attempt_id = %s", attempt
    )[0]
    return pay(world, amount, evbilling_statement=statement, evbilling_attempt=str(attempt))


# ---- Conclusions from the gateway's list


def test_a_conclusion_waits_for_lease_and_timeouts(two: PaymentWorld) -> None:
    """An age within which a charge may be on its way is refused, with the least that is allowed."""
    with two.payment_services(lease_seconds=60, timeout=20, retries=2) as payments:
        assert payments.least_age == timedelta(seconds=120) == PaymentServices(payments.base).least_age
        for age in (timedelta(0), timedelta(seconds=119)):
            with pytest.raises(BadInput, match=r"(?s)may be on its way for 120.*min_age_minutes of at least 2:"):
                settle_unknown(payments, LONG_AGO, NOW, min_age=age)
        assert settle_unknown(payments, LONG_AGO, NOW, min_age=timedelta(seconds=120))["still_unknown"] == 0
    # Where the connection's timeouts are longer than the usual hour, nothing is concluded within them.
    assert GatewaySettings(KEY, timeout_seconds=3600).patience_seconds == 10_800
    open_all(two)
    claim(two)
    two.backdate(two.ids[0], timedelta(hours=2))
    with two.payment_services(timeout=3600, retries=2) as payments:
        assert settle_unknown(payments, LONG_AGO, NOW)["still_unknown"] == 2


def test_what_is_claimed_while_the_gateway_is_asked_is_left_alone(two: PaymentWorld) -> None:
    """A killed task is cleared while the reconciliation runs: its second try claims and charges; once, and booked."""
    open_all(two)
    claim(two)
    for statement in two.ids:
        two.backdate(statement, timedelta(hours=2))

    def second_try() -> None:
        with two.payment_services() as other:
            assert other.collect("once/0").succeeded == 2

    with two.payment_services() as payments:
        settled = settle_unknown(replace(payments, gateway=Hooked(payments.gateway, listed=second_try)), LONG_AGO, NOW)
    assert settled == {"succeeded": 0, "declined": 0, "still_unknown": 0}
    assert two.outcomes() == {"succeeded": 2}
    check_collected_once(two)


@pytest.mark.parametrize("was_claimed", [False, True])
def test_a_conclusion_holds_only_for_the_claim_that_it_was_drawn_on(two: PaymentWorld, was_claimed: bool) -> None:
    """Claimed for the first time or again between looking and recording: the sender's answer counts."""
    first, second = open_all(two)
    if was_claimed:
        claim(two)
        for statement in two.ids:
            two.backdate(statement, timedelta(hours=2))
    query = "select attempt_id, coalesce(claimed_at, 'epoch') from billing.payment_attempt"
    seen = dict(two.rows(query))
    never = ChargeResult(Outcome.DECLINED, None, "not_charged")
    assert claim(two) == [first, second]
    with two.services.warehouse() as connection:
        assert attempts.record(connection, [(first, never), (second, never)], seen) == []
        assert attempts.record(connection, [(first, never)], dict(two.rows(query))) == [(first, two.ids[0], "declined")]
        assert attempts.record(connection, [(second, charged("pi_2"))]) == [(second, two.ids[1], "succeeded")]
    check_books(two)


@pytest.mark.parametrize("careful", [True, False], ids=["as it is", "as it was allowed"])
def test_a_reconciliation_beside_a_slow_gateway_charges_nobody_twice(
    postgres: EmbeddedPostgres, tmp_path: Path, careful: bool
) -> None:
    """Asked again and again, with an age of nothing, while every charge is on its way for a while.

    The age of nothing is refused. Even if it were allowed, a success is never dropped and nobody is charged again.
    """
    statements = 24
    with payment_world(postgres, tmp_path, statements) as world:
        world.sandbox.set_faults(FaultPlan(rates={SLOW: 1.0}, slow_seconds=0.4))
        done, refused, asked = threading.Event(), 0, 0
        failure: list[BaseException] = []

        def charge() -> None:
            try:
                world.charge(workers=8)
            except Mismatch as error:
                failure.append(error)
            finally:
                done.set()

        thread = threading.Thread(target=charge)
        thread.start()
        with world.payment_services() as payments:
            asking = payments if careful else replace(payments, lease_seconds=0, patience_seconds=0)
            while not done.wait(0.05):
                asked += 1
                try:
                    settle_unknown(asking, LONG_AGO, NOW, min_age=timedelta(0))
                except BadInput:
                    refused += 1
        thread.join()
        world.sandbox.set_faults()
        assert refused == (asked if careful else 0)
        late = world.rows(BREAKS)
        if careful:
            assert (failure, late, world.outcomes()) == ([], [], {"succeeded": statements})
        else:
            assert late, "nothing was concluded while it was on its way: the test tells nothing"
            assert "charged_not_recorded" in str(failure[0])
            assert world.outcomes().get("declined") == len(late)
        # What failed is tried again, by every way there is; of those that the gateway has charged, none.
        with world.payment_services() as payments:
            for occasion, retries in (
                ("month_end", month_end_retries(payments, PERIOD, LATER)),
                ("planned", due_retries(payments, LATER)),
            ):
                for batch in open_retries(payments, retries, occasion, f"{occasion} x", "ann"):
                    payments.collect(batch)
            for _, statement, _, _ in late:
                with pytest.raises(BadInput, match="which isn't recorded"):
                    charge_again(payments, RebillRequest(f"r {statement}", "ann", "x", (statement,)), LATER)
        assert {len(payments) for payments in world.charged().values()} == {1}
        for statement, (payment,) in world.charged().items():
            if statement in {row[1] for row in late}:
                mark(world, statement, payment["id"])
        assert look(world) == []
        assert world.tie_out() == []
        assert world.one("select sum(balance_due) from finance.statements") == 0


# ---- Late successes

NEVER = ChargeResult(Outcome.DECLINED, None, "not_charged", None, "the gateway has no such payment")
NO_MONEY = ChargeResult(Outcome.DECLINED, "pi_declined", "insufficient_funds")


@pytest.mark.parametrize(
    ("before", "kind"),
    [(NEVER, "charged_not_recorded"), (NO_MONEY, "charged_not_recorded"), (charged("pi_first"), "duplicate")],
    ids=["concluded", "declined", "another payment"],
)
def test_a_success_that_comes_too_late_is_a_break_at_once(two: PaymentWorld, before: ChargeResult, kind: str) -> None:
    """In the same transaction, with its amount; the task sees it; nothing more is charged; put right it is gone."""
    first, second = open_all(two)
    claim(two)
    statement = two.ids[0]
    answer(two, (first, before), (second, charged("pi_other")))
    settled = two.rows("select * from billing.payment_attempt order by attempt_id")
    payment = collect_at_gateway(two, first)
    amount = two.one("select amount_minor from billing.payment_attempt where attempt_id = %s", first)
    for _ in range(2):
        assert answer(two, (first, charged(payment))) == []
        assert two.rows(BREAKS) == [(kind, statement, 0, amount)]
    assert two.rows("select * from billing.payment_attempt order by attempt_id") == settled
    with (
        two.payment_services() as payments,
        pytest.raises(Mismatch, match=f"{kind}: {payment} for {statement}: 0.00 EUR"),
    ):
        require_all_booked(payments, "once")
    if kind == "charged_not_recorded":
        check_nothing_is_charged(two, statement, payment)
        mark(two, statement, payment)
    else:
        refund(two, payment)
    left = look(two)
    # Of payments that were made up here the gateway knows nothing.
    assert {b.kind for b in left} <= {"recorded_not_charged"}
    assert two.one("select gone_at is not null from billing.payment_break where gateway_payment_id = %s", payment)
    with two.payment_services() as payments:
        require_all_booked(payments, "once")


def check_nothing_is_charged(world: PaymentWorld, statement: str, payment: str) -> None:
    """By no way; the plan, the dry runs and the page's facts say why; another Mark as Paid is refused."""
    before = len(world.charged().get(statement, []))
    with world.payment_services() as payments:
        (row,) = preview_rebill(payments, RebillRequest("p", "ann", "", (statement,)), LATER)
        assert (row.code, row.is_refused) == (Code.UNACCOUNTED_PAYMENT, True)
        assert payment in str(row.detail)
        with pytest.raises(BadInput, match=payment):
            charge_again(payments, RebillRequest("r", "ann", "x", (statement,)), LATER)
        for name, retries in (
            ("month_end", month_end_retries(payments, PERIOD, LATER)),
            ("planned", due_retries(payments, LATER)),
        ):
            (mine,) = [retry for retry in retries if retry.debt.statement_id == statement]
            assert (mine.is_tried, mine.plan.reason_id, mine.plan.at) == (False, UNACCOUNTED_PAYMENT, None)
            assert payment in mine.sentence()
            # As if it had become known only after the retries were planned.
            for batch in open_retries(payments, [replace(mine, is_tried=True)], name, f"{name} late", "ann"):
                payments.collect(batch)
    query = "select refused from billing.open_attempts('rebill', 'o', 'o', 'a', 'r', 15, %s, '{c}', '{m}', '{1}')"
    assert world.rows(query, [statement]) == [("unaccounted_payment",)]
    with world.services.warehouse() as connection:
        assert load_action_facts(connection, [statement])[statement].unaccounted_payment == payment
    with pytest.raises(BadInput, match=rf"has collected payment {payment} for {statement}, which isn't recorded; give"):
        mark(world, statement, "by bank")
    (proposed,) = preview_mark_statements(
        world.services, MarkRequest("p", "ann", "", (statement,), PAID_ON, ""), NOW.date()
    )
    assert (proposed.code, proposed.reference) == (Code.MARKED, payment)
    assert len(world.charged().get(statement, [])) == before


def test_a_success_that_cant_be_recorded_keeps_its_payment(two: PaymentWorld) -> None:
    """The ledger refuses it: the outcome is unknown, the payment is kept, and it is a break at once."""
    first, second = open_all(two)
    claim(two)
    amount = two.one("select amount_minor from billing.payment_attempt where attempt_id = %s", first)
    owe_less(two, two.ids[0])
    payment = collect_at_gateway(two, first)
    assert answer(two, (first, charged(payment)), (second, charged("pi_2"))) == [
        (first, two.ids[0], "unknown"),
        (second, two.ids[1], "succeeded"),
    ]
    assert two.rows("select outcome, gateway_payment_id from billing.payment_attempt order by attempt_id") == [
        ("unknown", payment),
        ("succeeded", "pi_2"),
    ]
    assert two.rows(BREAKS) == [("charged_not_recorded", two.ids[0], 0, amount)]
    assert ("charged_not_recorded", payment) in [(b.kind, b.gateway_payment_id) for b in look(two)]
    refund(two, payment)
    assert two.settle()["declined"] == 1
    assert payment not in [b.gateway_payment_id for b in look(two)]


def owe_less(world: PaymentWorld, statement: str) -> None:
    """Lower what is due by one, as no function would while a charge is under way."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency,
                                             correction_id)
               values ('correction', %s, 'revenue', 'receivable', 1, 'EUR', 'C-made-up')""",
            (statement,),
        )


def test_a_break_raised_while_the_gateway_is_asked_stays_open(two: PaymentWorld) -> None:
    """The comparison closes only what was open when it began."""
    first, _ = open_all(two)
    claim(two)
    answer(two, (first, NEVER))
    payment = collect_at_gateway(two, first)
    two.sandbox.tamper(payment, created=int(LONG_AGO.timestamp()))

    def late() -> None:
        answer(two, (first, charged(payment)))

    with two.payment_services() as payments:
        compare(replace(payments, gateway=Hooked(payments.gateway, listed=late)), datetime.now(NOW.tzinfo))
    assert [row[0] for row in two.rows(BREAKS)] == ["charged_not_recorded"]


# ---- An attempt is looked at again before it is sent


def test_an_attempt_isnt_sent_once_the_gateway_has_a_payment(two: PaymentWorld) -> None:
    """Opened, and then the gateway turns out to have collected it: never sent it is declined, otherwise unknown."""
    first, second = open_all(two)
    assert claim(two, lease=60) == [first, second]
    unsend(two, first)
    due = dict(two.rows("select statement_id, balance_minor from billing.receivable"))
    for statement in two.ids:
        pay(two, due[statement], evbilling_statement=statement)
    look(two)
    two.backdate(two.ids[1], timedelta(hours=1))
    assert claim(two) == []
    assert two.rows("select outcome, decline_code, sent_at is null from billing.payment_attempt order by 1") == [
        ("declined", "not_charged", True),
        ("unknown", None, False),
    ]
    assert two.one("select count(*) from billing.mail where kind = 'failed_charge'") == 0
    with two.payment_services() as payments:
        assert payments.collect("once/0").total == 0
    assert {len(payments) for payments in two.charged().values()} == {1}


def unsend(world: PaymentWorld, attempt: int) -> None:
    """As if the attempt had never been claimed."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            "update billing.payment_attempt set sent_at = null, claimed_at = null where attempt_id = %s", (attempt,)
        )


def test_an_attempt_isnt_sent_for_more_than_is_due(two: PaymentWorld) -> None:
    """What was opened for the whole debt isn't sent once less is due."""
    open_all(two)
    owe_less(two, two.ids[0])
    with two.payment_services() as payments:
        assert payments.collect("once/0").succeeded == 1
    assert list(two.charged()) == [two.ids[1]]
    query = "select outcome, message from billing.payment_attempt where statement_id = %s"
    assert two.rows(query, two.ids[0]) == [("declined", "less is due than when the charge was planned")]


def test_an_attempts_own_payment_is_asked_for_and_not_charged_again(two: PaymentWorld) -> None:
    """Its sender was killed and the list has the payment already: the reconciliation books it."""
    first, _ = open_all(two)
    claim(two)
    collect_at_gateway(two, first)
    look(two)
    for statement in two.ids:
        two.backdate(statement, timedelta(minutes=2))
    with two.payment_services() as payments:
        assert payments.collect("once/0").succeeded == 1
    assert two.attempts(two.ids[0]) == ["unknown"]
    assert two.settle() == {"succeeded": 1, "declined": 0, "still_unknown": 0}
    check_collected_once(two)


def test_a_payment_of_an_attempt_that_had_the_number_before_is_not_its(two: PaymentWorld) -> None:
    """After a restore an attempt has a lost one's number: the payment is the statement's that it names."""
    first, _ = open_all(two)
    claim(two)
    amount = two.one("select amount_minor from billing.payment_attempt where attempt_id = %s", first)
    pay(two, amount, evbilling_statement=two.ids[1], evbilling_attempt=str(first))
    assert two.settle()["succeeded"] == 0
    assert two.rows("select outcome, decline_code from billing.payment_attempt order by 1, 2") == [
        ("declined", "not_charged"),
        ("declined", "not_charged"),
    ]
    assert [(b.kind, b.statement_id) for b in look(two)] == [("charged_not_recorded", two.ids[1])]


# ---- References of payments at the gateway


@pytest.fixture
def failed(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Three statements: two whose charge failed, one that is paid."""
    with payment_world(postgres, tmp_path, 3, methods=[SOFT, SOFT, VISA]) as world:
        world.charge()
        yield world


def test_a_payment_booked_on_another_statement_stays_a_break(failed: PaymentWorld) -> None:
    """It names the other statement; undone there and booked where it belongs, it is gone."""
    right, wrong, _ = failed.ids
    due = failed.one("select balance_minor from billing.receivable where statement_id = %s", right)
    payment = pay(failed, due, evbilling_statement=right)
    mark(failed, wrong, payment, Decimal("1.00"))
    for _ in range(2):
        (found,) = look(failed)
        assert (found.kind, found.statement_id, found.recorded_minor, found.gateway_minor, found.booked_on) == (
            "charged_not_recorded",
            right,
            0,
            due,
            wrong,
        )
        assert (
            f"of a payment of {wrong}: undo Mark as Paid there, and mark this statement as paid with it"
            in found.sentence()
        )
    assert failed.tie_out() == ["gateway-EUR"]
    with pytest.raises(BadInput, match=f"has collected payment {payment} for {right}, not for {wrong}"):
        mark(failed, wrong, payment, Decimal("0.50"))
    reverse_payment(failed.services, UndoRequest("u", "bob", "wrong statement", wrong))
    mark(failed, right, payment)
    assert look(failed) == []
    assert failed.tie_out() == []


def test_one_payment_doesnt_pay_two_statements(failed: PaymentWorld) -> None:
    """The id of a payment that is recorded, as the reference of another statement, is a break that names it."""
    _, wrong, paid = failed.ids
    payment = failed.intent_of(paid)
    with psycopg.connect(failed.admin_url) as connection:
        connection.execute("delete from billing.gateway_payment")
    mark(failed, wrong, payment, Decimal("1.00"))
    (found,) = look(failed)
    assert (found.kind, found.statement_id, found.booked_on) == ("amount_differs", paid, wrong)
    assert found.recorded_minor == found.gateway_minor + 100
    assert found.sentence().endswith(f"is the reference of a payment of {wrong}: undo Mark as Paid there")
    with pytest.raises(BadInput, match=f"{payment} for {paid}, not for {wrong}"):
        mark(failed, wrong, payment, Decimal("0.50"))
    reverse_payment(failed.services, UndoRequest("u", "bob", "wrong statement", wrong))
    assert look(failed) == []


def test_a_collected_payment_is_booked_up_to_its_amount(failed: PaymentWorld) -> None:
    """Less than is due: so much and no more; what is left of the debt is charged again then."""
    statement = failed.ids[0]
    payment = pay(failed, 200, evbilling_statement=statement)
    look(failed)
    with pytest.raises(BadInput, match=r"2\.01 EUR is more than the 2\.00 EUR that are left of the gateway's payment"):
        mark(failed, statement, payment, Decimal("2.01"))
    mark(failed, statement, payment, Decimal("0.50"))
    with failed.payment_services() as payments:
        (row,) = preview_rebill(payments, RebillRequest("p", "ann", "", (statement,)), LATER)
        assert row.code is Code.UNACCOUNTED_PAYMENT
        mark(failed, statement, payment)
        assert failed.one("select paid_amount from finance.statements where statement_id = %s", statement) == 2
        with pytest.raises(BadInput, match="is recorded already, or was refunded"):
            mark(failed, statement, payment, Decimal("0.10"))
        assert look(failed) == []
        failed.set_method("a00000", VISA)
        (row,) = charge_again(payments, RebillRequest("r", "ann", "new card", (statement,)), LATER)
        assert (row.code, row.amount) == (Code.CHARGED, Decimal("3.95"))


def test_a_refund_opens_the_statement_again(failed: PaymentWorld) -> None:
    """Once the list has the refund, the statement is charged, and marked as paid by other means, as any other."""
    statement = failed.ids[0]
    payment = pay(failed, 200, evbilling_statement=statement)
    look(failed)
    check_nothing_is_charged(failed, statement, payment)
    refund(failed, payment)
    assert look(failed) == []
    mark(failed, statement, "by bank", Decimal("1.00"))
    failed.set_method("a00000", VISA)
    with failed.payment_services() as payments:
        (row,) = charge_again(payments, RebillRequest("r2", "ann", "new card", (statement,)), LATER)
    assert (row.code, row.amount) == (Code.CHARGED, Decimal("4.95"))


def test_what_waits_for_a_person_isnt_forgotten(two: PaymentWorld) -> None:
    """The month's charge leaves out a statement that the gateway has collected, and the retries take it up once it is
    refunded."""
    payment = pay(two, 100, evbilling_statement=two.ids[0])
    look(two)
    result = two.charge()
    assert (result["opened"], result["refused"]) == (1, {"unaccounted_payment": 1})
    refund(two, payment)
    look(two)
    with two.payment_services() as payments:
        for batch in open_retries(payments, due_retries(payments, NOW), "planned", "day", "ann"):
            payments.collect(batch)
    assert two.statuses() == ["Paid", "Paid"]


def test_a_charge_that_never_arrived_is_tried_again(two: PaymentWorld) -> None:
    """None of this keeps a charge back that wasn't made: lost on its way, concluded as such, it is charged again."""
    two.sandbox.set_faults(FaultPlan(rates={DROP_BEFORE: 1.0}))
    assert two.charge()["unknown"] == 2
    two.sandbox.set_faults()
    assert two.settle()["declined"] == 2
    with two.payment_services() as payments:
        for batch in open_retries(payments, month_end_retries(payments, PERIOD, LATER), "month_end", "m", "ann"):
            payments.collect(batch)
    assert two.statuses() == ["Billing failure (resolved)"] * 2
    check_collected_once(two)


def test_everything_at_once_counts_a_payment_once(two: PaymentWorld) -> None:
    """The function that says what isn't accounted for, over whole, part, refund, other currency and other statement."""
    query = "select statement_id, gateway_payment_id, currency, minor from billing.unaccounted_payments(%s)"
    statement = two.ids[0]
    first = pay(two, 300, evbilling_statement=statement)
    second = pay(two, 50, evbilling_statement=statement)
    assert two.rows(query, two.ids) == []
    look(two)
    assert sorted(two.rows(query, two.ids)) == sorted([(statement, first, "EUR", 300), (statement, second, "EUR", 50)])
    mark(two, statement, first, Decimal("1.00"))
    refund(two, second)
    look(two)
    assert two.rows(query, two.ids) == [(statement, first, "EUR", 200)]
    two.sandbox.tamper(first, currency="usd")
    look(two)
    assert two.rows(query, two.ids) == [(statement, first, "USD", 300)]
    assert two.rows(query, two.ids[1:]) == []
    two.sandbox.delete_intent(first)
    look(two)
    assert two.rows(query, two.ids) == []


def test_of_two_answers_to_one_attempt_no_success_is_lost(two: PaymentWorld) -> None:
    """Sent twice because its claim lapsed, and answered twice before either was recorded, in whatever order."""
    first, second = open_all(two)
    claim(two)
    payments = [collect_at_gateway(two, attempt) for attempt in (first, second, second)]
    with two.payment_services() as services, two.services.warehouse() as connection:
        sender = _Sender(two.services, connection, services.gateway, "once/0", "", None, 1, 1.0, Collected())  # type: ignore[arg-type]
        sender._answers += [(first, charged(payments[0])), (first, NO_MONEY), (first, ChargeResult(Outcome.UNKNOWN))]
        sender._answers += [(second, NO_MONEY), (second, charged(payments[1])), (second, charged(payments[2]))]
        sender._record(connection)
    assert sender.collected.succeeded == 2
    assert [(b.kind, b.gateway_payment_id) for b in look(two)] == [("duplicate", payments[2])]
    assert two.rows("select outcome, gateway_payment_id from billing.payment_attempt order by attempt_id") == [
        ("succeeded", payments[0]),
        ("succeeded", payments[1]),
    ]
    check_books(two)
