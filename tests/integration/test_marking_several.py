"""Mark as Paid of several statements at once, and what somebody expected to be due: each with its result, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import BadInput
from evbilling.payments.actions import (
    Action,
    Code,
    Debt,
    MarkRequest,
    RebillRequest,
    RefundRequest,
    UndoRequest,
    charge_again,
    line,
    load_action_facts,
    mark_statements,
    preview_acknowledge_refund,
    preview_mark_statements,
    preview_rebill,
    preview_reverse_payment,
    refused_actions,
    reverse_payment,
)
from evbilling.payments.actions.mark_as_paid import total_due
from evbilling.payments.actions.rebill import total_to_charge
from evbilling.payments.retries.runs import month_end_retries, open_retries
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import (
    HARD,
    SOFT,
    VISA,
    PaymentWorld,
    check_books,
    check_collected_once,
    payment_world,
    together,
)

pytestmark = pytest.mark.postgres

TODAY = PAID_ON
PAID, FIRST, SECOND, HARDLY, DOLLARS = range(5)
NOWHERE = "A-209901-000001"
PAYMENTS = "select request_id, statement_id, amount_minor from billing.paid_outside order by statement_id"


@pytest.fixture
def month(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """A paid statement and four declined ones, the last in dollars."""
    kinds = [("EUR", None)] * 4 + [("USD", None)]
    with payment_world(postgres, tmp_path, 5, methods=[VISA, SOFT, SOFT, HARD, SOFT], kinds=kinds) as world:
        world.charge()
        yield world


def asked(world: PaymentWorld, *places: int, **changes: Any) -> MarkRequest:
    ids = tuple(world.ids[place] for place in places)
    return replace(MarkRequest("run", "ann", "by transfer", ids, TODAY, "bank 4711"), **changes)


def due(world: PaymentWorld, place: int) -> Decimal:
    query = "select balance_due from finance.statements where statement_id = %s"
    return Decimal(world.one(query, world.ids[place]))


def test_each_is_paid_in_full_on_one_day(month: PaymentWorld) -> None:
    """In the order asked for, each once; the plans end; again it is only told."""
    amounts = [due(month, place) for place in (SECOND, FIRST, DOLLARS)]
    request = asked(month, SECOND, FIRST, SECOND, DOLLARS)
    shown = preview_mark_statements(month.services, replace(request, reason="", reference=""), TODAY)
    assert month.rows(PAYMENTS) == []
    rows = mark_statements(month.services, request, TODAY)
    assert rows == shown
    assert [(row.amount, row.currency, row.balance_due, row.code) for row in rows] == [
        (amount, currency, 0, Code.MARKED) for amount, currency in zip(amounts, ("EUR", "EUR", "USD"), strict=True)
    ]
    assert total_due(rows) == {"EUR": amounts[0] + amounts[1], "USD": amounts[2]}
    assert [month.status(row.statement_id) for row in rows] == ["Paid manually"] * 3
    paid_on = month.rows(
        "select distinct paid_on, reference, recorded_by from finance.payments where paid_by = 'outside'"
    )
    assert paid_on == [(TODAY, "bank 4711", "ann")]
    assert month.rows("select statement_id from finance.payment_plans") == [(month.ids[HARDLY],)]
    events = "select subject_id, actor, reason from finance.audit_events where action = 'mark_as_paid' order by 1"
    assert month.rows(events) == [(id_, "ann", "by transfer") for id_ in sorted({row.statement_id for row in rows})]
    assert mark_statements(month.services, request, TODAY) == [replace(row, code=Code.MARKED_BEFORE) for row in rows]
    assert len(month.rows(PAYMENTS)) == 3
    check_books(month)


def test_what_cannot_be_paid_is_named_and_the_others_are_booked(month: PaymentWorld) -> None:
    """Paid meanwhile, unknown, of no connectors: each with its reason; the run fails only if none is booked."""
    (kept,) = mark_statements(month.services, asked(month, FIRST, request_id="before"), TODAY)
    request = asked(month, PAID, FIRST, SECOND)
    request = replace(request, statement_ids=(*request.statement_ids, NOWHERE))
    rows = mark_statements(month.services, request, TODAY)
    assert [row.code for row in rows] == [Code.NOT_POSSIBLE, Code.NOT_POSSIBLE, Code.MARKED, Code.UNKNOWN]
    assert ["is paid: nothing is due on it" in line(row) for row in rows] == [True, True, False, False]
    assert "there is no such connector statement" in line(rows[3])
    assert [row.amount for row in rows if row.is_refused] == [None] * 3
    assert [row[1] for row in month.rows(PAYMENTS)] == [kept.statement_id, rows[2].statement_id]
    with pytest.raises(BadInput, match="no statement is marked as paid") as caught:
        mark_statements(month.services, asked(month, PAID, FIRST, request_id="after"), TODAY)
    assert f"{month.ids[FIRST]}: not marked as paid: {month.ids[FIRST]} is paid" in str(caught.value)
    # The same request again: what it booked is its own, what it couldn't is still refused.
    again = mark_statements(month.services, request, TODAY)
    assert [row.code is Code.MARKED_BEFORE for row in again] == [False, False, True, False]
    assert len(month.rows(PAYMENTS)) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"statement_ids": ()}, "no statement is named"),
        ({"amount": Decimal(1)}, "an amount is given for several statements"),
        ({"paid_on": TODAY + timedelta(days=1)}, "still to come"),
        ({"reason": " "}, "no reason is given"),
        ({"reference": ""}, "no reference is given"),
        ({"statement_ids": tuple(f"A-202611-{n:06}" for n in range(1001))}, "1001 statements are too many"),
        ({"expected_total": {"EUR": Decimal("0.01")}}, "0.01 EUR was expected to be due"),
        ({"expected_total": {"USD": Decimal(1)}}, r"1 USD was expected to be due, \d+\.\d\d EUR is due now"),
        ({"expected_total": {}}, "nothing was expected to be due"),
    ],
)
def test_a_request_that_makes_no_sense_books_nothing(month: PaymentWorld, changes: dict[str, Any], says: str) -> None:
    """As a whole, whatever each statement is."""
    with pytest.raises(BadInput, match=says):
        mark_statements(month.services, asked(month, FIRST, SECOND, **changes), TODAY)
    assert month.rows(PAYMENTS) == []


def test_one_statement_in_part(month: PaymentWorld) -> None:
    """The request is the payment's own, as before there were several; a wrong currency or amount is said of it."""
    rows = mark_statements(month.services, asked(month, FIRST, amount=Decimal("1.50")), TODAY)
    assert (rows[0].amount, rows[0].balance_due) == (Decimal("1.50"), due(month, FIRST))
    assert month.rows(PAYMENTS) == [("run", month.ids[FIRST], 150)]
    for changes, says in [
        ({"currency": "USD"}, "the statement is in EUR, not in USD"),
        ({"amount": Decimal("1.555")}, "more decimals than EUR"),
        ({"amount": Decimal(999)}, "is more than the"),
    ]:
        (row,) = preview_mark_statements(month.services, asked(month, FIRST, request_id="r2", **changes), TODAY)
        assert row.is_refused
        assert says in str(row.detail)


def test_what_was_seen_is_what_is_booked_or_nothing_is(month: PaymentWorld) -> None:
    """Right once, and its repeat too; after a change in between, both figures and every statement's state."""
    request = asked(month, FIRST, SECOND, DOLLARS)
    seen = total_due(preview_mark_statements(month.services, request, TODAY))
    part = asked(month, SECOND, request_id="part", amount=Decimal("1.00"))
    mark_statements(month.services, part, TODAY)
    expecting = replace(request, expected_total=seen)
    for deed in (preview_mark_statements, mark_statements):
        with pytest.raises(BadInput, match=rf"{seen['EUR']} EUR .*expected.* {seen['EUR'] - 1} EUR .*is due now"):
            deed(month.services, expecting, TODAY)
    assert len(month.rows(PAYMENTS)) == 1
    expecting = replace(request, expected_total={"EUR": seen["EUR"] - 1, "USD": seen["USD"]})
    rows = mark_statements(month.services, expecting, TODAY)
    assert [row.code for row in rows] == [Code.MARKED] * 3
    assert [row.code for row in mark_statements(month.services, expecting, TODAY)] == [Code.MARKED_BEFORE] * 3
    # One that can't be paid any more is as much a change as another amount.
    reverse_payment(month.services, UndoRequest("u", "ann", "mistake", month.ids[DOLLARS]))
    other = asked(month, FIRST, DOLLARS, request_id="other", expected_total=seen)
    with pytest.raises(BadInput, match=rf"{month.ids[FIRST]}: not marked as paid"):
        mark_statements(month.services, other, TODAY)
    check_books(month)


def test_a_rebill_charges_what_was_seen_or_nothing(month: PaymentWorld) -> None:
    """Right once, and its repeat too; another total opens no attempt, in the preview it is said as well."""
    for account in ("a00001", "a00002", "a00003"):
        month.set_method(account, VISA)
    request = RebillRequest("r", "ann", "new cards", tuple(month.ids[:4]))
    with month.payment_services() as payments:
        seen = total_to_charge(preview_rebill(payments, request, NOW))
        assert seen == {"EUR": due(month, FIRST) + due(month, SECOND) + due(month, HARDLY)}
        mark_statements(month.services, asked(month, SECOND, amount=Decimal("1.00")), TODAY)
        expecting = replace(request, expected_total=seen)
        attempts = month.outcomes()
        for deed in (preview_rebill, charge_again):
            with pytest.raises(BadInput, match=rf"{seen['EUR']} EUR was expected to be due, {seen['EUR'] - 1} EUR is"):
                deed(payments, expecting, NOW)
        assert month.outcomes() == attempts
        expecting = replace(request, expected_total={"EUR": seen["EUR"] - 1})
        done = charge_again(payments, expecting, NOW)
        assert [row.code for row in done] == [Code.PAID] + [Code.CHARGED] * 3
        assert charge_again(payments, expecting, NOW) == done
    check_collected_once(month)


def test_what_changes_between_the_look_and_the_lock_opens_nothing(
    month: PaymentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment that comes after the statements were judged, before their attempts are opened: none is opened."""
    month.set_method("a00001", VISA)
    month.set_method("a00002", VISA)
    request = RebillRequest("r", "ann", "new cards", (month.ids[FIRST], month.ids[SECOND]))
    with month.payment_services() as payments:
        seen = total_to_charge(preview_rebill(payments, request, NOW))
        check = payments.gateway.check

        def check_and_meanwhile(*args: Any, **kwargs: Any) -> None:
            check(*args, **kwargs)
            mark_statements(month.services, asked(month, SECOND), TODAY)

        monkeypatch.setattr(type(payments.gateway), "check", lambda _, *a, **k: check_and_meanwhile(*a, **k))
        with pytest.raises(BadInput, match=f"{month.ids[SECOND]}: not charged: it is paid"):
            charge_again(payments, replace(request, expected_total=seen), NOW)
    assert month.attempts(month.ids[FIRST]) == ["declined"]
    check_books(month)


def test_a_repeat_of_a_begun_rebill_opens_nothing_new(month: PaymentWorld) -> None:
    """What couldn't be charged then isn't what was expected, and is left for another request."""
    month.set_method("a00001", VISA)
    request = RebillRequest("r", "ann", "new card", (month.ids[FIRST], month.ids[HARDLY]))
    with month.payment_services() as payments:
        charge_again(payments, replace(request, expected_total={"EUR": due(month, FIRST)}), NOW)
        month.set_method("a00003", VISA)
        rows = charge_again(payments, replace(request, expected_total={"EUR": Decimal("7.14")}), NOW)
    assert [row.code for row in rows] == [Code.CHARGED, Code.REQUEST_BEGUN]
    assert "charge it in another request" in line(rows[1])
    assert month.attempts(month.ids[HARDLY]) == ["declined"]


def test_several_requests_at_once_pay_each_statement_once(month: PaymentWorld) -> None:
    """In opposite orders, and one of them twice: every statement is booked by one, and nobody waits for ever."""
    ids = (FIRST, SECOND, HARDLY, DOLLARS)

    def deed(request: MarkRequest) -> Any:
        return lambda: mark_statements(month.services, request, TODAY)

    forth, back = asked(month, *ids, request_id="forth"), asked(month, *reversed(ids), request_id="back")
    results = together(deed(forth), deed(back), deed(forth))
    assert len(month.rows(PAYMENTS)) == 4
    assert sum(isinstance(result, BadInput) for result in results) in {1, 2}
    assert all(due(month, place) == 0 for place in ids)
    check_books(month)


# ---- What the pages offer, beside what the actions do


def test_what_is_offered_is_what_the_actions_do(month: PaymentWorld) -> None:
    """Statement by statement: an action that isn't offered is refused when it is asked for, one that is works."""
    mark_statements(month.services, asked(month, FIRST), TODAY)
    mark_statements(month.services, asked(month, SECOND, amount=Decimal(1), request_id="part"), TODAY)
    with month.payment_services() as payments:
        open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", "under way", "ann")
        under_way = [place for place in range(5) if "pending" in month.attempts(month.ids[place])]
        assert under_way == [SECOND, DOLLARS]
        for n in range(1, 5):
            month.set_method(f"a{n:05d}", VISA)
        with month.services.warehouse() as connection:
            facts = load_action_facts(connection, month.ids)
        assert list(facts) == month.ids
        seen = set()
        for statement_id in month.ids:
            (charge,) = preview_rebill(payments, RebillRequest("r", "ann", "", (statement_id,)), NOW)
            (mark,) = preview_mark_statements(
                month.services, MarkRequest("m", "ann", "", (statement_id,), TODAY, ""), TODAY
            )
            (undo,) = preview_reverse_payment(month.services, UndoRequest("u", "ann", "", statement_id))
            (refund,) = preview_acknowledge_refund(
                month.services, RefundRequest("a", "ann", "", statement_id, Debt.DUE_AGAIN)
            )
            found = {
                Action.REBILL: charge.is_refused,
                Action.MARK_AS_PAID: mark.is_refused,
                Action.UNDO_MARK_AS_PAID: undo.is_refused,
                Action.ACKNOWLEDGE_REFUND: refund.is_refused,
            }
            offered = refused_actions(facts[statement_id])
            refused = {action for action in found if offered[action]}
            assert refused == {action for action, why in found.items() if why}, statement_id
            seen.add(frozenset(refused))
        collect = {Action.REBILL, Action.MARK_AS_PAID}
        undo_only = {Action.UNDO_MARK_AS_PAID}
        # Nothing was given back at the gateway, so there is no refund to acknowledge.
        assert seen == {
            frozenset({Action.ACKNOWLEDGE_REFUND, *others}) for others in (collect | undo_only, collect, undo_only)
        }
