"""Which actions a statement allows: each refusal in words, and nothing refused that can work."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from evbilling.payments.actions import Action, Code, refusal
from evbilling.payments.actions.allowed import (
    ActionFacts,
    refused_actions,
    status_if_charged,
    status_if_marked,
    status_if_undone,
)

BY_HAND = {"adjust_statement", "write_off", "refund_outside"}
DUE = ActionFacts("connector", "EUR", Decimal("9.52"), is_charge_under_way=False, standing_outside_payments=0)


# Whatever is due.
ANY = {"mail_delivery", "correct_statements"}


def allowed(facts: ActionFacts) -> set[str]:
    """The actions that aren't refused."""
    return {action.value for action, why in refused_actions(facts).items() if why is None}


def test_every_action_has_an_answer() -> None:
    """None is forgotten, and what is refused says why."""
    for kind in ("connector", "account", "correction"):
        answers = refused_actions(replace(DUE, kind=kind))
        assert set(answers) == set(Action)
        assert all(code is None or len(refusal(code)) > 10 for code in answers.values())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DUE, {*ANY, "rebill", "mark_as_paid"}),
        (
            replace(DUE, standing_outside_payments=2),
            {*ANY, "rebill", "mark_as_paid", "undo_mark_as_paid"},
        ),
        (
            replace(DUE, balance_due=Decimal(0), standing_outside_payments=1),
            {*ANY, "undo_mark_as_paid"},
        ),
        (replace(DUE, balance_due=Decimal("-1.00")), {*ANY}),
        (replace(DUE, is_charge_under_way=True, standing_outside_payments=1), {"mail_delivery"}),
        # The gateway has collected it: it isn't charged again, and marked as paid with that payment.
        (replace(DUE, unaccounted_payment="pi_1"), {*ANY, "mark_as_paid"}),
        (replace(DUE, unaccounted_payment="pi_1", is_charge_under_way=True), {"mail_delivery"}),
        (
            replace(DUE, balance_due=Decimal(0), returned_payments=1),
            {*ANY, "acknowledge_refund"},
        ),
        (replace(DUE, balance_due=Decimal(0), returned_payments=1, is_charge_under_way=True), {"mail_delivery"}),
        (replace(DUE, kind="account", balance_due=None), {"mail_delivery"}),
        (replace(DUE, kind="correction", balance_due=None), {"mail_delivery"}),
        # Less than a card can carry: the last of three decimals, half an ariary's hundred.
        (
            replace(DUE, currency="KWD", balance_due=Decimal("0.009")),
            {*ANY, "mark_as_paid"},
        ),
        (
            replace(DUE, currency="KWD", balance_due=Decimal("0.010")),
            {*ANY, "mark_as_paid", "rebill"},
        ),
        (
            replace(DUE, currency="MGA", balance_due=Decimal("0.50")),
            {*ANY, "mark_as_paid"},
        ),
        (
            replace(DUE, currency="JPY", balance_due=Decimal(1)),
            {*ANY, "mark_as_paid", "rebill"},
        ),
        (replace(DUE, currency="XXZ"), {*ANY, "mark_as_paid"}),
    ],
)
def test_what_a_statement_allows(facts: ActionFacts, expected: set[str]) -> None:
    """By kind, by what is due, by what is under way, by what is marked as paid."""
    assert allowed(facts) - BY_HAND == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DUE, {"adjust_statement", "write_off"}),
        (replace(DUE, balance_due=Decimal(0)), {"adjust_statement"}),
        (replace(DUE, balance_due=Decimal(-1)), {"adjust_statement", "refund_outside"}),
        # Only undoing the write-off is left.
        (replace(DUE, balance_due=Decimal(0), written_off=1), {"write_off"}),
        (replace(DUE, unaccounted_payment="pi_1"), {"adjust_statement"}),
        (replace(DUE, is_charge_under_way=True), set()),
        (replace(DUE, balance_due=Decimal(0), written_off=1, is_charge_under_way=True), set()),
        (replace(DUE, kind="correction", balance_due=None), set()),
    ],
)
def test_what_of_a_statement_is_adjusted_by_hand(facts: ActionFacts, expected: set[str]) -> None:
    """A credit is sent back only where there is one, and what is written off is left alone."""
    assert allowed(facts) & BY_HAND == expected


def test_the_reasons_are_those_of_the_actions() -> None:
    """The same codes as a Re-Bill gives."""
    paid = refused_actions(replace(DUE, balance_due=Decimal(0)))
    assert paid[Action.REBILL] == paid[Action.MARK_AS_PAID] == Code.PAID
    open_ = refused_actions(replace(DUE, is_charge_under_way=True, standing_outside_payments=1))
    assert open_[Action.REBILL] == open_[Action.UNDO_MARK_AS_PAID] == Code.OPEN_ATTEMPT
    collected = refused_actions(replace(DUE, unaccounted_payment="pi_1"))
    assert collected[Action.REBILL] == Code.UNACCOUNTED_PAYMENT


# ---- The status that a dry run foresees


@pytest.mark.parametrize(
    ("balance", "amount", "has_failed", "expected"),
    [
        ("9.52", "9.52", False, "Paid"),
        ("9.52", "9.52", True, "Billing failure (resolved)"),
        # Of three decimals a card carries two: the last one stays due.
        ("1.005", "1.000", False, "Partly paid"),
        ("1.005", "1.000", True, "Partly paid"),
    ],
)
def test_once_it_is_charged(balance: str, amount: str, has_failed: bool, expected: str) -> None:
    """Paid, or resolved after a failure; a rest keeps it open."""
    assert status_if_charged(Decimal(balance), Decimal(amount), has_failed=has_failed) == expected


@pytest.mark.parametrize(
    ("balance", "amount", "expected"),
    [("9.52", "9.52", "Paid manually"), ("9.52", "9.51", "Partly paid")],
)
def test_once_it_is_marked(balance: str, amount: str, expected: str) -> None:
    """By hand in full or in part."""
    assert status_if_marked(Decimal(balance), Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("balance", "paid", "amount", "has_failed", "expected"),
    [
        ("0", "9.52", "9.52", True, "Billing failure"),
        ("0", "9.52", "9.52", False, "Issued"),
        ("0", "9.52", "4.52", True, "Partly paid"),
        ("5.00", "4.52", "4.52", False, "Issued"),
        # A credit note has left more than the payment: nothing is due either way.
        ("-5.00", "9.52", "4.52", False, None),
        ("-4.52", "9.52", "4.52", False, None),
    ],
)
def test_once_it_is_undone(balance: str, paid: str, amount: str, has_failed: bool, expected: str | None) -> None:
    """As it stood before, by what else was paid and whether a charge ever failed."""
    undone = status_if_undone(Decimal(balance), Decimal(paid), Decimal(amount), has_failed=has_failed)
    assert undone == expected
