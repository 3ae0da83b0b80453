"""What the gateway gives back: refunds, disputes, one of two payments; and an operator's acknowledgement of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
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
    Debt,
    RefundRequest,
    acknowledge_refund,
    adjust_statement,
    line,
    preview_acknowledge_refund,
    returned_payments,
)
from evbilling.payments.reconciliation import Break, compare
from evbilling.payments.retries.runs import due_retries, open_retries
from evbilling.read_models.statement import show_statement
from evbilling_local.stack import EmbeddedPostgres
from tests.support.books import Books
from tests.support.corrections import correct
from tests.support.month import NOW, PAID_ON, one, rows
from tests.support.payments import SOFT, PaymentWorld, check_standings, payment_world, together
from tests.support.reconciling import look, refund

pytestmark = pytest.mark.postgres

POST = (
    "insert into billing.transfer"
    " (kind, statement_id, debit_account, credit_account, amount_minor, currency, return_id)"
)
STATE = "select paid_amount, balance_due, status from finance.statements where statement_id = %s"


@pytest.fixture
def month(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Three paid statements, of 5.95, 7.14 and 8.33 EUR."""
    with payment_world(postgres, tmp_path, 3) as world:
        world.charge()
        yield world


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    return Books(platform_db, warehouse_db, tmp_path)


def look_since(world: PaymentWorld, since: datetime) -> list[Break]:
    """The breaks there are now, of the payments that the daily comparison looks at."""
    with world.payment_services() as payments:
        return compare(payments, since)


def kinds(world: PaymentWorld) -> list[tuple[str, str, int, int]]:
    """Kind, payment and both amounts of each break there is now."""
    return [(b.kind, b.gateway_payment_id, b.recorded_minor, b.gateway_minor) for b in look(world)]


def double(world: PaymentWorld, statement: str) -> tuple[str, str]:
    """Charge the statement's attempt once more, at the gateway alone; both payments, the recorded one first."""
    (first,) = world.charged()[statement]
    second = world.sandbox.make_payment(first["amount"], "eur", metadata=first["metadata"])
    return first["id"], second["id"]


def acknowledge(world: PaymentWorld, statement: str, debt: Debt = Debt.DUE_AGAIN, **changes: Any) -> ActionResult:
    request = RefundRequest("r", "ann", "agreed with finance", statement, debt)
    return acknowledge_refund(world.services, replace(request, **changes))


def state(world: PaymentWorld, statement: str) -> tuple[Any, ...]:
    """Paid, due and status of a statement."""
    (row,) = world.rows(STATE, statement)
    return row


def posted(world: PaymentWorld, statement: str) -> list[tuple[Any, ...]]:
    """The transfers of a statement after its issue."""
    query = """select kind, debit_account, credit_account, amount_minor from billing.transfer
               where statement_id = %s and kind not in ('issue', 'tax') order by transfer_id"""
    return world.rows(query, statement)


def require_even(world: PaymentWorld) -> None:
    """No break, no failing check, and the list as the ledger has it."""
    assert kinds(world) == []
    assert world.tie_out() == []
    check_standings(world.admin_url)


# ---- Two payments, one refunded


@pytest.mark.parametrize("which", [0, 1])
def test_two_payments_of_one_are_even_once_either_is_refunded(month: PaymentWorld, which: int) -> None:
    """The recorded one or the other: nothing is left to follow that would leave us with nothing."""
    statement = month.ids[0]
    pair = double(month, statement)
    assert kinds(month) == [("duplicate", pair[1], 0, 595)]
    assert month.tie_out() == ["gateway-EUR"]
    refund(month, pair[which])
    require_even(month)
    assert state(month, statement) == (Decimal("5.95"), 0, "Paid")
    with pytest.raises(BadInput, match="another of its payments makes up for it"):
        acknowledge(month, statement)


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [(400, None, ("duplicate", 1, 0, 595)), (None, 400, ("refunded", 0, 595, 0)), (200, 395, None)],
)
def test_of_two_payments_only_what_is_too_much_or_missing_is_a_break(
    month: PaymentWorld, first: int | None, second: int | None, left: tuple[str, int, int, int] | None
) -> None:
    """Refunded in parts, what remains is one break, and it is in the direction of the difference."""
    pair = double(month, month.ids[0])
    if first or not second:
        refund(month, pair[0], first)
    else:
        refund(month, pair[0])
    if second:
        refund(month, pair[1], second)
    expected = [] if left is None else [(left[0], pair[left[1]], *left[2:])]
    assert kinds(month) == expected
    if left and left[0] == "refunded":
        assert acknowledge(month, month.ids[0]).amount == Decimal("4.00")
        require_even(month)
    elif left:
        refund(month, pair[1])
        assert acknowledge_after_look(month, month.ids[0]) == Decimal("4.00")
        require_even(month)


def acknowledge_after_look(world: PaymentWorld, statement: str) -> Decimal | None:
    """Look at the gateway, then acknowledge what it gave back."""
    assert [found.kind for found in look(world)] == ["refunded"]
    return acknowledge(world, statement).amount


# ---- Disputes


def test_a_dispute_is_told_while_it_is_open_and_once_when_it_is_won(month: PaymentWorld) -> None:
    """Opened, it is a break; won, it closes by itself and stays on record; the money stays ours."""
    statement = month.ids[0]
    payment = month.intent_of(statement)
    month.sandbox.dispute(payment)
    assert kinds(month) == [("dispute_opened", payment, 595, 595)]
    month.sandbox.dispute(payment, "under_review")
    assert kinds(month) == [("dispute_opened", payment, 595, 595)]
    assert month.tie_out() == []
    with pytest.raises(BadInput, match="has given back no payment"):
        acknowledge(month, statement)
    goodwill = AdjustRequest("a", "ann", "outage", statement, Adjustment.GOODWILL, Decimal("2.00"))
    adjust_statement(month.services, goodwill)
    sent = AdjustRequest("b", "ann", "agreed", statement, Adjustment.REFUND_OUTSIDE)
    with pytest.raises(BadInput, match=f"payment {payment} of {statement} is disputed"):
        adjust_statement(month.services, replace(sent, paid_on=PAID_ON, reference="bank 7"))
    month.sandbox.dispute(payment, "won")
    require_even(month)
    query = "select kind, is_open from finance.payment_breaks order by kind"
    assert month.rows(query) == [("dispute_opened", False), ("dispute_won", False)]
    seen = month.rows("select first_seen_at, gone_at from billing.payment_break where kind = 'dispute_won'")
    require_even(month)
    assert month.rows("select first_seen_at, gone_at from billing.payment_break where kind = 'dispute_won'") == seen
    assert state(month, statement) == (Decimal("5.95"), Decimal("-2.00"), "Paid")


def test_a_question_of_the_bank_is_a_dispute_until_it_is_closed(month: PaymentWorld) -> None:
    """An inquiry has a deadline too, and takes no money."""
    payment = month.intent_of(month.ids[1])
    month.sandbox.dispute(payment, "warning_needs_response")
    assert kinds(month) == [("dispute_opened", payment, 714, 714)]
    month.sandbox.dispute(payment, "warning_closed")
    require_even(month)


@pytest.mark.parametrize("amount", [None, 300])
@pytest.mark.parametrize("debt", list(Debt))
def test_a_lost_dispute_stays_until_it_is_acknowledged(month: PaymentWorld, amount: int | None, debt: Debt) -> None:
    """In full or in part; acknowledged, the debt is due again or credited."""
    statement = month.ids[0]
    payment = month.intent_of(statement)
    lost = Decimal(amount or 595) / 100
    month.sandbox.dispute(payment, "lost", amount)
    for _ in range(2):
        assert kinds(month) == [("dispute_lost", payment, 595, 595 - (amount or 595))]
        assert month.tie_out() == []
    done = acknowledge(month, statement, debt)
    assert (done.amount, done.payment_id, done.code) == (lost, payment, Code.ACKNOWLEDGED)
    paid = Decimal("5.95") - lost
    due = lost if debt is Debt.DUE_AGAIN else Decimal(0)
    status = "Paid" if not due else "Partly paid" if amount else "Issued"
    assert state(month, statement) == (paid, due, status)
    require_even(month)


def test_a_dispute_of_an_old_payment_is_found(month: PaymentWorld) -> None:
    """It comes months after the payment, which the daily look no longer lists; so does a refund."""
    old = NOW - timedelta(days=200)
    for statement, change in zip(month.ids[:2], (month.sandbox.dispute, lambda p: refund(month, p)), strict=True):
        payment = month.intent_of(statement)
        month.sandbox.tamper(payment, created=int(old.timestamp()))
        change(payment)
    recent = month.one("select clock_timestamp() - interval '35 days'")
    assert sorted(found.kind for found in look_since(month, recent)) == ["dispute_opened", "refunded"]
    month.sandbox.dispute(month.intent_of(month.ids[0]), "lost")
    assert sorted(found.kind for found in look_since(month, recent)) == ["dispute_lost", "refunded"]


# ---- Acknowledged


def test_a_refund_makes_the_debt_due_again_and_it_is_collected(month: PaymentWorld) -> None:
    """Ledger, status, balance and plan follow; the retry charges it; who and why is kept; again it is only told."""
    statement = month.ids[0]
    payment = month.intent_of(statement)
    refund(month, payment)
    assert kinds(month) == [("refunded", payment, 595, 0)]
    asked = RefundRequest("r", "ann", "agreed with finance", statement, Debt.DUE_AGAIN)
    (dry,) = preview_acknowledge_refund(month.services, replace(asked, reason=""))
    assert state(month, statement)[2] == "Paid"
    done = acknowledge_refund(month.services, asked)
    assert done == dry
    assert line(done) == f"{statement}: {payment}, 5.95 EUR refunded, due again, acknowledged; 5.95 EUR are due"
    assert ActionResult.from_json(done.as_json()) == done
    again = acknowledge_refund(month.services, asked)
    assert (again.code, again.amount) == (Code.ACKNOWLEDGED_BEFORE, Decimal("5.95"))
    assert posted(month, statement) == [
        ("payment", "cash", "receivable", 595),
        ("refund", "receivable", "cash", 595),
    ]
    assert state(month, statement) == (0, Decimal("5.95"), "Issued")
    payments = "select paid_by, payment_id, amount, recorded_by, reference, reverses_payment_id from finance.payments"
    number = month.one("select return_id from billing.payment_return")
    assert month.rows(f"{payments} where statement_id = %s and amount < 0", statement) == [
        ("gateway", f"{payment}-refunded-{number}", Decimal("-5.95"), "ann", "refund", payment)
    ]
    audit = "select actor, subject_id, reason from finance.audit_events where action = 'acknowledge_refund'"
    assert month.rows(audit) == [("ann", statement, "agreed with finance")]
    require_even(month)
    with month.payment_services() as opened:
        (retry,) = due_retries(opened, NOW)
        (batch,) = open_retries(opened, [retry], "planned", "next day", "ann")
        assert opened.collect(batch).succeeded == 1
    assert state(month, statement) == (Decimal("5.95"), 0, "Paid")
    assert len(month.charged()[statement]) == 2
    require_even(month)


def test_a_refund_is_credited_and_nothing_is_collected_for_it(month: PaymentWorld) -> None:
    """The amount is in an account of its own; no retry finds the statement."""
    statement = month.ids[0]
    refund(month, month.intent_of(statement))
    look(month)
    acknowledge(month, statement, Debt.CREDITED)
    assert posted(month, statement)[1:] == [
        ("refund", "receivable", "cash", 595),
        ("goodwill", "goodwill", "receivable", 595),
    ]
    assert state(month, statement) == (0, 0, "Paid")
    with month.payment_services() as opened:
        assert due_retries(opened, NOW) == []
    require_even(month)


def test_what_was_given_up_is_not_credited_again(month: PaymentWorld) -> None:
    """Neither beside a credit, nor by a correction from the inventory: the customer would have it twice."""
    credited, given_up, _ = month.ids
    adjust_statement(
        month.services, AdjustRequest("a", "ann", "outage", credited, Adjustment.GOODWILL, Decimal("2.00"))
    )
    for statement in (credited, given_up):
        refund(month, month.intent_of(statement))
    look(month)
    with pytest.raises(BadInput, match=r"has a credit of 2\.00 EUR, which what was given back uses up first"):
        acknowledge(month, credited, Debt.CREDITED)
    assert acknowledge(month, credited).balance_due == Decimal("3.95")
    acknowledge(month, given_up, Debt.CREDITED, request_id="r2")
    month.platform.execute("delete from platform.connector where charger_id = 'a00001-1'")
    assert correct(month.services, month.admin_url)["waiting"] == 1
    assert state(month, given_up) == (0, 0, "Paid")
    require_even(month)


def test_refunded_in_parts_each_is_acknowledged(month: PaymentWorld) -> None:
    """What was acknowledged before isn't offered again."""
    statement = month.ids[0]
    payment = month.intent_of(statement)
    for number, amount in enumerate((100, 200), 1):
        refund(month, payment, amount)
        assert [found.kind for found in look(month)] == ["refunded"]
        (found,) = returned_payments(month.services, statement)
        assert (found.payment_id, found.amount, found.cause) == (payment, Decimal(amount) / 100, "refund")
        debt = Debt.DUE_AGAIN if number == 1 else Debt.CREDITED
        acknowledge(month, statement, debt, request_id=f"r{number}", expected_total={"EUR": Decimal(amount) / 100})
        require_even(month)
    assert state(month, statement) == (Decimal("2.95"), Decimal("1.00"), "Partly paid")
    refund(month, payment)
    look(month)
    acknowledge(month, statement, request_id="r3")
    assert state(month, statement) == (0, Decimal("3.95"), "Issued")
    require_even(month)


def test_what_is_not_to_be_acknowledged_is_refused(month: PaymentWorld) -> None:
    """Each with its reason, and nothing is booked."""
    first, second, third = month.ids
    refund(month, month.intent_of(first))
    with pytest.raises(BadInput, match="has given back no payment"):
        acknowledge(month, first)  # not listed yet
    look(month)
    before = month.rows("select t::text from billing.transfer t order by 1")
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("there is no statement", "A-202611-000099", {}),
        ("no reason", first, {"reason": " "}),
        (
            r"6\.00 EUR was expected to be given back, and 5\.95 EUR is",
            first,
            {"expected_total": {"EUR": Decimal("6.00")}},
        ),
        ("no payment of it", second, {}),
        ("no payment of it named pi_x", first, {"payment_id": "pi_x"}),
        ("no payment of it named", first, {"payment_id": month.intent_of(third)}),
    ]
    for says, statement, changes in cases:
        with pytest.raises(BadInput, match=says):
            acknowledge(month, statement, **changes)
    assert month.rows("select t::text from billing.transfer t order by 1") == before
    acknowledge(month, first)
    with pytest.raises(BadInput, match="was for something else already"):
        acknowledge(month, second)
    with pytest.raises(BadInput, match="was for something else already"):
        acknowledge(month, first, Debt.CREDITED)
    with pytest.raises(BadInput, match="has given back no payment"):
        acknowledge(month, first, request_id="r2")


def test_a_charge_under_way_is_waited_for(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Its outcome decides what is due; then the refund can be booked."""
    with payment_world(postgres, tmp_path, 1) as world:
        world.charge()
        statement = world.ids[0]
        refund(world, world.intent_of(statement), 100)
        look(world)
        acknowledge(world, statement)
        refund(world, world.intent_of(statement), 100)
        look(world)
        with world.payment_services() as opened:
            (batch,) = open_retries(opened, due_retries(opened, NOW), "planned", "next day", "ann")
            with pytest.raises(BadInput, match=r"a charge of .* is under way"):
                acknowledge(world, statement, request_id="r2")
            assert opened.collect(batch).succeeded == 1
        acknowledge(world, statement, request_id="r2")
        assert state(world, statement) == (Decimal("4.95"), Decimal("1.00"), "Partly paid")
        require_even(world)


def test_two_requests_at_once_book_one_refund(month: PaymentWorld) -> None:
    """The second finds nothing left to acknowledge, or the same request its own result."""
    statement = month.ids[0]
    refund(month, month.intent_of(statement))
    look(month)
    found = together(
        *(lambda name=name: acknowledge(month, statement, request_id=name) for name in ("a", "b", "a", "c"))
    )
    assert sum(isinstance(one_of, ActionResult) and one_of.code is Code.ACKNOWLEDGED for one_of in found) == 1
    assert len(posted(month, statement)) == 2
    require_even(month)


@pytest.mark.parametrize(
    "falsify",
    [
        POST + " values ('refund', %(id)s, 'receivable', 'cash', 595, 'EUR', 1)",
        POST + " values ('refund', %(id)s, 'receivable', 'cash', 1, 'EUR', 2)",
        POST + " values ('goodwill', %(id)s, 'goodwill', 'receivable', 595, 'EUR', 1)",
        "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency)"
        " values ('refund', %(id)s, 'receivable', 'cash', 595, 'EUR')",
        """with more as (
               insert into billing.payment_return (request_id, attempt_id, statement_id, gateway_payment_id,
                   amount_minor, currency, minor_unit, cause, is_due_again, actor, reason)
               select 'x', attempt_id, statement_id, gateway_payment_id, 1, currency, minor_unit, cause, true, 'x', 'x'
               from billing.payment_return returning *)
           insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency,
               return_id)
           select 'refund', statement_id, 'receivable', 'cash', 1, 'EUR', return_id from more""",
        "update billing.payment_return set amount_minor = 1",
        "delete from billing.payment_return",
    ],
)
def test_the_database_refuses_what_the_action_would_never_do(month: PaymentWorld, falsify: str) -> None:
    """Whoever posts it: not twice, not without a record, not more than was paid, not changed."""
    statement = month.ids[0]
    refund(month, month.intent_of(statement))
    look(month)
    acknowledge(month, statement)
    with psycopg.connect(month.admin_url) as connection, pytest.raises(psycopg.Error):
        connection.execute(falsify, {"id": statement} if "%(id)s" in falsify else None)


def test_the_writer_books_refunds_only_by_the_function(month: PaymentWorld) -> None:
    """The table of refunds and the ledger are the owner's."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        month.write("insert into billing.payment_return (request_id) values ('x')")


# ---- On account statements


@pytest.mark.parametrize("debt", list(Debt))
def test_a_refund_is_listed_as_it_becomes_known(books: Books, debt: Debt) -> None:
    """On the next account statement, once; what is credited beside it; the balances follow the ledger."""
    books.open("a")
    books.bill("2026-10")
    statement = books.statement("a", "2026-10", "connector")
    payment = books.pay(statement)
    books.state("2026-10")
    assert books.closing("2026-10") == {"a": 0}
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute(
            """insert into billing.gateway_payment (gateway_payment_id, outcome, amount_minor, refunded_minor, currency,
                   created_at, attempt_id, statement_id)
               select gateway_payment_id, 'succeeded', amount_minor, amount_minor, currency, sent_at, attempt_id,
                      statement_id from billing.payment_attempt where statement_id = %s""",
            (statement,),
        )
    acknowledge_refund(books.services, RefundRequest("r", "ann", "agreed", statement, debt))
    books.month("2026-11")
    due = Decimal("5.95")
    listed = {key: value for key, value in books.items("a", "2026-11").items() if key[0] == "payment"}
    expected = {("payment", f"{payment}-refunded-1"): (due, 0)}
    if debt is Debt.CREDITED:
        expected["payment", f"{payment}-credited-1"] = (-due, 0)
    assert listed == expected
    with books.services.warehouse() as connection:
        shown = show_statement(connection, books.statement("a", "2026-11")).items
    said = {item.item_id: (item.event, item.concerns) for item in shown if item.kind == "payment"}
    events = {f"{payment}-refunded-1": "refund", f"{payment}-credited-1": "credit"}
    assert said == {key[1]: (events[key[1]], statement) for key in expected}
    assert books.closing("2026-11") == {"a": due * (1 if debt is Debt.CREDITED else 2)}
    assert one(books.warehouse.finance_url, "select count(*) from finance.tie_out where not is_ok") == 0
    books.month("2026-12")
    assert [key for key in books.items("a", "2026-12") if key[0] == "payment"] == []
    descriptions = rows(
        books.warehouse.finance_url,
        "select description from finance.account_statement_items where item_id like %s order by 1",
        f"{payment}-%",
    )
    credited = [(f"Credited: {statement}",)] if debt is Debt.CREDITED else []
    assert descriptions == [*credited, (f"Refunded: payment of {statement}",)]


def test_a_declined_statement_has_nothing_given_back(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """What was never paid can't be refunded; the preview says so as a row."""
    with payment_world(postgres, tmp_path, 1, methods=[SOFT]) as world:
        world.charge()
        request = RefundRequest("r", "ann", "", world.ids[0], Debt.DUE_AGAIN)
        (row,) = preview_acknowledge_refund(world.services, request)
        assert (row.action, row.code, row.is_refused) == (Action.ACKNOWLEDGE_REFUND, Code.NOT_POSSIBLE, True)
        assert "has given back no payment" in line(row)
