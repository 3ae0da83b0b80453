"""Which actions a statement allows: each refusal in words, and nothing refused that can work."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from evbilling.payments.actions.allowed import Action, ActionFacts, refused_actions
from evbilling.payments.actions.refusals import REFUSALS

DUE = ActionFacts("connector", "EUR", Decimal("9.52"), is_charge_under_way=False, standing_outside_payments=0)


def allowed(facts: ActionFacts) -> set[str]:
    """The actions that aren't refused."""
    return {action.value for action, why in refused_actions(facts).items() if why is None}


def test_every_action_has_an_answer() -> None:
    """None is forgotten, and what is refused says why."""
    for kind in ("connector", "account", "correction"):
        answers = refused_actions(replace(DUE, kind=kind))
        assert set(answers) == set(Action)
        assert all(why is None or len(why) > 10 for why in answers.values())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DUE, {"show", "send", "rebill", "mark_as_paid"}),
        (replace(DUE, standing_outside_payments=2), {"show", "send", "rebill", "mark_as_paid", "undo_mark_as_paid"}),
        (replace(DUE, balance_due=Decimal(0), standing_outside_payments=1), {"show", "send", "undo_mark_as_paid"}),
        (replace(DUE, balance_due=Decimal("-1.00")), {"show", "send"}),
        (replace(DUE, is_charge_under_way=True, standing_outside_payments=1), {"show", "send"}),
        (replace(DUE, kind="account", balance_due=None), {"show", "send"}),
        (replace(DUE, kind="correction", balance_due=None), {"show"}),
        # Less than a card can carry: the last of three decimals, half an ariary's hundred.
        (replace(DUE, currency="KWD", balance_due=Decimal("0.009")), {"show", "send", "mark_as_paid"}),
        (replace(DUE, currency="KWD", balance_due=Decimal("0.010")), {"show", "send", "mark_as_paid", "rebill"}),
        (replace(DUE, currency="MGA", balance_due=Decimal("0.50")), {"show", "send", "mark_as_paid"}),
        (replace(DUE, currency="JPY", balance_due=Decimal(1)), {"show", "send", "mark_as_paid", "rebill"}),
        (replace(DUE, currency="XXZ"), {"show", "send", "mark_as_paid"}),
    ],
)
def test_what_a_statement_allows(facts: ActionFacts, expected: set[str]) -> None:
    """By kind, by what is due, by what is under way, by what is marked as paid."""
    assert allowed(facts) == expected


def test_the_reasons_are_those_of_the_actions() -> None:
    """The same words as a Re-Bill gives."""
    paid = refused_actions(replace(DUE, balance_due=Decimal(0)))
    assert paid[Action.REBILL] == paid[Action.MARK_AS_PAID] == REFUSALS["paid"]
    open_ = refused_actions(replace(DUE, is_charge_under_way=True, standing_outside_payments=1))
    assert open_[Action.REBILL] == open_[Action.UNDO_MARK_AS_PAID] == REFUSALS["open_attempt"]
