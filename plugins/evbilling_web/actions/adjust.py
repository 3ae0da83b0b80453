"""Credit or debit, write-off, and a credit that was sent back: what can be adjusted on a statement, and by whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.money import parse_decimal
from evbilling.payments.actions import (
    LONGEST_CUSTOMER_TEXT,
    Action,
    ActionResult,
    Adjustment,
    AdjustRequest,
    Code,
    load_action_facts,
    preview_adjust_statement,
    refused_actions,
    waiting_adjustments,
)
from evbilling.read_models.statement_list import read_current
from evbilling_airflow import actions
from evbilling_airflow.actions import OperatorAction
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection


def _page(action: OperatorAction, *kinds: Adjustment) -> ActionPage:
    def propose(selection: Selection) -> Proposal:
        """The statement's row with the amount concerned, and the requests that wait; nothing is written."""
        (text,) = selection.statement_ids
        if not selection.valid_ids:
            return Proposal.of(selection, (), Row.of)
        with warehouse.reading() as connection:
            now = read_current(connection, [text]).get(text)
            facts = load_action_facts(connection, [text]).get(text)
        refused = refused_actions(facts)[Action(action.dag_id)] if facts else Code.UNKNOWN
        if refused:
            return Proposal((Row.of(ActionResult(Action(action.dag_id), text, refused), now),))
        waiting = tuple(w for w in waiting_adjustments(warehouse.services(), text) if w.kind in kinds)
        undo = bool(facts and facts.written_off)
        row = Row(text, now, now.balance if now else None, now.currency if now else None, waiting=waiting, is_undo=undo)
        if action is not actions.ADJUST_STATEMENT:
            kind = kinds[undo and action is actions.WRITE_OFF]
            sent_on = warehouse.now().date() if kind is Adjustment.REFUND_OUTSIDE else None
            result = _preview(AdjustRequest(new_nonce(), "page", "", text, kind, paid_on=sent_on))
            row = Row.of(result, now, waiting=waiting, is_undo=undo)
        return Proposal((row,))

    def read(form: Form, proposal: Proposal) -> dict[str, Any]:
        """The Params of the DAG: those of the request that is carried out, or as they were typed."""
        row = proposal.rows[0]
        asked = next((w for w in row.waiting if str(w.number) == form.get("approves")), None)
        if form.get("approves") and asked is None:
            form.errors["approves"] = "This request was carried out already; look at the statement."
        if asked:
            conf: dict[str, Any] = {"amount": str(asked.amount), "approves": asked.number}
            kind, customer_text = Adjustment(asked.kind), asked.customer_text
            paid_on, reference = asked.paid_on and str(asked.paid_on), asked.reference
        else:
            kind, customer_text = _kind(form, row), form.get("customer_text") or None
            paid_on, reference = form.get("paid_on"), form.get("reference")
            conf = {"amount": str(row.amount) if action is actions.WRITE_OFF else form.get("amount")}
        conf |= {"statement_id": row.statement_id, "reason": form.reason()}
        if action is actions.ADJUST_STATEMENT:
            conf |= {"kind": kind, "customer_text": customer_text}
        elif action is actions.WRITE_OFF:
            conf |= {"undo": kind is Adjustment.UNDO_WRITE_OFF}
        else:
            conf |= {"paid_on": paid_on, "reference": reference}
        if proposal.able and not form.errors:
            _try(form, row, kind, conf)
        return conf

    def _kind(form: Form, row: Row) -> Adjustment:
        if action is actions.WRITE_OFF:
            return kinds[row.is_undo]
        if action is actions.REFUND_OUTSIDE:
            return Adjustment.REFUND_OUTSIDE
        if form.get("kind") not in kinds:
            form.errors["kind"] = "Choose a credit or a debit."
            return Adjustment.GOODWILL
        return Adjustment(form.get("kind"))

    def defaults(proposal: Proposal) -> dict[str, str]:
        """The whole credit and today; a credit or debit has no usual amount."""
        if action is not actions.REFUND_OUTSIDE or not proposal.able:
            return {}
        return {"amount": f"{proposal.able[0].amount:f}", "paid_on": warehouse.now().date().isoformat()}

    return ActionPage(action, "actions/adjust.html", propose, read, defaults)


def _try(form: Form, row: Row, kind: Adjustment, conf: dict[str, Any]) -> None:
    """The dry run of what was typed; what is wrong with it is noted at its field."""
    try:
        amount: Decimal | None = parse_decimal(conf["amount"])
    except BadInput:
        form.errors["amount"] = "Write the amount with a decimal point and no other separators, for example 12.50."
        return
    day = form.day("paid_on") if "paid_on" in conf else None
    if len(conf.get("customer_text") or "") > LONGEST_CUSTOMER_TEXT:
        form.errors["customer_text"] = f"The limit is {LONGEST_CUSTOMER_TEXT} characters."
    if form.errors:
        return
    request = AdjustRequest(
        new_nonce(),
        "page",
        conf["reason"],
        row.statement_id,
        kind,
        amount,
        customer_text=conf.get("customer_text") or "",
        paid_on=day,
        reference=conf.get("reference") or "",
        approves=conf.get("approves"),
    )
    result = _preview(request)
    if result.is_refused:
        form.errors["amount"] = f"This isn't possible: {result.detail}."


def _preview(request: AdjustRequest) -> ActionResult:
    (result,) = preview_adjust_statement(warehouse.services(), request)
    return result


ADJUST_STATEMENT = _page(actions.ADJUST_STATEMENT, Adjustment.GOODWILL, Adjustment.EXTRA_DEBIT)
WRITE_OFF = _page(actions.WRITE_OFF, Adjustment.WRITE_OFF, Adjustment.UNDO_WRITE_OFF)
REFUND_OUTSIDE = _page(actions.REFUND_OUTSIDE, Adjustment.REFUND_OUTSIDE)
