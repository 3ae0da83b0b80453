"""Mark as Paid: what would be booked as paid by other means; of one statement also a part."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.money import decimals, minor_unit, parse_decimal
from evbilling.payments.actions import (
    ActionResult,
    MarkRequest,
    latest_today,
    preview_mark_statements,
    status_if_marked,
)
from evbilling.read_models.statement_list import CurrentStatement, read_current
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.acts.base import Act, Asked, Form, Proposal, Row, are_ids, no_id, reason, why_refused
from evbilling_web.runs import new_nonce

_NO_REFERENCE = "Give what identifies the payment: the bank's reference, say, or a cheque's number."


def propose(asked: Asked) -> Proposal:
    """What is due on the statements, all of which would be booked; nothing is written."""
    ids = are_ids(asked.statement_ids)
    found = {row.statement_id: row for row in _preview(tuple(ids))} if ids else {}
    with warehouse.reading() as connection:
        now = read_current(connection, ids)
    return Proposal(
        tuple(_row(found[text], now.get(text)) if text in found else no_id(text) for text in asked.statement_ids)
    )


def defaults(proposal: Proposal) -> dict[str, str]:
    """Paid today, and of one statement all that is due."""
    able = proposal.able
    amount = {"amount": f"{able[0].amount:f}"} if len(able) == 1 else {}
    return {"paid_on": datetime.now(UTC).date().isoformat(), **amount}


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG mark_as_paid."""
    conf = {
        "statement_ids": proposal.statement_ids,
        "paid_on": _day(form),
        "reference": form.text("reference", most=200, missing=_NO_REFERENCE),
        "reason": reason(form),
        "expected_total": {currency: str(amount) for currency, amount in proposal.totals.items()},
    }
    if len(proposal.able) == 1:
        conf["amount"] = _amount(form, proposal.able[0])
    return conf


MARK_AS_PAID = Act(actions.MARK_AS_PAID, "templates/mark_as_paid.html", propose, read, defaults)


def _preview(ids: tuple[str, ...]) -> list[ActionResult]:
    now = datetime.now(UTC)
    request = MarkRequest(new_nonce(), "page", "", ids, now.date(), "")
    return preview_mark_statements(warehouse.services(), request, latest_today(now))


def _row(marked: ActionResult, now: CurrentStatement | None) -> Row:
    then = None
    if now and now.balance is not None and marked.amount is not None and not marked.is_refused:
        then = status_if_marked(now.balance, marked.amount)
    return Row(marked.statement_id, now, marked.amount, marked.currency, then, why_refused(marked))


def _day(form: Form) -> str:
    given = form.get("paid_on")
    try:
        day = date.fromisoformat(given) if len(given) == 10 else None
    except ValueError:
        day = None
    if day is None:
        form.errors["paid_on"] = "Give the day on which it was paid, as YYYY-MM-DD."
    elif day > latest_today(datetime.now(UTC)):
        form.errors["paid_on"] = "This day is still to come; give the one on which it was paid."
    return given


def _amount(form: Form, row: Row) -> str:
    """The amount as written; one that can't be is noted."""
    given = form.get("amount")
    due, currency = row.amount or Decimal(0), row.currency or ""
    try:
        amount = parse_decimal(given)
    except BadInput:
        form.errors["amount"] = f"Write the amount in plain digits, with a point before its decimals: {due:f}."
        return given
    unit = minor_unit(currency)
    if amount <= 0:
        form.errors["amount"] = "Give an amount above zero."
    elif unit is not None and decimals(amount) > unit:
        form.errors["amount"] = f"{currency} has {unit or 'no'} decimals; give an amount that can be paid exactly."
    elif amount > due:
        form.errors["amount"] = f"Only {due:f} {currency} are due; more can't be booked on this statement."
    return given
