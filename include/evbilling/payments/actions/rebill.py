"""Re-Bill: charge statements again on an operator's request. The same for a DAG, a page or a script."""

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
from evbilling.payments.actions.expected import Totals, require_as_expected, require_reason, total_by_currency
from evbilling.payments.actions.results import Action, ActionResult, Code
from evbilling.payments.actions.wording import line
from evbilling.payments.attempts import OPENED_AT_ONCE, Debt, Occasion, Opened
from evbilling.payments.gateway.amounts import chargeable_step
from evbilling.payments.hold import open_hold
from evbilling.payments.reconciliation import look_again, require_all_booked
from evbilling.payments.retries import plans
from evbilling.payments.retries.planner import may_try_now
from evbilling.payments.services import PaymentServices
from evbilling.period import Period

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RebillRequest:
    """Which statements to charge again: by id, or all of an account in a period. `request_id` makes it one request.

    `expected_total`: what will be charged, by currency in major units, as seen when it was decided.
    """

    request_id: str
    actor: str
    reason: str
    statement_ids: tuple[str, ...] = ()
    account_id: str | None = None
    period: Period | None = None
    expected_total: Totals | None = None


def preview_rebill(services: PaymentServices, request: RebillRequest, now: datetime) -> list[ActionResult]:
    """What `charge_again` would do now, statement by statement; nothing is written and the gateway isn't asked.

    The reason may still be empty. Raises `BadInput` if what would be charged isn't what was expected.
    """
    rows = [row for _, row in _judge(services, request, now)]
    refused = (line(row) for row in rows if row.is_refused)
    require_as_expected(request.expected_total, total_to_charge(rows), "rebill", refused)
    return rows


def total_to_charge(rows: Iterable[ActionResult]) -> dict[str, Decimal]:
    """What is charged on the rows that aren't refused, by currency: the `expected_total` to send."""
    return total_by_currency(
        (row.amount, row.currency) for row in rows if not row.is_refused and row.amount is not None and row.currency
    )


def charge_again(services: PaymentServices, request: RebillRequest, now: datetime) -> list[ActionResult]:
    """Charge the statements of the request that may be charged; returns each with its outcome or why not.

    Safe to repeat with the same request_id: nothing is charged twice. Raises `BadInput` if none may be charged, or if
    what would be charged isn't what was expected, `NotReady` while charging is on hold, `Mismatch`, once all is done,
    if the gateway has collected something that can't be booked.
    """
    require_reason(request.reason, "rebill")
    judged = _judge(services, request, now)
    if any(row.code is Code.ON_HOLD for _, row in judged):
        services.require_charging()
    eligible = [debt for debt, row in judged if debt and not row.is_refused]
    occasion = f"rebill {request.request_id}"
    # A statement that another request took since it was judged is refused with that reason.
    lost = _open_attempts(services, request, occasion, eligible)
    services.collect(occasion)
    with services.warehouse() as connection:
        outcomes = _outcomes(connection, occasion)
    if outcomes:
        services.replan(sorted(outcomes), now)
        with services.warehouse() as connection:
            sent_at = connection.execute(
                "select min(sent_at) from billing.payment_attempt where occasion = %s", (occasion,)
            ).fetchone()
        if sent_at and sent_at[0]:
            look_again(services, sent_at[0])
    require_all_booked(services, occasion)
    rows = []
    for _, row in judged:
        if made := outcomes.get(row.statement_id):
            rows.append(replace(row, **made))
        elif why := lost.get(row.statement_id):
            rows.append(replace(row, code=why, detail=None))
        else:
            rows.append(row)
    if not outcomes:
        raise BadInput(
            "no statement is charged:\n  " + "\n  ".join(line(row) for row in rows), where="rebill", fix=_ADVICE
        )
    return rows


_OUTCOMES = {
    "succeeded": Code.CHARGED,
    "declined": Code.DECLINED,
    "refused": Code.NOT_ACCEPTED,
    "unknown": Code.OUTCOME_UNKNOWN,
    "pending": Code.CHARGE_PENDING,
}
_ADVICE = "see the statement's attempts in finance.payment_attempts"


def _open_attempts(
    services: PaymentServices, request: RebillRequest, occasion: str, debts: Sequence[Debt]
) -> dict[str, Code]:
    """Open attempts at what may be charged; returns the codes of those refused since they were judged.

    Where a total is expected it is all in one transaction, and what is opened comes to that total, or nothing is.
    """
    known = {debt.statement_id: debt for debt in debts}

    def require_expected(opened: Sequence[Opened]) -> None:
        due = total_by_currency(
            (from_minor(one.amount_minor, known[one.statement_id].minor_unit), known[one.statement_id].currency)
            for one in opened
            if one.attempt_id is not None and one.amount_minor is not None
        )
        require_as_expected(request.expected_total, due, "rebill", map(line, _refusals(opened)))

    if request.expected_total is not None:
        if len(debts) > OPENED_AT_ONCE:
            raise BadInput(
                f"{len(debts)} statements are too many to expect a total of them",
                where="rebill",
                fix=f"name at most {OPENED_AT_ONCE:,}, or leave out expected_total",
            )
        with services.warehouse() as connection:
            if _outcomes(connection, occasion):
                return dict.fromkeys(known, Code.REQUEST_BEGUN)
    payers = services.payers_of(debts)
    if debts:
        services.check_gateway(payers.values())
        services.require_charging()
    with services.warehouse() as connection:
        opened = attempts.open_attempts(
            connection,
            Occasion("rebill", occasion, occasion, request.actor, request.reason),
            debts,
            payers,
            services.policy.most_in_30_days,
            before_commit=require_expected,
        )
    return {row.statement_id: row.code for row in _refusals(opened)}


def _refusals(opened: Iterable[Opened]) -> list[ActionResult]:
    return [ActionResult(Action.REBILL, one.statement_id, Code(one.refused)) for one in opened if one.refused]


def _judge(services: PaymentServices, request: RebillRequest, now: datetime) -> list[tuple[Debt | None, ActionResult]]:
    if bool(request.statement_ids) == bool(request.account_id):
        raise BadInput("name statements, or an account and a period", where="rebill", fix="give one of the two")
    if request.account_id and not request.period:
        raise BadInput("an account needs a period", where="rebill", fix="give the period, as YYYY-MM")
    with services.warehouse() as connection:
        debts = plans.load_debts(
            connection,
            statement_ids=request.statement_ids or None,
            account_ids=[request.account_id] if request.account_id else None,
            period=str(request.period) if request.period else None,
        )
        history = plans.load_attempts(connection, [debt.statement_id for debt in debts])
        under_way = _open(connection, [debt.statement_id for debt in debts])
        is_on_hold = open_hold(connection) is not None
        lost = {customer for (customer,) in connection.execute("select billing.lost_customers()")}
    if request.account_id and not debts:
        raise BadInput(
            f"account {request.account_id} has no connector statement for {request.period}",
            where="rebill",
            fix="look at finance.statements, and at finance.unbilled_accounts for the reason",
        )
    payers = services.payers_of(debts)
    known = {debt.statement_id: debt for debt in debts}
    rows: list[tuple[Debt | None, ActionResult]] = []
    for statement_id in dict.fromkeys(request.statement_ids) or known:
        debt = known.get(statement_id)
        if debt is None:
            rows.append((None, ActionResult(Action.REBILL, statement_id, Code.UNKNOWN)))
            continue
        payer = payers[statement_id]
        method = payer.payment_method if payer.customer else None
        code, detail = _judged(services, debt, method, history.get(statement_id, []), under_way, now)
        if payer.unclear and code not in {Code.PAID, Code.WRITTEN_OFF}:
            code, detail = Code.PAYER_UNCLEAR, payer.unclear
        if payer.customer in lost and code is Code.TO_CHARGE:
            code, detail = Code.LOST_PAYMENT, None
        if is_on_hold and code is Code.TO_CHARGE:
            code, detail = Code.ON_HOLD, None
        row = ActionResult(
            Action.REBILL,
            statement_id,
            code,
            from_minor(_chargeable(debt), debt.minor_unit),
            debt.currency,
            payer=debt.financial_admin_id,
            payment_method=method,
            detail=detail,
        )
        rows.append((debt, row))
    return rows


def _judged(
    services: PaymentServices,
    debt: Debt,
    method: str | None,
    history: Sequence[Any],
    under_way: set[str],
    now: datetime,
) -> tuple[Code, str | None]:
    if debt.balance_minor <= 0:
        return (Code.WRITTEN_OFF if debt.is_written_off else Code.PAID), None
    if debt.statement_id in under_way:
        return Code.OPEN_ATTEMPT, None
    if debt.unaccounted_payment:
        return Code.UNACCOUNTED_PAYMENT, plans.unaccounted(debt.unaccounted_payment)
    if _chargeable(debt) <= 0:
        return Code.TOO_SMALL, None
    refusal = may_try_now(history, method, services.policy, now, by_hand=True)
    if refusal is None:
        return Code.TO_CHARGE, None
    return Code(refusal.reason_id.lower().replace("-", "_")), refusal.detail


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


def _outcomes(connection: psycopg.Connection[Any], occasion: str) -> dict[str, dict[str, Any]]:
    """The facts of each attempt made on this occasion, by statement, as fields of its result."""
    rows = connection.execute(
        """select statement_id, outcome, amount_minor, minor_unit, payment_method, decline_code
           from billing.payment_attempt where occasion = %s order by attempt_no""",
        (occasion,),
    )
    return {
        statement_id: {
            "code": _OUTCOMES[outcome],
            "amount": from_minor(amount, unit),
            "payment_method": method,
            "decline_code": decline_code,
            "detail": None,
        }
        for statement_id, outcome, amount, unit, method, decline_code in rows
    }
