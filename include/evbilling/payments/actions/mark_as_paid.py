"""Mark as Paid of one or several statements at once: one day, reference and reason. For the DAG, a page or a script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.payments.actions.expected import Totals, require_as_expected, total_by_currency
from evbilling.payments.actions.paid_outside import MarkedAsPaid, PaidOutside, book, close_plans, require_payment
from evbilling.payments.actions.results import Action, ActionResult, Code
from evbilling.payments.actions.wording import line
from evbilling.services import Services

# So many statements stay locked, for a few seconds, against whoever else would collect them.
MOST_AT_ONCE = 1_000

# Stands in for what a preview doesn't ask for yet; it is never kept.
_NOT_GIVEN = "not given yet"


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """Which statements were paid by other ways. `request_id` makes it one request.

    Amount None: all that is due, on each; one is given for a single statement only. Currency None: the statements'.
    `expected_total`: what is due on those that can be paid, by currency in major units, as whoever decided saw it.
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

    Reason and reference may still be empty. Raises `BadInput` for a request that makes no sense as a whole, and if what
    is due isn't what was expected.
    """
    given = replace(request, reason=request.reason or _NOT_GIVEN, reference=request.reference or _NOT_GIVEN)
    return _mark(services, given, today, keep=False)


def mark_statements(services: Services, request: MarkRequest, today: date) -> list[ActionResult]:
    """Record the payments of those statements that can be paid, in one transaction; returns each with its result.

    Raises `BadInput` if none can be, if what is due isn't what was expected, and for a request that makes no sense as a
    whole; nothing is recorded then. Safe to repeat with the same request_id.
    """
    rows = _mark(services, request, today, keep=True)
    if all(row.is_refused for row in rows):
        raise BadInput(
            "no statement is marked as paid:\n  " + "\n  ".join(line(row) for row in rows),
            where="mark_as_paid",
            fix="see the statements' payments in finance.payments",
        )
    return rows


def total_due(rows: Iterable[ActionResult]) -> dict[str, Decimal]:
    """What was due on the statements of these rows that aren't refused, by currency: the `expected_total` to send."""
    return total_by_currency(
        # What stays due of a payment recorded before says nothing of how it was before that.
        (row.amount + row.balance_due if row.code is Code.MARKED else row.amount, row.currency)
        for row in rows
        if row.amount is not None and row.balance_due is not None and row.currency is not None
    )


def _mark(services: Services, request: MarkRequest, today: date, *, keep: bool) -> list[ActionResult]:
    ids = tuple(dict.fromkeys(request.statement_ids))
    _require_sense(request, ids, today)
    # One transaction around all, so that each statement's own is a savepoint in it.
    with services.warehouse() as connection, connection.transaction(force_rollback=not keep):
        # In the order in which everybody locks statements.
        found = {statement_id: _book(connection, request, statement_id, len(ids)) for statement_id in sorted(ids)}
        close_plans(connection, [marked for marked in found.values() if isinstance(marked, MarkedAsPaid)])
        rows = [_row(statement_id, found[statement_id]) for statement_id in ids]
        # Those of a repeated request are history; there is nothing left to decide on.
        if any(row.code is Code.MARKED for row in rows) or all(row.is_refused for row in rows):
            require_as_expected(
                request.expected_total, total_due(rows), "mark_as_paid", (line(row) for row in rows if row.is_refused)
            )
    return rows


def _require_sense(request: MarkRequest, ids: tuple[str, ...], today: date) -> None:
    where = "mark_as_paid"
    require_payment(request.reason, request.reference, request.paid_on, today, where)
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
) -> MarkedAsPaid | str:
    """What was recorded of one statement, or why nothing; the others go on either way."""
    payment = PaidOutside(
        # A request of one statement is that payment, as it was before there were several.
        request.request_id if statements == 1 else f"{request.request_id}/{statement_id}",
        request.actor,
        request.reason,
        statement_id,
        request.paid_on,
        request.reference,
        request.amount,
        request.currency,
    )
    try:
        with connection.transaction():
            return book(connection, payment)
    except BadInput as error:
        return error.what
    except psycopg.Error as error:
        if error.sqlstate != "EV004":
            raise
        return (error.diag.message_primary or str(error)).strip()


def _row(statement_id: str, found: MarkedAsPaid | str) -> ActionResult:
    if isinstance(found, str):
        return ActionResult(Action.MARK_AS_PAID, statement_id, Code.NOT_POSSIBLE, detail=found)
    code = Code.MARKED if found.is_new else Code.MARKED_BEFORE
    return ActionResult(
        Action.MARK_AS_PAID, statement_id, code, found.amount, found.currency, balance_due=found.balance_due
    )
