"""Keeps the plan of retries in the warehouse: what the pure planner says of each statement that failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from evbilling.payments.attempts import Debt
from evbilling.payments.payers import Payer
from evbilling.payments.retries.declines import DeclineClass
from evbilling.payments.retries.planner import (
    PAYER_UNCLEAR,
    UNACCOUNTED_PAYMENT,
    Attempt,
    Plan,
    Policy,
    plan_retry,
)
from evbilling.warehouse import execute, fetch_all, fetch_as

PAID = "PAID"


def load_debts(
    connection: psycopg.Connection[Any],
    *,
    statement_ids: Sequence[str] | None = None,
    account_ids: Sequence[str] | None = None,
    period: str | None = None,
    occasion: str | None = None,
    failed: bool = False,
) -> list[Debt]:
    """Connector statements by id, account, period; not yet tried on `occasion`; only those that failed.

    In order of their ids, with what is due on each, paid ones too.
    """
    return fetch_as(
        connection,
        Debt,
        "payments/debts",
        statements=None if statement_ids is None else list(statement_ids),
        accounts=None if account_ids is None else list(account_ids),
        period=period,
        occasion=occasion,
        failed=failed,
    )


def load_attempts(connection: psycopg.Connection[Any], statement_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    """The attempts that count for planning, by statement, oldest first; a statement without any is missing."""
    found: dict[str, list[Attempt]] = defaultdict(list)
    rows = fetch_all(connection, "payments/attempts", statements=list(statement_ids))
    for statement_id, attempted_at, outcome, decline_class, code, method, reached, by_hand in rows:
        kind = DeclineClass(decline_class) if outcome == "declined" else None
        found[statement_id].append(Attempt(attempted_at, kind, code, method, reached, by_hand))
    return dict(found)


def plans_of(
    debts: Sequence[Debt],
    attempts: Mapping[str, Sequence[Attempt]],
    payers: Mapping[str, Payer],
    policy: Policy,
    now: datetime,
) -> list[Plan]:
    """The plan of each debt, in their order; `PAID` where nothing is due. `payers` by statement.

    None is tried while the gateway has a payment for it that isn't recorded.
    """
    plans = []
    for debt in debts:
        payer = payers[debt.statement_id]
        if debt.balance_minor <= 0:
            plans.append(Plan(debt.statement_id, None, PAID, "nothing is due"))
            continue
        if debt.unaccounted_payment:
            detail = unaccounted(debt.unaccounted_payment)
            plans.append(Plan(debt.statement_id, None, UNACCOUNTED_PAYMENT, detail))
            continue
        if payer.unclear:
            plans.append(Plan(debt.statement_id, None, PAYER_UNCLEAR, payer.unclear))
            continue
        method = payer.payment_method if payer.customer else None
        plans.append(plan_retry(debt.statement_id, attempts.get(debt.statement_id, ()), method, policy, now))
    return plans


def unaccounted(payment: str) -> str:
    """Why a statement isn't charged for which the gateway has collected `payment`, and what to do."""
    return (
        f"the gateway has collected {payment} for it, which isn't recorded; mark it as paid with that id as reference, "
        "or refund the payment at the gateway and run payment_reconciliation"
    )


def keep_plans(connection: psycopg.Connection[Any], plans: Sequence[Plan]) -> None:
    """Put the plans into the warehouse in place of earlier ones.

    What was planned as paid stays to be planned if something has become due on it since.
    """
    statements = [plan.statement_id for plan in plans]
    execute(connection, "payments/lock_plans", statements=statements)
    execute(
        connection,
        "payments/plans",
        statements=statements,
        planned=[plan.at for plan in plans],
        reasons=[plan.reason_id for plan in plans],
        details=[plan.detail for plan in plans],
    )
