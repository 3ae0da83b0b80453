"""Payments refunded through the gateway: once, within the payment, and known to reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import BadInput, Mismatch
from evbilling.payments import PaymentServices
from evbilling.payments.actions import (
    ActionResult,
    Adjustment,
    AdjustRequest,
    Code,
    Debt,
    RefundPaymentRequest,
    RefundRequest,
    acknowledge_refund,
    adjust_statement,
    preview_refund_payment,
    refund_payment,
    set_adjustment_limit,
)
from evbilling.payments.gateway.interface import Outcome, Refund, RefundResult
from evbilling.payments.refunds import send_refund
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import PAID_ON
from tests.support.payments import PaymentWorld, check_standings, payment_world, together
from tests.support.reconciling import look, refund

pytestmark = pytest.mark.postgres

STATE = "select paid_amount, balance_due, status from finance.statements where statement_id = %s"


@pytest.fixture
def month(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Three paid statements, of 5.95, 7.14 and 8.33 EUR."""
    with payment_world(postgres, tmp_path, 3) as world:
        world.charge()
        yield world


def credit(world: PaymentWorld, statement: str, amount: str) -> None:
    adjust_statement(
        world.services,
        AdjustRequest(f"c-{statement}-{amount}", "ann", "outage", statement, Adjustment.GOODWILL, Decimal(amount)),
    )


def give_back(payments: PaymentServices, statement: str, amount: str | None = None, **more: Any) -> ActionResult:
    request = RefundPaymentRequest(
        f"r-{statement}-{amount}", "ann", "agreed", statement, amount=None if amount is None else Decimal(amount)
    )
    return refund_payment(payments, replace(request, **more))


def state(world: PaymentWorld, statement: str) -> tuple[Any, ...]:
    (row,) = world.rows(STATE, statement)
    return row


def refunded(world: PaymentWorld, statement: str) -> int:
    """What the gateway has given back of the statement, by its own list."""
    with world.payment_services() as payments:
        listed = payments.gateway.list_payments(world.one("select now() - interval '1 day'"))
        return sum(p.refunded_minor for p in listed if p.metadata.get("evbilling_statement") == statement)


def require_even(world: PaymentWorld) -> None:
    assert look(world) == []
    check_standings(world.admin_url)
    assert world.tie_out() == []


def test_a_credit_is_refunded_once_and_no_comparison_minds(month: PaymentWorld) -> None:
    """By amount and as a whole; a repeated run changes nothing; more than the credit is refused."""
    paid = month.ids[0]
    with month.payment_services() as payments:
        with pytest.raises(BadInput, match="has no credit to be refunded"):
            give_back(payments, paid)
        credit(month, paid, "3.00")
        with pytest.raises(BadInput, match=r"3\.01 EUR is more than the 3\.00 EUR that can be refunded"):
            give_back(payments, paid, "3.01")
        (seen,) = preview_refund_payment(month.services, RefundPaymentRequest("p", "page", "", paid))
        assert (seen.code, seen.amount) == (Code.REFUNDED, Decimal("3.00"))
        done = give_back(payments, paid, "1.00")
        assert (done.code, done.balance_due) == (Code.REFUNDED, Decimal("-2.00"))
        assert give_back(payments, paid, "1.00") == done
        require_even(month)
        assert give_back(payments, paid).balance_due == Decimal("0.00")
    assert refunded(month, paid) == 300
    assert state(month, paid) == (Decimal("2.95"), Decimal("0.00"), "Paid")
    require_even(month)


def test_what_is_due_again_is_collected_again_and_never_beyond_the_payment(month: PaymentWorld) -> None:
    paid = month.ids[1]
    with month.payment_services() as payments:
        with pytest.raises(BadInput, match=r"7\.15 EUR is more than the 7\.14 EUR"):
            give_back(payments, paid, "7.15", is_due_again=True)
        assert give_back(payments, paid, is_due_again=True).balance_due == Decimal("7.14")
        assert state(month, paid) == (Decimal("0.00"), Decimal("7.14"), "Issued")
        assert month.one("select reason_id from billing.payment_plan where statement_id = %s", paid) == "TO-BE-PLANNED"
        with pytest.raises(BadInput, match="of which something is left"):
            give_back(payments, paid, "0.01", is_due_again=True)
    require_even(month)


def test_what_was_sent_back_by_bank_is_not_refunded_again(month: PaymentWorld) -> None:
    """The debt is due again only for what the customer still has paid."""
    paid = month.ids[0]
    credit(month, paid, "4.00")
    sent = AdjustRequest("sent", "ann", "agreed", paid, Adjustment.REFUND_OUTSIDE)
    adjust_statement(month.services, replace(sent, paid_on=PAID_ON, reference="bank 7"))
    with month.payment_services() as payments:
        with pytest.raises(BadInput, match=r"1\.96 EUR is more than the 1\.95 EUR that can be refunded"):
            give_back(payments, paid, "1.96", is_due_again=True)
        assert give_back(payments, paid, is_due_again=True).balance_due == Decimal("1.95")
        assert state(month, paid) == (Decimal("0.00"), Decimal("1.95"), "Issued")
        with pytest.raises(BadInput, match=f"all that was paid on {paid} was sent back already"):
            give_back(payments, paid, is_due_again=True, request_id="again")
    require_even(month)


def test_what_was_given_back_elsewhere_is_acknowledged_first(month: PaymentWorld) -> None:
    """Neither way books the other's refund: what is left of the payment counts both."""
    paid = month.ids[2]
    refund(month, month.intent_of(paid), 333)
    look(month)
    with month.payment_services() as payments:
        with pytest.raises(BadInput, match="which isn't acknowledged"):
            give_back(payments, paid, is_due_again=True)
        acknowledge_refund(month.services, RefundRequest("a", "ann", "ok", paid, Debt.CREDITED))
        with pytest.raises(BadInput, match=r"5\.01 EUR is more than the 5\.00 EUR"):
            give_back(payments, paid, "5.01", is_due_again=True)
        give_back(payments, paid, is_due_again=True)
    assert refunded(month, paid) == 833
    require_even(month)


class _Lost:
    """The gateway, whose answers to refunds get lost on the way back, or that never gets the request."""

    def __init__(self, gateway: Any, *, arrives: bool) -> None:
        self._gateway, self._arrives = gateway, arrives

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def refund(self, asked: Any) -> RefundResult:
        if self._arrives:
            assert self._gateway.refund(asked).outcome is Outcome.SUCCEEDED
        return RefundResult(Outcome.UNKNOWN, message="no answer")


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("by_hand", [True, False])
def test_without_an_answer_the_gateway_is_asked(month: PaymentWorld, *, arrives: bool, by_hand: bool) -> None:
    """Until then nobody else adjusts, refunds or acknowledges; a repeated run sends the same key."""
    paid = month.ids[0]
    # Of a credit, and of the whole payment: what was given back is missing then.
    if not by_hand:
        credit(month, paid, "2.00")
    with month.payment_services() as payments:
        broken = replace(payments, gateway=_Lost(payments.gateway, arrives=arrives))
        assert give_back(broken, paid, is_due_again=by_hand).code is Code.OUTCOME_UNKNOWN
        assert look(month) == []
        with pytest.raises(BadInput, match=r"a refund on .* is under way"):
            give_back(payments, paid, "1.00")
        with pytest.raises(BadInput, match=r"a refund on .* is under way"):
            credit(month, paid, "1.00")
        month.rows("update billing.refund_attempt set claimed_at = claimed_at - interval '1 hour' returning 1")
        if by_hand:
            assert give_back(payments, paid, is_due_again=True).balance_due == Decimal("5.95")
        else:
            month.settle(min_age=timedelta(0))
    is_made = arrives or by_hand
    assert refunded(month, paid) == (595 if by_hand else 200) * is_made
    outcome = month.one("select outcome from billing.refund_attempt")
    assert outcome == ("succeeded" if is_made else "refused")
    assert state(month, paid)[1] == Decimal("5.95" if by_hand else "0.00" if is_made else "-2.00")
    require_even(month)


class _Slow(_Lost):
    """The gateway, where a refund takes so long that it is settled as not made before it is.

    Something is done before it is made, and before it is answered.
    """

    def __init__(
        self,
        world: PaymentWorld,
        gateway: Any,
        before: Callable[[], object],
        after: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(gateway, arrives=True)
        self._world, self._before, self._after = world, before, after

    def refund(self, asked: Any) -> RefundResult:
        conclude(self._world)
        self._before()
        result = self._gateway.refund(replace(asked, lease=None))
        self._after()
        return result


def conclude(world: PaymentWorld) -> None:
    """Settle a refund that the gateway hasn't got."""
    world.rows(
        """update billing.refund_attempt set claimed_at = claimed_at - interval '1 hour'
           where outcome in ('pending', 'unknown') returning 1"""
    )
    world.settle(min_age=timedelta(0))
    assert world.one("select outcome from billing.refund_attempt order by refund_id desc limit 1") == "refused"


def test_a_refund_that_is_made_after_all_is_booked(month: PaymentWorld) -> None:
    """By its own answer, or by the next comparison if the answer got lost; its row says so."""
    answered, listed, _ = month.ids
    with month.payment_services() as payments:
        credit(month, answered, "2.00")
        slow = replace(payments, gateway=_Slow(month, payments.gateway, lambda: look(month)))
        assert give_back(slow, answered).code is Code.REFUNDED
        require_even(month)
        lost = replace(payments, gateway=_Lost(payments.gateway, arrives=False))
        assert give_back(lost, listed, is_due_again=True).code is Code.OUTCOME_UNKNOWN
        conclude(month)
        require_even(month)
        key = month.one("select idempotency_key from billing.refund_attempt where statement_id = %s", listed)
        made = Refund(key, month.intent_of(listed), 714, "EUR", {"evbilling_refund": key})
        assert payments.gateway.refund(made).outcome is Outcome.SUCCEEDED
        require_even(month)
        again = give_back(payments, listed, is_due_again=True)
        assert (again.code, again.balance_due) == (Code.REFUNDED, Decimal("7.14"))
    assert (refunded(month, answered), refunded(month, listed)) == (200, 714)
    assert state(month, answered) == (Decimal("3.95"), Decimal("0.00"), "Paid")
    assert month.rows("select outcome, amount from finance.adjustments where kind like 'refund%%' order by 2") == [
        ("booked", Decimal("2.00")),
        ("booked", Decimal("7.14")),
    ]


def test_a_late_refund_is_neither_booked_twice_nor_collected_again_unasked(month: PaymentWorld) -> None:
    """The credit was sent back by other ways meanwhile, or somebody acknowledged the refund first: a person decides."""
    sent, seen, known = month.ids

    def send_back() -> None:
        asked = AdjustRequest("s", "bob", "no answer", sent, Adjustment.REFUND_OUTSIDE, Decimal("2.00"))
        adjust_statement(month.services, replace(asked, paid_on=PAID_ON, reference="bank 7"))

    with month.payment_services() as payments:
        credit(month, sent, "2.00")
        with pytest.raises(Mismatch, match="after it was settled as not made"):
            give_back(replace(payments, gateway=_Slow(month, payments.gateway, send_back)), sent)
        assert state(month, sent)[1] == Decimal("0.00")
        assert [(found.kind, found.statement_id) for found in look(month)] == [("refunded", sent)]
        acknowledge_refund(month.services, RefundRequest("a", "bob", "sent twice", sent, Debt.CREDITED))

        def acknowledge() -> None:
            refund(month, month.intent_of(seen), 300)
            look(month)
            acknowledge_refund(month.services, RefundRequest("b", "bob", "seen", seen, Debt.DUE_AGAIN))

        # It is of as much as somebody has refunded there.
        answer = give_back(
            replace(payments, gateway=_Slow(month, payments.gateway, acknowledge)), seen, "3.00", is_due_again=True
        )
        assert answer.balance_due == Decimal("6.00")

        def acknowledge_it() -> None:
            month.settle()
            acknowledge_refund(month.services, RefundRequest("c", "bob", "seen", known, Debt.DUE_AGAIN))

        slow = replace(payments, gateway=_Slow(month, payments.gateway, lambda: None, acknowledge_it))
        with pytest.raises(Mismatch, match="after it was settled as not made"):
            give_back(slow, known, "4.00", is_due_again=True)
        assert state(month, known)[1] == Decimal("4.00")
    assert [refunded(month, statement) for statement in month.ids] == [200, 600, 400]
    require_even(month)


def test_several_at_once_refund_within_the_credit(month: PaymentWorld) -> None:
    """Five people, and the comparison between them: one of them at a time, and 3.00 EUR at most."""
    paid = month.ids[0]
    credit(month, paid, "3.00")

    def ask(number: int) -> object:
        with month.payment_services() as payments:
            try:
                return give_back(payments, paid, "2.00", request_id=f"n-{number}").code
            except BadInput as refused:
                return refused

    answers = together(*(lambda n=n: ask(n) for n in range(5)), lambda: look(month))
    assert answers.count(Code.REFUNDED) == 1
    assert refunded(month, paid) == 200
    assert state(month, paid)[1] == Decimal("-1.00")
    require_even(month)


def test_one_from_before_a_restore_says_what_to_do(month: PaymentWorld) -> None:
    """Its row is gone with what was written after the backup; the gateway may have made it."""
    with month.payment_services() as payments, pytest.raises(BadInput, match="isn't on record: the warehouse was res"):
        send_refund(payments, 4711)


def test_above_the_limit_another_person_refunds(month: PaymentWorld) -> None:
    """What went back by bank counts with what goes back on the card."""
    paid, partly = month.ids[:2]
    for statement in (paid, partly):
        credit(month, statement, "3.00")
    set_adjustment_limit(month.services.warehouse_url, "EUR", "2.00", "cfo", "four eyes")
    sent = AdjustRequest("sent", "ann", "agreed", partly, Adjustment.REFUND_OUTSIDE, Decimal("1.50"))
    assert adjust_statement(month.services, replace(sent, paid_on=PAID_ON, reference="bank 7")).code is Code.ADJUSTED
    with month.payment_services() as payments:
        assert give_back(payments, partly, request_id="rest").code is Code.SECOND_PERSON
        assert give_back(payments, paid).code is Code.SECOND_PERSON
        assert refunded(month, paid) == 0
        query = "select adjustment_request_id from finance.adjustments where not is_carried_out and statement_id = %s"
        number = month.one(query, paid)
        with pytest.raises(BadInput, match="is by ann too"):
            give_back(payments, paid, approves=number, request_id="x")
        assert give_back(payments, paid, approves=number, request_id="y", actor="bob").code is Code.REFUNDED
        with pytest.raises(BadInput):
            give_back(payments, paid, approves=number, request_id="z", actor="eve")
    assert refunded(month, paid) == 300
    require_even(month)
