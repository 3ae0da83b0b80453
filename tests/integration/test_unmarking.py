"""Undo of a mistaken Mark as Paid: the statement stands as before, is collected again, and the books say both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import BadInput
from evbilling.payments.actions import (
    Action,
    ActionResult,
    Adjustment,
    AdjustRequest,
    Code,
    MarkRequest,
    RebillRequest,
    UndoRequest,
    adjust_statement,
    charge_again,
    line,
    mark_statements,
    outside_payments,
    preview_reverse_payment,
    reverse_payment,
)
from evbilling.payments.attempts import Debt
from evbilling.payments.retries import plans
from evbilling.payments.retries.planner import Plan
from evbilling.payments.retries.runs import due_retries, month_end_retries, open_retries
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import SOFT, VISA, PaymentWorld, check_books, check_collected_once, payment_world, together

pytestmark = pytest.mark.postgres

TODAY = PAID_ON
PAID, FAILED, OTHER = range(3)
PLANS = "select statement_id, reason_id from finance.payment_plans where statement_id = %s"
STANDING = "select paid_amount, balance_due, status from finance.statements where statement_id = %s"


@pytest.fixture
def month(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """A paid statement and two declined ones."""
    with payment_world(postgres, tmp_path, 3, methods=[VISA, SOFT, SOFT]) as world:
        world.charge()
        yield world


def mark(
    world: PaymentWorld, statement_id: str, amount: str | None = None, *, request: str = "m", reference: str = "bank"
) -> None:
    payment = MarkRequest(request, "ann", "came by bank", (statement_id,), TODAY, reference, amount and Decimal(amount))
    mark_statements(world.services, payment, TODAY)


def undo(world: PaymentWorld, statement_id: str, payment_id: str = "", **changes: Any) -> ActionResult:
    request = UndoRequest("u", "bob", "another customer's", statement_id, payment_id)
    return reverse_payment(world.services, replace(request, **changes))


def standing(world: PaymentWorld, statement_id: str) -> tuple[Any, ...]:
    (row,) = world.rows(STANDING, statement_id)
    return row


def kept(world: PaymentWorld) -> dict[str, Any]:
    """All that an undo writes."""
    tables = ("transfer", "paid_outside_reversal", "payment_plan", "audit_event")
    return {name: world.rows(f"select t::text from billing.{name} t order by 1") for name in tables}


def test_a_statement_stands_as_before_and_is_collected_again(month: PaymentWorld) -> None:
    """Status, balance and plan come back; the ledger has both entries; who and why is kept; again it is only told."""
    statement = month.ids[FAILED]
    before = standing(month, statement)
    mark(month, statement)
    assert standing(month, statement)[1:] == (0, "Paid manually")
    assert month.rows(PLANS, statement) == []
    rows = preview_reverse_payment(month.services, UndoRequest("u", "bob", "", statement))
    assert month.one("select count(*) from billing.paid_outside_reversal") == 0
    done = undo(month, statement, reason=" another customer's ")
    assert rows == [done]
    amount = before[1]
    number = month.one("select paid_outside_id from billing.paid_outside")
    expected = ActionResult(
        Action.UNDO_MARK_AS_PAID,
        statement,
        Code.UNDONE,
        amount,
        "EUR",
        balance_due=amount,
        payment_id=f"paid-outside-{number}",
        paid_on=TODAY,
        reference="bank",
    )
    assert done == expected
    assert line(done) == (
        f"{statement}: paid-outside-{number}, {amount} EUR of {TODAY} (bank), undone; {amount} EUR are due"
    )
    assert standing(month, statement) == before
    assert before[2] == "Billing failure"
    assert month.rows(PLANS, statement) == [(statement, "TO-BE-PLANNED")]
    assert month.rows(
        """select kind, debit_account, credit_account, amount, payment_id from finance.ledger
           where payment_id is not null order by transfer_id"""
    ) == [
        ("paid_outside", "paid_outside", "receivable", amount, f"paid-outside-{number}"),
        ("paid_outside_reversal", "receivable", "paid_outside", amount, f"paid-outside-{number}"),
    ]
    event = "select actor, reason, subject_id from finance.audit_events where action = 'undo_mark_as_paid'"
    assert month.rows(event) == [("bob", "another customer's", statement)]
    books = kept(month)
    assert undo(month, statement) == replace(done, code=Code.UNDONE_BEFORE)
    assert undo(month, statement, done.payment_id) == replace(done, code=Code.UNDONE_BEFORE)
    assert "undone before" in line(undo(month, statement))
    for payment_id in ("", done.payment_id):
        with pytest.raises(BadInput, match=r"undone already, by bob on 20|or all are undone"):
            undo(month, statement, payment_id, request_id="u2")
    assert kept(month) == books
    month.settle()
    assert month.tie_out() == []

    month.set_method("a00001", VISA)
    with month.payment_services() as payments:
        (row,) = charge_again(payments, RebillRequest("r", "ann", "new card", (statement,)), NOW)
    assert (row.code, row.amount, month.status(statement)) == (Code.CHARGED, amount, "Billing failure (resolved)")
    month.settle()
    assert month.tie_out() == []
    check_collected_once(month)


def test_finance_sums_payments_to_what_is_paid(month: PaymentWorld) -> None:
    """Over all rows of finance.payments, of any statement; what was undone says by whom, and by which row."""
    statement = month.ids[FAILED]
    mark(month, statement, "2.00")
    mark(month, statement, "1.00", request="m2")
    first, second = [p.payment_id for p in outside_payments(month.services, statement)]
    undo(month, statement, first)
    assert month.rows(
        """select p.payment_id, p.amount, p.recorded_by, p.reversed_by, p.reverses_payment_id,
                  p.reversed_at = r.recorded_at
           from finance.payments p left join finance.payments r on r.reverses_payment_id = p.payment_id
           where p.statement_id = %s order by p.recorded_at, p.amount""",
        statement,
    ) == [
        (first, Decimal("2.00"), "ann", "bob", None, True),
        (second, Decimal("1.00"), "ann", None, None, None),
        (f"{first}-undone", Decimal("-2.00"), "bob", None, first, None),
    ]
    assert (
        month.rows(
            """select s.statement_id from finance.statements s left join finance.payments p using (statement_id)
           group by s.statement_id, s.paid_amount having s.paid_amount <> coalesce(sum(p.amount), 0)"""
        )
        == []
    )
    undone, kept_one = outside_payments(month.services, statement)
    assert (undone.undone_by, undone.undone_because, undone.reason) == ("bob", "another customer's", "came by bank")
    assert (kept_one.undone_by, kept_one.undone_at, kept_one.amount) == (None, None, Decimal("1.00"))


def test_of_several_payments_one_is_named(month: PaymentWorld) -> None:
    """Otherwise they are listed; what stays paid stays, and the last way is that of what stands."""
    statement = month.ids[FAILED]
    due = standing(month, statement)[1]
    mark(month, statement, "2.00", reference="first")
    mark(month, statement, request="m2", reference="second")
    first, second = [p.payment_id for p in outside_payments(month.services, statement)]
    listing = rf"was marked as paid 2 times: {first} \(2.00 EUR on {TODAY}, first\); {second} \(.* second\)"
    with pytest.raises(BadInput, match=listing):
        undo(month, statement)
    (row,) = preview_reverse_payment(month.services, UndoRequest("u", "bob", "", statement))
    assert "marked as paid 2 times" in str(row.detail)
    assert line(row) == f"{statement}: nothing is undone: {row.detail}"
    undo(month, statement, second)
    assert standing(month, statement) == (Decimal("2.00"), due - 2, "Partly paid")
    undo(month, statement, request_id="u2")
    assert standing(month, statement) == (0, due, "Billing failure")


def test_what_was_never_tried_is_issued_again_and_tried(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Marked before the month was charged, undone after: nothing else would find it any more."""
    with payment_world(postgres, tmp_path, 1) as world:
        (statement,) = world.ids
        mark(world, statement)
        world.charge()
        assert world.attempts(statement) == []
        undo(world, statement)
        assert (world.status(statement), world.rows(PLANS, statement)) == ("Issued", [(statement, "TO-BE-PLANNED")])
        with world.payment_services() as payments:
            for batch in open_retries(payments, due_retries(payments, NOW), "planned", "day", "airflow:scheduled"):
                payments.collect(batch)
        assert world.status(statement) == "Paid"
        check_collected_once(world)


def test_an_undone_payment_is_no_last_way(month: PaymentWorld) -> None:
    """A statement that the gateway and then a person paid is the gateway's again, with its credit still there."""
    statement = month.ids[OTHER]
    mark(month, statement, "1.00")
    month.set_method("a00002", VISA)
    with month.payment_services() as payments:
        charge_again(payments, RebillRequest("r", "ann", "new card", (statement,)), NOW)
    assert month.status(statement) == "Billing failure (resolved)"
    undo(month, statement)
    assert standing(month, statement)[1:] == (1, "Partly paid")
    mark(month, statement, request="m2")
    assert month.status(statement) == "Paid manually"
    with psycopg.connect(month.admin_url) as connection:
        connection.execute(
            """insert into billing.statement (statement_id, kind, period, account_id, revision, number, run_id,
                   financial_admin_id, time_zone, statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor,
                   total_minor, corrects_statement_id, code_version)
               select 'C-202611-000001', 'correction', period, account_id, 1, 1, run_id, financial_admin_id, time_zone,
                      statement_date, currency, minor_unit, 0, -100, 0, -100, statement_id, 'x'
               from billing.statement where statement_id = %s""",
            (statement,),
        )
    assert standing(month, statement)[1] == -1
    undo(month, statement, request_id="u2")
    assert standing(month, statement)[1:] == (0, "Billing failure (resolved)")
    assert month.rows(PLANS, statement) == []
    check_books(month)


@pytest.mark.parametrize(
    ("statement", "payment_id", "changes", "says"),
    [
        ("A-209901-000001", "", {}, "there is no statement A-209901-000001"),
        (PAID, "", {}, "no payment of .* is marked as paid"),
        (OTHER, "paid-outside-1", {}, "paid-outside-1 is no payment of"),
        (FAILED, "paid-outside-999", {}, "paid-outside-999 is no payment of"),
        (FAILED, "12", {}, "'12' is no payment that was marked as paid"),
        (FAILED, "paid-outside-99999999999999999999", {}, "is no payment that was marked"),
        (FAILED, "", {"reason": " "}, "no reason is given"),
        (FAILED, "", {"request_id": "before"}, "the request before was for another payment already"),
    ],
)
def test_what_cannot_be_undone_is_refused(
    month: PaymentWorld, statement: int | str, payment_id: str, changes: dict[str, str], says: str
) -> None:
    """With what is wrong; nothing is written."""
    mark(month, month.ids[FAILED], "1.00")
    mark(month, month.ids[OTHER], "1.00", request="m2")
    undo(month, month.ids[OTHER], request_id="before")
    books = kept(month)
    statement_id = statement if isinstance(statement, str) else month.ids[statement]
    with pytest.raises(BadInput, match=says):
        undo(month, statement_id, payment_id, **changes)
    if "reason" not in changes:
        (row,) = preview_reverse_payment(
            month.services, UndoRequest(changes.get("request_id", "u"), "bob", "", statement_id, payment_id)
        )
        assert row.code is Code.NOT_POSSIBLE
        assert str(row.detail) in line(row)
    assert kept(month) == books


def test_a_charge_under_way_refuses(month: PaymentWorld) -> None:
    """Nobody knows then what is due."""
    statement = month.ids[FAILED]
    mark(month, statement, "1.00")
    with month.payment_services() as payments:
        open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", "under way", "ann")
    with pytest.raises(BadInput, match=r"a charge of .* is under way"):
        undo(month, statement)
    check_books(month)


def test_what_the_gateway_collected_is_refunded_there_first(month: PaymentWorld) -> None:
    """A payment of the gateway booked by hand on the statement that it was for: undone, it would be collected again.

    Booked on another statement it can be undone.
    """
    wrong, right = month.ids[OTHER], month.ids[FAILED]
    mark(month, wrong, "1.00", request="m2", reference="pi_lost")
    # The gateway's list says that the payment was for the statement `right`, whose attempt we know nothing of.
    month.write(
        """insert into billing.gateway_payment (
               gateway_payment_id, outcome, amount_minor, currency, created_at, statement_id)
           values ('pi_lost', 'succeeded', 100, 'EUR', now(), %s)""",
        right,
    )
    mark(month, right, "1.00", reference="pi_lost")
    with pytest.raises(BadInput, match="it is its payment pi_lost"):
        undo(month, right)
    undo(month, wrong, request_id="u2")
    month.write("update billing.gateway_payment set refunded_minor = 100 where gateway_payment_id = 'pi_lost'")
    assert undo(month, right).code is Code.UNDONE
    check_books(month)


def test_what_was_sent_back_is_not_undone(month: PaymentWorld) -> None:
    """Otherwise less than nothing would be paid. Once another payment came, the mistaken one can be undone."""
    statement = month.ids[FAILED]
    mark(month, statement, "2.00")
    mark(month, statement, request="m2", reference="second")
    first, second = [payment.payment_id for payment in outside_payments(month.services, statement)]
    paid, _, _ = standing(month, statement)

    def adjust(kind: Adjustment, amount: Decimal | None, **more: Any) -> None:
        request = AdjustRequest(f"{kind} {amount}", "ann", "agreed", statement, kind, amount)
        adjust_statement(month.services, replace(request, **more))

    adjust(Adjustment.GOODWILL, paid - 1)
    adjust(Adjustment.REFUND_OUTSIDE, None, paid_on=TODAY, reference="bank 7")
    assert standing(month, statement) == (Decimal("1.00"), 0, "Paid manually")
    before = kept(month)
    for payment in (first, second):
        with pytest.raises(BadInput, match=rf"money of {payment} of {statement} was sent back to the customer"):
            undo(month, statement, payment)
    assert kept(month) == before
    (row,) = preview_reverse_payment(month.services, UndoRequest("u", "bob", "", statement, first))
    assert row.code is Code.NOT_POSSIBLE
    assert "more would be sent back than was ever paid" in str(row.detail)
    adjust(Adjustment.EXTRA_DEBIT, Decimal("1.00"))
    mark(month, statement, request="m3", reference="third")
    assert undo(month, statement, first).code is Code.UNDONE
    assert standing(month, statement) == (0, Decimal("2.00"), "Billing failure")


def test_a_plan_made_of_the_balance_before_does_not_forget_it(month: PaymentWorld) -> None:
    """Whoever plans by a look at the balance before the undo doesn't end the plan of what is due again."""
    statement = month.ids[FAILED]
    mark(month, statement)
    stale = [Plan(statement, None, plans.PAID, "nothing is due")]
    undo(month, statement)
    with month.services.warehouse() as connection:
        plans.keep_plans(connection, stale)
    assert month.rows(PLANS, statement) == [(statement, "TO-BE-PLANNED")]
    mark(month, statement, request="m2")
    with month.services.warehouse() as connection:
        plans.keep_plans(connection, stale)
        debts = plans.load_debts(connection, failed=True)
    assert statement not in [debt.statement_id for debt in debts if isinstance(debt, Debt)]


def test_a_plan_waits_for_an_undo_that_is_not_committed(month: PaymentWorld) -> None:
    """Where the two meet, the plan is kept after the undo and sees what is due then."""
    statement = month.ids[FAILED]
    mark(month, statement)

    def keep() -> None:
        with month.services.warehouse() as connection:
            plans.keep_plans(connection, [Plan(statement, None, plans.PAID, "nothing is due")])

    def take_back() -> None:
        with month.services.warehouse() as connection:
            connection.execute("select billing.reverse_paid_outside('u', %s, null, 'bob', 'why')", (statement,))
            connection.execute("select pg_sleep(0.5)")

    together(take_back, lambda: (_sleep(month, 0.2), keep()))
    assert month.rows(PLANS, statement) == [(statement, "TO-BE-PLANNED")]


def _sleep(world: PaymentWorld, seconds: float) -> None:
    world.rows("select pg_sleep(%s)::text", seconds)
