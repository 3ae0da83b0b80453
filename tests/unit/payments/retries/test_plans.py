"""The plans of debts: none for a paid one, and none while the gateway has a payment that isn't recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from evbilling.payments.attempts import Debt
from evbilling.payments.payers import Payer
from evbilling.payments.retries.planner import FIRST_TRY, UNACCOUNTED_PAYMENT, Policy
from evbilling.payments.retries.plans import PAID, plans_of

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DEBT = Debt("A-202611-000001", "acc", "ann", "EUR", 2, 595)
PAYERS = {DEBT.statement_id: Payer("ann", "cus", "pm")}


def test_nothing_is_planned_while_a_payment_isnt_accounted_for() -> None:
    """The reason is one of its own and names the payment; once nothing is due, that counts."""
    collected = replace(DEBT, unaccounted_payment="pi_1")
    debts = [DEBT, collected, replace(collected, balance_minor=0)]
    planned = plans_of(debts, {}, PAYERS, Policy(), NOW)
    assert [plan.reason_id for plan in planned] == [FIRST_TRY, UNACCOUNTED_PAYMENT, PAID]
    assert [plan.at is None for plan in planned] == [False, True, True]
    assert "has collected pi_1" in planned[1].detail
