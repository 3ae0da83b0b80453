"""Mark as Paid: record payments of statements made outside the gateway, on one day, with one reference and reason.

The same for the DAG, a page or a script, and for one statement or several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.money import decimals, from_minor, to_minor
from evbilling.payments.actions.expected import Totals, require_as_expected, require_reason, total_by_currency
from evbilling.payments.actions.facts import load_action_facts
from evbilling.payments.actions.results import Action, ActionResult, Code
from evbilling.payments.actions.wording import line
from evbilling.payments.retries.plans import PAID
from evbilling.period import Period
from evbilling.services import Services
from evbilling.typed_text import require_text

# All of them stay locked, for a few seconds, against other collections.
MOST_AT_ONCE = 1_000

# The largest amount that the warehouse can hold.
_LARGEST_MINOR = 2**63 - 1

# In place of what a preview doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """Which statements were paid outside the gateway. `request_id` identifies a repeated request.

    Amount None: all that is due, on each; only a single statement may have one. Currency None: the statements' own.
    `expected_total`: what is due on those that can be paid, by currency in major units, as seen when it was decided.
    """

    request_id: str
    actor: str
    reason: str
    statement_ids: tuple[str, ...]
    paid_on: date
    reference: str
    amount: Decimal | None = None
    currency: str | None = None
    expected_total: Totals | None = None


def preview_mark_statements(services: Services, request: MarkRequest, today: date) -> list[ActionResult]:
    """What `mark_statements` would record now, statement by statement, in the order asked for; nothing is written.

    Reason and reference may still be empty. If the gateway has collected a payment for a single statement that isn't
    recorded, that payment is proposed, and the row has its id as `reference`. Raises `BadInput` for a request that
    makes no sense as a whole, and if what is due isn't what was expected.
    """
    collected = None if request.reference else _collected(services, request.statement_ids)
    reference = request.reference or collected or _NOT_GIVEN
    given = replace(request, reason=request.reason or _NOT_GIVEN, reference=reference)
    return [replace(row, reference=collected) for row in _mark(services, given, today, keep=False)]


def mark_statements(services: Services, request: MarkRequest, today: date) -> list[ActionResult]:
    """Record the payments of those statements that can be paid, in one transaction; returns each with its result.

    Refused, each with its reason: an unknown or paid statement, an amount that isn't above zero, has too many decimals
    or is above what is due, another currency, a statement with a charge under way, and, while the gateway has collected
    a payment that isn't recorded, any other payment than that. Raises `BadInput` if all are refused, if what is due
    isn't what was expected, and for a request that makes no sense as a whole; nothing is recorded then. Safe to repeat
    with the same request_id.
    """
    rows = _mark(services, request, today, keep=True)
    if all(row.is_refused for row in rows):
        raise BadInput(
            "no statement is marked as paid:\n  " + "\n  ".join(line(row) for row in rows),
            where="mark_as_paid",
            fix="see the statements' payments in finance.payments",
        )
    return rows


def _collected(services: Services, statement_ids: Sequence[str]) -> str | None:
    """The payment that the gateway has collected for the only statement and that isn't recorded, if there is one."""
    if len(set(statement_ids)) != 1:
        return None
    with services.warehouse() as connection:
        facts = load_action_facts(connection, statement_ids).get(statement_ids[0])
    return facts.unaccounted_payment if facts else None


def total_due(rows: Iterable[ActionResult]) -> dict[str, Decimal]:
    """What was due on the statements of these rows that aren't refused, by currency: the `expected_total` to send."""
    return total_by_currency(
        # What stays due of a payment recorded before says nothing of how it was before that.
        (row.amount + row.balance_due if row.code is Code.MARKED else row.amount, row.currency)
        for row in rows
        if row.amount is not None and row.balance_due is not None and row.currency is not None
    )


def latest_today(now: datetime) -> date:
    """The latest date that anybody on earth may call today at `now`."""
    return (now.astimezone(UTC) + timedelta(hours=14)).date()


def earliest_day(period: Period) -> date:
    """The earliest day of a payment of a period's statement: a year before it. Any day before that is a slip."""
    return period.shifted(-12).first_day


def _mark(services: Services, request: MarkRequest, today: date, *, keep: bool) -> list[ActionResult]:
    ids = tuple(dict.fromkeys(request.statement_ids))
    _require_sense(request, ids, today)
    # One transaction around all; each statement has a savepoint in it.
    with services.warehouse() as connection, connection.transaction(force_rollback=not keep):
        # Everybody locks statements in the order of their ids.
        found = {statement_id: _book(connection, request, statement_id, len(ids)) for statement_id in sorted(ids)}
        close_plans(connection, [row.statement_id for row in found.values() if row.is_done and row.balance_due == 0])
        rows = [found[statement_id] for statement_id in ids]
        # The rows of a repeated request are history; there is nothing left to decide on.
        if any(row.code is Code.MARKED for row in rows) or all(row.is_refused for row in rows):
            require_as_expected(
                request.expected_total, total_due(rows), "mark_as_paid", (line(row) for row in rows if row.is_refused)
            )
    return rows


def _require_sense(request: MarkRequest, ids: tuple[str, ...], today: date) -> None:
    where = "mark_as_paid"
    require_reason(request.reason, where)
    require_text("reference", request.reference, where, missing="give what identifies the payment, as its bank does")
    if request.paid_on > today:
        raise BadInput(
            f"paid_on is {request.paid_on}, which is still to come", where=where, fix="give the day it was paid"
        )
    if not ids:
        raise BadInput("no statement is named", where=where, fix="name one or several")
    if len(ids) > MOST_AT_ONCE:
        raise BadInput(
            f"{len(ids)} statements are too many", where=where, fix=f"name at most {MOST_AT_ONCE:,} in one request"
        )
    if request.amount is not None and len(ids) > 1:
        raise BadInput(
            "an amount is given for several statements",
            where=where,
            fix="leave it out, so that each is paid in full, or name one statement",
        )


def _book(
    connection: psycopg.Connection[Any], request: MarkRequest, statement_id: str, statements: int
) -> ActionResult:
    """Record the payment of one statement; it stays locked until the transaction ends. A refusal affects no other."""
    query = "select currency, minor_unit from billing.statement where statement_id = %s"
    statement = connection.execute(query, (statement_id,)).fetchone()
    if statement is None:
        return ActionResult(Action.MARK_AS_PAID, statement_id, Code.UNKNOWN)
    currency, unit = statement
    if why := _why_not(request, currency, unit):
        return ActionResult(Action.MARK_AS_PAID, statement_id, Code.NOT_POSSIBLE, detail=why)
    try:
        with connection.transaction():
            amount, is_new = connection.execute(
                "select amount_minor, is_new from billing.record_paid_outside(%s, %s, %s::bigint, %s, %s, %s, %s, %s)",
                (
                    # The request of a single statement keeps its own id.
                    request.request_id if statements == 1 else f"{request.request_id}/{statement_id}",
                    statement_id,
                    # None is all that is due: only the warehouse can tell, once it holds the lock.
                    None if request.amount is None else to_minor(request.amount, unit),
                    currency,
                    request.paid_on,
                    request.reference.strip(),
                    request.actor,
                    request.reason.strip(),
                ),
            ).fetchone()  # type: ignore[misc]
            due = connection.execute("select billing.balance_minor(%s)", (statement_id,)).fetchone()[0] or 0  # type: ignore[index]
    except psycopg.Error as error:
        if error.sqlstate != "EV004":
            raise
        why = (error.diag.message_primary or str(error)).strip()
        return ActionResult(Action.MARK_AS_PAID, statement_id, Code.NOT_POSSIBLE, detail=why)
    return ActionResult(
        Action.MARK_AS_PAID,
        statement_id,
        Code.MARKED if is_new else Code.MARKED_BEFORE,
        from_minor(amount, unit),
        currency,
        from_minor(due, unit),
    )


def _why_not(request: MarkRequest, currency: str, minor_unit: int) -> str | None:
    """What is wrong with the amount for a statement in this currency; None if nothing is."""
    amount = request.amount
    if request.currency not in {None, currency}:
        return f"the statement is in {currency}, not in {request.currency}"
    if amount is None:
        return None
    if not amount.is_finite() or amount <= 0:
        return f"the amount is {amount}; it must be above zero"
    if decimals(amount) > minor_unit:
        return f"{amount} has more decimals than {currency} has ({minor_unit})"
    if to_minor(amount, minor_unit) > _LARGEST_MINOR:
        return f"{amount} {currency} is more than any statement comes to"
    return None


def close_plans(connection: psycopg.Connection[Any], paid: Sequence[str]) -> None:
    """End the plans of these statements, on which nothing is due any more.

    Called once all statements are locked, and locks the plans in the order of their ids: so nobody deadlocks.
    """
    if not paid:
        return
    connection.execute(
        """select from billing.payment_plan where statement_id = any(%s) and reason_id <> %s
           order by statement_id for update""",
        (paid, PAID),
    )
    connection.execute(
        """update billing.payment_plan set planned_at = null, reason_id = %s, detail = 'nothing is due',
                  decided_at = now() where statement_id = any(%s) and reason_id <> %s""",
        (PAID, paid, PAID),
    )
