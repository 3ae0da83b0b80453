"""Re-Bill: charge statements again at an operator's word. The same for a DAG, a page or a script."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.payments import attempts
from evbilling.payments.actions.expected import Totals, require_as_expected, total_by_currency
from evbilling.payments.actions.paid_outside import require_reason
from evbilling.payments.actions.refusals import REFUSALS
from evbilling.payments.attempts import OPENED_AT_ONCE, Debt, Occasion, Opened
from evbilling.payments.desk import Desk
from evbilling.payments.gateway.amounts import chargeable_step
from evbilling.payments.payers import Payer
from evbilling.payments.retries import plans
from evbilling.payments.retries.planner import may_try_now
from evbilling.period import Period

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RebillRequest:
    """Which statements to charge again: by id, or all of an account in a period. `request_id` makes it one request.

    `expected_total`: what will be charged, by currency in major units, as whoever decided saw it.
    """

    request_id: str
    actor: str
    reason: str
    statement_ids: tuple[str, ...] = ()
    account_id: str | None = None
    period: Period | None = None
    expected_total: Totals | None = None


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
    """What `rebill` would do now, statement by statement; nothing is written and the gateway isn't asked.

    The reason may still be empty. Raises `BadInput` if what would be charged isn't what was expected.
    """
    rows = [row for _, row in _judge(desk, request, now)]
    refused = (row.sentence() for row in rows if row.refused)
    require_as_expected(request.expected_total, total_to_charge(rows), "rebill", refused)
    return rows


def total_to_charge(rows: Iterable[Rebill]) -> dict[str, Decimal]:
    """What is charged on the rows that aren't refused, by currency: the `expected_total` to send."""
    return total_by_currency(
        (row.amount, row.currency) for row in rows if not row.refused and row.amount is not None and row.currency
    )


def rebill(desk: Desk, request: RebillRequest, now: datetime) -> list[Rebill]:
    """Charge the statements of the request that may be charged; returns each with its outcome or why not.

    Safe to repeat with the same request_id: nothing is charged twice. Raises `BadInput` if none may be charged, or if
    what would be charged isn't what was expected.
    """
    require_reason(request.reason, "rebill")
    judged = _judge(desk, request, now)
    eligible = [debt for debt, row in judged if debt and not row.refused]
    occasion = f"rebill {request.request_id}"
    # Who lost a race for the statement since it was judged is told why.
    lost = _open_attempts(desk, request, occasion, eligible)
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
_ASK_ANEW = "this request has begun without it; ask for it in another one"


def _open_attempts(desk: Desk, request: RebillRequest, occasion: str, debts: Sequence[Debt]) -> dict[str, str]:
    """Open attempts at what may be charged; returns why not of those that lost a race since they were judged.

    Where a total is expected it is all in one transaction, and what is opened comes to that total, or nothing is.
    """
    known = {debt.statement_id: debt for debt in debts}

    def require_expected(opened: Sequence[Opened]) -> None:
        due = total_by_currency(
            (from_minor(one.amount_minor, known[one.statement_id].minor_unit), known[one.statement_id].currency)
            for one in opened
            if one.attempt_id is not None and one.amount_minor is not None
        )
        require_as_expected(request.expected_total, due, "rebill", _said(opened))

    if request.expected_total is not None:
        if len(debts) > OPENED_AT_ONCE:
            raise BadInput(
                f"{len(debts)} statements are too many to expect a total of them",
                where="rebill",
                fix=f"name at most {OPENED_AT_ONCE:,}, or leave out expected_total",
            )
        with desk.services.warehouse() as connection:
            if _outcomes(connection, occasion):
                return dict.fromkeys(known, _ASK_ANEW)
    payers = desk.payers_of(debts)
    if debts:
        desk.gateway.check()
    with desk.services.warehouse() as connection:
        opened = attempts.open_attempts(
            connection,
            Occasion("rebill", occasion, occasion, request.actor, request.reason),
            debts,
            payers,
            desk.policy.most_in_30_days,
            before_commit=require_expected,
        )
    return {one.statement_id: REFUSALS[one.refused] for one in opened if one.refused}


def _said(opened: Iterable[Opened]) -> list[str]:
    return [f"{one.statement_id}: not charged: {REFUSALS[one.refused]}" for one in opened if one.refused]


def _judge(desk: Desk, request: RebillRequest, now: datetime) -> list[tuple[Debt | None, Rebill]]:
    if bool(request.statement_ids) == bool(request.account_id):
        raise BadInput("name statements, or an account and a period", where="rebill", fix="give one of the two")
    if request.account_id and not request.period:
        raise BadInput("an account needs a period", where="rebill", fix="give the period, as YYYY-MM")
    with desk.services.warehouse() as connection:
        debts = plans.load_debts(
            connection,
            statement_ids=request.statement_ids or None,
            account_id=request.account_id,
            period=str(request.period) if request.period else None,
        )
        history = plans.load_attempts(connection, [debt.statement_id for debt in debts])
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
                statement_id,
                from_minor(_chargeable(debt), debt.minor_unit),
                debt.currency,
                debt.financial_admin_id,
                method,
                _why_not(desk, debt, method, history.get(statement_id, []), under_way, now),
            ),
        ))
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
