"""Mark as Paid: what would be booked as paid by other means; for a single statement also a part."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.money import decimals, minor_unit, parse_decimal
from evbilling.payments.actions import (
    ActionResult,
    MarkRequest,
    earliest_day,
    latest_today,
    preview_mark_statements,
    status_if_marked,
)
from evbilling.period import Period
from evbilling.read_models.statement_list import CurrentStatement
from evbilling_airflow import actions
from evbilling_airflow.defaults import DAY_FORM
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection

_NO_REFERENCE = "Give a reference that identifies the payment, such as the bank reference or cheque number."


def propose(selection: Selection) -> Proposal:
    """The amounts due, which would be booked in full; nothing is written."""
    ids = selection.valid_ids
    return Proposal.of(selection, _preview(ids) if ids else (), _row)


def defaults(proposal: Proposal) -> dict[str, str]:
    """Paid today; for a single statement the whole amount due, or the payment that the gateway has collected."""
    able, today = proposal.able, warehouse.now().date().isoformat()
    if len(able) != 1:
        return {"paid_on": today}
    if able[0].collected:
        reference, amount = able[0].collected
        return {"paid_on": today, "amount": f"{amount:f}", "reference": reference}
    return {"paid_on": today, "amount": f"{able[0].amount:f}"}


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG mark_as_paid."""
    conf = {
        "statement_ids": proposal.statement_ids,
        "paid_on": _day(form, proposal),
        "reference": form.text("reference", most=200, missing=_NO_REFERENCE),
        "reason": form.reason(),
        "expected_total": {currency: str(amount) for currency, amount in proposal.totals.items()},
    }
    if len(proposal.able) == 1:
        conf["amount"] = _amount(form, proposal.able[0])
    return conf


MARK_AS_PAID = ActionPage(actions.MARK_AS_PAID, "actions/mark_as_paid.html", propose, read, defaults)


def _preview(ids: tuple[str, ...]) -> list[ActionResult]:
    now = warehouse.now()
    request = MarkRequest(new_nonce(), "page", "", ids, now.date(), "")
    return preview_mark_statements(warehouse.services(), request, latest_today(now))


def _row(marked: ActionResult, now: CurrentStatement | None) -> Row:
    if marked.is_refused or marked.amount is None or marked.balance_due is None:
        return Row.of(marked, now)
    then = status_if_marked(now.balance, marked.amount) if now and now.balance is not None else None
    collected = (marked.reference, marked.amount) if marked.reference else None
    # All that is due, of which a payment at the gateway may be a part.
    return replace(Row.of(marked, now, then, collected=collected), amount=marked.amount + marked.balance_due)


def _day(form: Form, proposal: Proposal) -> str:
    given = form.get("paid_on")
    try:
        # Python also reads weeks (2026-W45-4) and days without dashes.
        day = date.fromisoformat(given if re.fullmatch(DAY_FORM, given) else "")
    except ValueError:
        form.errors["paid_on"] = "Give the payment date as YYYY-MM-DD."
        return given
    earliest = [earliest_day(Period.parse(row.now.period)) for row in proposal.able if row.now]
    if day > latest_today(warehouse.now()):
        form.errors["paid_on"] = "This date is in the future; give the date of the payment."
    elif earliest and day < max(earliest):
        form.errors["paid_on"] = "This date is more than a year before a statement; give the date of the payment."
    return given


def _amount(form: Form, row: Row) -> str:
    """The amount as typed; errors are noted."""
    given = form.get("amount")
    due, currency = row.amount or Decimal(0), row.currency or ""
    try:
        amount = parse_decimal(given)
    except BadInput:
        form.errors["amount"] = f"Write the amount with a decimal point and no other separators, for example {due:f}."
        return given
    unit = minor_unit(currency)
    if amount <= 0:
        form.errors["amount"] = "Give an amount greater than zero."
    elif unit is not None and decimals(amount) > unit:
        form.errors["amount"] = f"{currency} has {unit or 'no'} decimals; give an amount with no more."
    elif amount > due:
        form.errors["amount"] = f"Only {due:f} {currency} is due; a larger amount can't be booked on this statement."
    return given
