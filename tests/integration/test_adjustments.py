"""Statements adjusted by hand: a credit, an extra debit, a write-off, a credit sent back; alone and above the limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import BadInput
from evbilling.payments.actions import (
    ActionResult,
    Adjustment,
    AdjustRequest,
    Code,
    MarkRequest,
    RebillRequest,
    adjust_statement,
    charge_again,
    line,
    mark_statements,
    preview_adjust_statement,
    preview_rebill,
    set_adjustment_limit,
    waiting_adjustments,
)
from evbilling.payments.retries.runs import due_retries
from evbilling.read_models.statement import show_statement
from evbilling_local.stack import EmbeddedPostgres
from tests.support.books import Books
from tests.support.month import NOW, one
from tests.support.payments import SOFT, PaymentWorld, check_books, payment_world

pytestmark = pytest.mark.postgres

# By then everything that may still succeed is due.
LATER = NOW + timedelta(days=20)

STATE = "select paid_amount, balance_due, status from finance.statements where statement_id = %s"
NOTE = "select net_amount, tax_amount, total_amount from finance.statements where corrects_statement_id = %s"


@pytest.fixture
def month(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Three unpaid statements, of 5.95, 7.14 and 8.33 EUR."""
    with payment_world(postgres, tmp_path, 3) as world:
        yield world


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    return Books(platform_db, warehouse_db, tmp_path)


def adjust(
    world: PaymentWorld | Books, statement: str, kind: Adjustment, amount: str | None = None, **more: Any
) -> ActionResult:
    request = AdjustRequest(
        more.pop("request_id", f"{statement}-{kind}-{amount}"),
        "ann",
        "agreed with finance",
        statement,
        kind,
        None if amount is None else Decimal(amount),
    )
    return adjust_statement(world.services, replace(request, **more))


def state(world: PaymentWorld, statement: str) -> tuple[Any, ...]:
    (row,) = world.rows(STATE, statement)
    return row


def test_a_credit_lowers_the_debt_by_a_note(month: PaymentWorld) -> None:
    """Tax is split once by the statement's rate; what is left is charged, and what was paid is a credit."""
    unpaid, paid, _ = month.ids
    said = adjust(month, unpaid, Adjustment.GOODWILL, "2.00", customer_text="Sorry for the outage.")
    assert (said.code, said.amount, said.balance_due) == (Code.ADJUSTED, Decimal("2.00"), Decimal("3.95"))
    assert said.payment_id == "C-202611-000001"
    assert month.rows(NOTE, unpaid) == [(Decimal("-1.68"), Decimal("-0.32"), Decimal("-2.00"))]
    again = adjust(month, unpaid, Adjustment.GOODWILL, "2.00")
    assert (again.code, again.balance_due) == (Code.ADJUSTED_BEFORE, Decimal("3.95"))
    month.charge()
    adjust(month, paid, Adjustment.GOODWILL, "7.14")
    assert state(month, unpaid) == (Decimal("3.95"), Decimal("0.00"), "Paid")
    assert state(month, paid) == (Decimal("7.14"), Decimal("-7.14"), "Paid")
    check_books(month)
    assert month.tie_out() == []


def test_what_was_credited_by_hand_stays_when_the_inventory_is_corrected(month: PaymentWorld) -> None:
    """Another run of the month finds nothing to correct; neither credit goes beyond what was billed."""
    first, second, _ = month.ids
    adjust(month, first, Adjustment.GOODWILL, "5.95")
    with pytest.raises(BadInput, match=r"0\.01 EUR is more than the 0\.00 EUR that can be adjusted"):
        adjust(month, first, Adjustment.GOODWILL, "0.01")
    adjust(month, second, Adjustment.EXTRA_DEBIT, "1.00", customer_text="Two days in October.")
    assert month.rows(NOTE, second) == [(Decimal("0.84"), Decimal("0.16"), Decimal("1.00"))]
    assert month.rows(
        "select net_minor, corrections, by_hand_minor from billing.effective_statement order by 1 limit 2"
    ) == [
        (500, 1, -595),
        (600, 1, 100),
    ]
    assert month.charge()["succeeded"] == 2
    assert state(month, second) == (Decimal("8.14"), Decimal("0.00"), "Paid")
    check_books(month)
    assert month.tie_out() == []


def test_a_write_off_ends_the_collection_until_it_is_undone(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A declined debt: no Re-Bill, no retry, no Mark as Paid; undone, it is planned and collected."""
    with payment_world(postgres, tmp_path, 2, methods=[SOFT]) as world:
        world.charge()
        debt = world.ids[0]
        said = adjust(world, debt, Adjustment.WRITE_OFF)
        assert line(said) == f"{debt}: 5.95 EUR written off; 0.00 EUR are due"
        assert state(world, debt) == (Decimal("0.00"), Decimal("0.00"), "Billing failure")
        assert world.one("select written_off_amount from finance.statements where statement_id = %s", debt) == Decimal(
            "5.95"
        )
        world.sandbox.set_method(SOFT, None)
        with world.payment_services() as payments:
            assert [r.debt.statement_id for r in due_retries(payments, LATER)] == [world.ids[1]]
            (row,) = preview_rebill(payments, RebillRequest("r", "ann", "x", (debt,)), LATER)
            assert row.code is Code.WRITTEN_OFF
            with pytest.raises(BadInput, match="it is written off"):
                charge_again(payments, RebillRequest("r", "ann", "x", (debt,)), LATER)
        for kind, amount in ((Adjustment.GOODWILL, "1"), (Adjustment.EXTRA_DEBIT, "1"), (Adjustment.WRITE_OFF, None)):
            with pytest.raises(BadInput, match="is written off"):
                adjust(world, debt, kind, amount, request_id="again")
        mark = MarkRequest("m", "bob", "by transfer", (debt,), date(2026, 11, 20), "bank 1")
        with pytest.raises(BadInput, match="is written off: nothing is due"):
            mark_statements(world.services, mark, date(2026, 12, 1))
        assert world.tie_out() == []
        assert adjust(world, debt, Adjustment.UNDO_WRITE_OFF).balance_due == Decimal("5.95")
        with pytest.raises(BadInput, match=r"nothing of .* is written off"):
            adjust(world, debt, Adjustment.UNDO_WRITE_OFF, request_id="again")
        with world.payment_services() as payments:
            (charged,) = charge_again(payments, RebillRequest("s", "ann", "x", (debt,)), LATER)
        assert charged.code is Code.CHARGED
        check_books(world)
        assert world.tie_out() == []


def test_a_credit_is_sent_back_once(month: PaymentWorld) -> None:
    month.charge()
    paid = month.ids[0]
    with pytest.raises(BadInput, match="has no credit"):
        adjust(month, paid, Adjustment.REFUND_OUTSIDE, "1.00", paid_on=date(2026, 11, 20), reference="bank 7")
    adjust(month, paid, Adjustment.GOODWILL, "3.00")
    sent = {"paid_on": date(2026, 11, 20), "reference": "bank 7"}
    with pytest.raises(BadInput, match=r"3\.01 EUR is more than the 3\.00 EUR"):
        adjust(month, paid, Adjustment.REFUND_OUTSIDE, "3.01", **sent)
    assert adjust(month, paid, Adjustment.REFUND_OUTSIDE, "2.00", **sent).balance_due == Decimal("-1.00")
    assert adjust(month, paid, Adjustment.REFUND_OUTSIDE, None, **sent).balance_due == Decimal("0.00")
    assert state(month, paid) == (Decimal("2.95"), Decimal("0.00"), "Paid")
    assert month.rows(
        "select amount, reference from finance.payments where payment_id like '%%refund%%' order by 1"
    ) == [
        (Decimal("-2.00"), "bank 7"),
        (Decimal("-1.00"), "bank 7"),
    ]
    check_books(month)
    assert month.tie_out() == []


def test_above_the_limit_it_takes_two_people(month: PaymentWorld) -> None:
    """One person's parts count together; another carries out exactly what was asked for, once."""
    first, second, _ = month.ids
    set_adjustment_limit(month.services.warehouse_url, "EUR", "2.00", "cfo", "four eyes")
    assert adjust(month, first, Adjustment.GOODWILL, "1.50").code is Code.ADJUSTED
    asked = adjust(month, first, Adjustment.GOODWILL, "0.51", request_id="asked", customer_text="Sorry.")
    assert (asked.code, asked.balance_due) == (Code.SECOND_PERSON, Decimal("4.45"))
    assert adjust(month, first, Adjustment.GOODWILL, "0.51", request_id="asked", customer_text="Sorry.") == asked
    (waiting,) = waiting_adjustments(month.services, first)
    assert (waiting.amount, waiting.requested_by, waiting.customer_text) == (Decimal("0.51"), "ann", "Sorry.")
    carry_out = {"request_id": "ok", "approves": waiting.number, "customer_text": "Sorry."}
    with pytest.raises(BadInput, match="is by ann too"):
        adjust(month, first, Adjustment.GOODWILL, "0.51", **carry_out)
    for amount, text, statement in (("0.52", "Sorry.", first), ("0.51", "Other.", first), ("0.51", "Sorry.", second)):
        with pytest.raises(BadInput, match="isn't for this"):
            adjust(month, statement, Adjustment.GOODWILL, amount, **carry_out | {"customer_text": text}, actor="bob")
    done = adjust(month, first, Adjustment.GOODWILL, "0.51", **carry_out, actor="bob")
    assert (done.code, done.balance_due) == (Code.ADJUSTED, Decimal("3.94"))
    with pytest.raises(BadInput, match="was carried out already"):
        adjust(month, first, Adjustment.GOODWILL, "0.51", **carry_out | {"request_id": "twice"}, actor="eve")
    assert waiting_adjustments(month.services, first) == []
    check_books(month)


def test_what_cant_be_right_is_refused(month: PaymentWorld) -> None:
    first = month.ids[0]
    refused = (
        ("A-202611-000099", Adjustment.GOODWILL, "1", {}, "there is no statement"),
        (first, Adjustment.GOODWILL, "0", {}, "the amount is 0"),
        (first, Adjustment.GOODWILL, "1.001", {}, "is no amount of EUR"),
        (first, Adjustment.GOODWILL, "1", {"currency": "USD"}, "is in EUR, not in USD"),
        (first, Adjustment.GOODWILL, "1", {"reason": " "}, "no reason"),
        (first, Adjustment.GOODWILL, "1", {"customer_text": "x" * 301}, "has 301 characters"),
        (first, Adjustment.WRITE_OFF, "1", {}, "as a whole: 5.95 EUR"),
        (first, Adjustment.GOODWILL, "1", {"approves": 77}, "there is no such request"),
    )
    for statement, kind, amount, more, why in refused:
        with pytest.raises(BadInput, match=why):
            adjust(month, statement, kind, amount, **more)
    (row,) = preview_adjust_statement(
        month.services, AdjustRequest("p", "page", "", first, Adjustment.GOODWILL, Decimal("1.00"))
    )
    assert (row.is_done, row.balance_due) == (True, Decimal("4.95"))
    assert month.rows("select from billing.adjustment") == []
    with pytest.raises(psycopg.Error, match="no such adjustment"):
        month.rows(
            "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency,"
            " adjustment_id) values ('write_off', %s, 'written_off', 'receivable', 1, 'EUR', 1) returning 1",
            first,
        )


def test_each_is_listed_once_and_the_balances_follow_the_ledger(books: Books) -> None:
    """On the next account statement: the note, the write-off, its undoing a month later, and a credit sent back."""
    books.open("a", "b")
    books.bill("2026-10")
    debt, paid = books.statement("a", "2026-10", "connector"), books.statement("b", "2026-10", "connector")
    books.pay(paid)
    adjust(books, debt, Adjustment.GOODWILL, "1.00")
    adjust(books, debt, Adjustment.WRITE_OFF)
    adjust(books, paid, Adjustment.GOODWILL, "2.00")
    books.state("2026-10")
    assert books.closing("2026-10") == {"a": Decimal("0.00"), "b": Decimal("-2.00")}
    listed = books.items("a", "2026-10")
    assert listed["payment", "written-off-2"] == (Decimal("-4.95"), 0)
    assert listed["correction", "C-202610-000001"] == (Decimal("-1.00"), 0)
    adjust(books, debt, Adjustment.UNDO_WRITE_OFF)
    adjust(books, paid, Adjustment.REFUND_OUTSIDE, "1.50", paid_on=date(2026, 11, 2), reference="bank 7")
    books.month("2026-11")
    assert books.items("a", "2026-11")["payment", "written-off-2-undone"] == (Decimal("4.95"), 0)
    assert books.items("b", "2026-11")["paid_outside", "paid-outside-refund-5"] == (Decimal("1.50"), 0)
    assert books.closing("2026-11") == {"a": Decimal("10.90"), "b": Decimal("5.45")}
    assert one(books.warehouse.finance_url, "select count(*) from finance.tie_out where not is_ok") == 0
    with books.services.warehouse() as connection:
        shown = show_statement(connection, books.statement("b", "2026-11")).items
    assert [item.event for item in shown if item.item_id == "paid-outside-refund-5"] == ["sent_back"]
