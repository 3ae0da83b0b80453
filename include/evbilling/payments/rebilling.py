"""Re-Bill: charge statements again at an operator's word. The same for a DAG, a page or a script."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.payments import attempts, planning
from evbilling.payments.amounts import chargeable_step
from evbilling.payments.attempts import REFUSALS, Debt, Occasion
from evbilling.payments.desk import Desk
from evbilling.payments.marking import require_reason
from evbilling.payments.payers import Payer
from evbilling.payments.planner import may_try_now
from evbilling.period import Period

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RebillRequest:
    """Which statements to charge again: by id, or all of an account in a period. `request_id` makes it one request."""

    request_id: str
    actor: str
    reason: str
    statement_ids: tuple[str, ...] = ()
    account_id: str | None = None
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Rebill:
    """One statement of a Re-Bill: what would be, or was, charged to whom; or why not. `outcome` once it is known."""

    statement_id: str
    amount: Decimal | None
    currency: str | None
    financial_admin_id: str | None
    payment_method: str | None
    refused: str | None
    outcome: str | None = None

    def sentence(self) -> str:
        """The row in one line."""
        if self.refused:
            return f"{self.statement_id}: not charged: {self.refused}"
        what = f"{self.amount} {self.currency} to {self.financial_admin_id} by {self.payment_method}"
        return f"{self.statement_id}: {f'{self.outcome}: ' if self.outcome else 'charge '}{what}"


def preview_rebill(desk: Desk, request: RebillRequest, now: datetime) -> list[Rebill]:
    """What `rebill` would do now, statement by statement; nothing is written and the gateway isn't asked."""
    return [row for _, row in _judge(desk, request, now)]


def rebill(desk: Desk, request: RebillRequest, now: datetime) -> list[Rebill]:
    """Charge the statements of the request that may be charged; returns each with its outcome or why not.

    Safe to repeat with the same request_id: nothing is charged twice. Raises `BadInput` if none may be charged.
    """
    judged = _judge(desk, request, now)
    eligible = [debt for debt, row in judged if debt and not row.refused]
    occasion = f"rebill {request.request_id}"
    payers = desk.payers_of(eligible)
    if eligible:
        desk.gateway.check()
    with desk.services.warehouse() as connection:
        opened = attempts.open_attempts(
            connection,
            Occasion("rebill", occasion, occasion, request.actor, request.reason),
            eligible,
            payers,
            desk.policy.most_in_30_days,
        )
    # Who lost a race for the statement since it was judged is told why.
    lost = {one.statement_id: REFUSALS[one.refused] for one in opened if one.refused}
    desk.collect(occasion)
    with desk.services.warehouse() as connection:
        outcomes = _outcomes(connection, occasion)
    if outcomes:
        desk.replan(sorted(outcomes), now)
    rows = []
    for _, row in judged:
        if made := outcomes.get(row.statement_id):
            outcome, amount, method = made
            rows.append(replace(row, refused=None, outcome=outcome, amount=amount, payment_method=method))
        else:
            rows.append(replace(row, refused=lost.get(row.statement_id, row.refused)))
    if not any(row.outcome for row in rows):
        raise BadInput(
            "no statement is charged:\n  " + "\n  ".join(row.sentence() for row in rows), where="rebill", fix=_ADVICE
        )
    return rows


_ADVICE = "see the statement's attempts in finance.payment_attempts"


def _judge(desk: Desk, request: RebillRequest, now: datetime) -> list[tuple[Debt | None, Rebill]]:
    require_reason(request.reason, "rebill")
    if bool(request.statement_ids) == bool(request.account_id):
        raise BadInput("name statements, or an account and a period", where="rebill", fix="give one of the two")
    if request.account_id and not request.period:
        raise BadInput("an account needs a period", where="rebill", fix="give the period, as YYYY-MM")
    with desk.services.warehouse() as connection:
        debts = planning.load_debts(
            connection,
            statement_ids=request.statement_ids or None,
            account_id=request.account_id,
            period=str(request.period) if request.period else None,
        )
        history = planning.load_attempts(connection, [debt.statement_id for debt in debts])
        under_way = _open(connection, [debt.statement_id for debt in debts])
    if request.account_id and not debts:
        raise BadInput(
            f"account {request.account_id} has no connector statement for {request.period}",
            where="rebill",
            fix="look at finance.statements, and at finance.unbilled_accounts for the reason",
        )
    payers = desk.payers_of(debts)
    known = {debt.statement_id: debt for debt in debts}
    rows: list[tuple[Debt | None, Rebill]] = []
    for statement_id in dict.fromkeys(request.statement_ids) or known:
        debt = known.get(statement_id)
        if debt is None:
            why = "there is no such connector statement"
            rows.append((None, Rebill(statement_id, None, None, None, None, why)))
            continue
        payer = payers.get(debt.financial_admin_id, Payer(debt.financial_admin_id, None, None))
        method = payer.payment_method if payer.customer else None
        rows.append((
            debt,
            Rebill(
                statement_id, from_minor(_chargeable(debt), debt.minor_unit), debt.currency, debt.financial_admin_id,
                method, _why_not(desk, debt, method, history.get(statement_id, []), under_way, now),
            ),
        ))  # fmt: skip
    return rows


def _why_not(
    desk: Desk, debt: Debt, method: str | None, history: Sequence[Any], under_way: set[str], now: datetime
) -> str | None:
    if debt.balance_minor <= 0:
        return REFUSALS["paid"]
    if debt.statement_id in under_way:
        return REFUSALS["open_attempt"]
    if _chargeable(debt) <= 0:
        return REFUSALS["too_small"]
    refusal = may_try_now(history, method, desk.policy, now, by_hand=True)
    return refusal.detail if refusal else None


def _chargeable(debt: Debt) -> int:
    """What of a debt the gateway can charge, in minor units: in some currencies not the last digits."""
    return debt.balance_minor - debt.balance_minor % chargeable_step(debt.currency)


def _open(connection: psycopg.Connection[Any], statement_ids: Sequence[str]) -> set[str]:
    rows = connection.execute(
        """select statement_id from billing.payment_attempt
           where statement_id = any(%s) and outcome in ('pending', 'unknown')""",
        (list(statement_ids),),
    )
    return {row[0] for row in rows}


def _outcomes(connection: psycopg.Connection[Any], occasion: str) -> dict[str, tuple[str, Decimal, str | None]]:
    """Of each statement tried: its outcome, the amount asked for, and the payment method it was asked of."""
    rows = connection.execute(
        """select statement_id, amount_minor, minor_unit, payment_method,
                  case when outcome = 'declined' then 'declined (' || decline_code || ')' else outcome end
           from billing.payment_attempt where occasion = %s""",
        (occasion,),
    )
    return {row[0]: (row[4], from_minor(row[1], row[2]), row[3]) for row in rows}
