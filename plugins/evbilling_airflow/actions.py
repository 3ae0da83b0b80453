"""The operators' actions, each declared once: its DAG, Params, right, words and page.

A DAG file takes an entry's `params` and calls its `carry_out` in its task. A page takes the rest: it is at
/actions/`page` under the `label`; it is for users who may trigger the DAG `dag_id`, and tells the others that they
aren't allowed to `permission`; it starts the DAG with the Params and shows the rows that `carry_out` returned, which
`evbilling.payments.actions.ActionResult.from_json` reads. CONTRIBUTING.md says how to add an action.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from evbilling.errors import BadInput
from evbilling_airflow.context import actor
from evbilling_airflow.defaults import DAY_FORM, DRY_RUN_PARAM, MONTH_PARAMS, PERIOD_FORM, REASON_PARAM
from evbilling_airflow.reporting import reports

if TYPE_CHECKING:
    from evbilling.payments.actions import ActionResult

Context = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """An action on statements. `most` is how many statements its page takes at once.

    `permission` completes "your role isn't allowed to …". `is_bulk`: the list of statements offers it for a selection.
    `carry_out` takes the context of a task and returns a row of JSON for each statement; None where the DAG has several
    tasks, of which one gives the rows. `module` of evbilling_web.actions has the page, as a constant `name`; empty: the
    module is named as the page.
    """

    dag_id: str
    page: str
    label: str
    permission: str
    params: Mapping[str, Param]
    carry_out: Callable[[Context], list[dict[str, str]]] | None
    most: int = 500
    is_bulk: bool = False
    module: str = ""

    @property
    def name(self) -> str:
        """The name as a constant, such as MARK_AS_PAID."""
        return self.page.replace("-", "_").upper()


_STATEMENT_FORM = "^[A-Z]-[0-9]{6}-[0-9]{6,}$"

_EXPECTED_TOTAL_PARAM = Param(
    None,
    type=["null", "object"],
    propertyNames={"pattern": "^[A-Z]{3}$"},
    additionalProperties={"type": ["string", "number"]},
    title="Expected total",
    description='What is due on them all, by currency: {"EUR": "19.04"}. Another amount by then: nothing is done.',
)

_REBILL_PARAMS: dict[str, Param] = {
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": "^A-[0-9]{6}-[0-9]{6,}$"},
        title="Statements",
        description="Ids of connector statements, one a line: A-202611-000042. Or give account and period.",
    ),
    "account_id": Param(
        None,
        type=["null", "string"],
        title="Account",
        description="Charge all connector statements of this account in the period below.",
    ),
    "period": Param(
        None,
        type=["null", "string"],
        pattern=PERIOD_FORM,
        title="Billing period of the account",
        description="YYYY-MM. Only with an account.",
    ),
    "expected_total": _EXPECTED_TOTAL_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}


@reports
def _rebill(context: Mapping[str, Any]) -> list[ActionResult]:
    """Charge statements again, or say what would be charged; returns a row for each statement."""
    from evbilling.payments.actions import RebillRequest, charge_again, parse_totals, preview_rebill
    from evbilling.period import Period
    from evbilling_airflow.connections import payment_services

    params = context["params"]
    request = RebillRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_ids=tuple(params["statement_ids"] or ()),
        account_id=params["account_id"] or None,
        period=Period.parse(params["period"]) if params["period"] else None,
        expected_total=parse_totals(params["expected_total"], "rebill"),
    )
    with payment_services() as open_services:
        act = preview_rebill if params["dry_run"] else charge_again
        return act(open_services, request, open_services.now())


_MARK_AS_PAID_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        None,
        type=["null", "string"],
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement: A-202611-000042. Or name several below.",
    ),
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": _STATEMENT_FORM},
        maxItems=1_000,
        title="Statements",
        description="Ids of connector statements, one a line: each is paid in full, on the same day.",
    ),
    "amount": Param(
        None,
        type=["null", "string", "number"],
        title="Amount",
        description="In major units, for example 12.50; for one statement only. Empty: all that is due.",
    ),
    "currency": Param(
        None,
        type=["null", "string"],
        pattern="^[A-Z]{3}$",
        title="Currency",
        description="To be sure of it: must be the statement's. Empty: the statement's.",
    ),
    "paid_on": Param(
        type="string",
        format="date",
        pattern=DAY_FORM,
        title="Paid on",
        description="The day of the payment, YYYY-MM-DD; from a year before the statement up to today.",
    ),
    "reference": Param(
        type="string",
        minLength=1,
        title="Reference",
        description="What identifies the payment: the bank's reference, a cheque's number, the gateway's payment id. "
        "The customer reads it.",
    ),
    "expected_total": _EXPECTED_TOTAL_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}


@reports
def _mark_as_paid(context: Mapping[str, Any]) -> list[ActionResult]:
    """Record payments made by other means, or say what would be recorded; returns a row for each statement."""
    from evbilling.payments.actions import (
        MarkRequest,
        latest_today,
        mark_statements,
        parse_totals,
        preview_mark_statements,
    )
    from evbilling_airflow.connections import services

    params = context["params"]
    request = MarkRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_ids=_one_or_several(params),
        paid_on=_day(params["paid_on"]),
        reference=params["reference"],
        amount=_amount(params["amount"]),
        currency=params["currency"] or None,
        expected_total=parse_totals(params["expected_total"], "mark_as_paid"),
    )
    act = preview_mark_statements if params["dry_run"] else mark_statements
    warehouse = services(with_platform=False)
    return act(warehouse, request, latest_today(warehouse.now()))


def _one_or_several(params: Mapping[str, Any]) -> tuple[str, ...]:
    if bool(params["statement_id"]) == bool(params["statement_ids"]):
        raise BadInput(
            "name a statement or several",
            where="mark_as_paid",
            fix="give statement_id or statement_ids, not both",
        )
    return tuple(params["statement_ids"] or (params["statement_id"],))


def _day(text: str) -> date:
    try:
        # Python also reads weeks (2026-W45-4) and days without dashes.
        return date.fromisoformat(text if re.fullmatch(DAY_FORM, text) else "")
    except ValueError:
        raise BadInput(f"{text!r} is not a day", where="paid_on", fix="write it as YYYY-MM-DD") from None


def _amount(value: object) -> Decimal | None:
    from evbilling.money import parse_decimal

    # JSON numbers come as floats: their shortest text is what was written.
    return None if value is None or value == "" else parse_decimal(str(value))


_UNDO_MARK_AS_PAID_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement that was marked as paid by mistake: A-202611-000042.",
    ),
    "payment_id": Param(
        None,
        type=["null", "string"],
        pattern="^(paid-outside-[0-9]+)?$",
        title="Payment",
        description="Its id in finance.payments: paid-outside-12. Empty: the statement's only one.",
    ),
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}


@reports
def _undo_mark_as_paid(context: Mapping[str, Any]) -> list[ActionResult]:
    """Take back a payment marked by mistake, or say what would be taken back; returns its row."""
    from evbilling.payments.actions import UndoRequest, preview_reverse_payment, reverse_payment
    from evbilling_airflow.connections import services

    params = context["params"]
    request = UndoRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_id=params["statement_id"],
        payment_id=params["payment_id"] or "",
    )
    warehouse = services(with_platform=False)
    if params["dry_run"]:
        return preview_reverse_payment(warehouse, request)
    return [reverse_payment(warehouse, request)]


_ACKNOWLEDGE_REFUND_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement whose payment the gateway gave back: A-202611-000042.",
    ),
    "payment_id": Param(
        None,
        type=["null", "string"],
        title="Payment",
        description="Its id at the gateway: pi_…. Empty: the statement's only one that was given back.",
    ),
    "debt": Param(
        type="string",
        enum=["due_again", "credited"],
        title="What becomes of the debt",
        description="due_again: it is collected again. credited: nothing is collected for it any more.",
    ),
    "expected_total": Param(
        None,
        type=["null", "object"],
        propertyNames={"pattern": "^[A-Z]{3}$"},
        additionalProperties={"type": ["string", "number"]},
        title="Expected total",
        description='What was given back, by currency: {"EUR": "19.04"}. Another amount by then: nothing is done.',
    ),
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}


@reports
def _acknowledge_refund(context: Mapping[str, Any]) -> list[ActionResult]:
    """Book what the gateway gave back of a payment, or say what would be booked; returns its row."""
    from evbilling.payments.actions import (
        Debt,
        RefundRequest,
        acknowledge_refund,
        parse_totals,
        preview_acknowledge_refund,
    )
    from evbilling_airflow.connections import services

    params = context["params"]
    request = RefundRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_id=params["statement_id"],
        debt=Debt(params["debt"]),
        payment_id=params["payment_id"] or "",
        expected_total=parse_totals(params["expected_total"], "acknowledge_refund"),
    )
    warehouse = services(with_platform=False)
    if params["dry_run"]:
        return preview_acknowledge_refund(warehouse, request)
    return [acknowledge_refund(warehouse, request)]


_CORRECTION_PARAMS: dict[str, Param] = MONTH_PARAMS | {
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": "^A-[0-9]{6}-[0-9]{6,}$"},
        title="Statements",
        description="Ids of connector statements of the month, one a line. Empty: all of the month.",
    ),
    "expected": Param(
        None,
        type=["null", "object"],
        propertyNames={"pattern": "^A-[0-9]{6}-[0-9]{6,}$"},
        additionalProperties={"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$"},
        title="Expected corrections",
        description='By statement, in major units: {"A-202611-000042": "-5.95"}. Another amount by then: nothing is '
        "issued.",
    ),
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}

_APPROVES_PARAM = Param(
    None,
    type=["null", "integer"],
    minimum=1,
    title="Request carried out",
    description="Number of another person's request above the limit: finance.adjustments.adjustment_request_id.",
)

_ADJUST_STATEMENT_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement to credit or debit: A-202611-000042.",
    ),
    "kind": Param(
        type="string",
        enum=["goodwill", "extra_debit"],
        title="Kind",
        description="goodwill: credit the amount. extra_debit: charge it in addition.",
    ),
    "amount": Param(
        type=["string", "number"],
        title="Amount",
        description="Tax included, in major units, for example 12.50. A credit is at most what was billed.",
    ),
    "currency": Param(
        None,
        type=["null", "string"],
        pattern="^[A-Z]{3}$",
        title="Currency",
        description="To be sure of it: must be the statement's. Empty: the statement's.",
    ),
    "customer_text": Param(
        None,
        type=["null", "string"],
        maxLength=300,
        title="Text for the customer",
        description="A sentence on the note and in its mail, in the customer's language. Empty: none.",
    ),
    "approves": _APPROVES_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}

_WRITE_OFF_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement that won't be paid: A-202611-000042.",
    ),
    "undo": Param(
        False,
        type="boolean",
        title="Undo",
        description="Undo the newest write-off instead: the debt is due again.",
    ),
    "amount": Param(
        None,
        type=["null", "string", "number"],
        title="Expected amount",
        description="What is written off, in major units. Another amount by then: nothing is done. Empty: any.",
    ),
    "approves": _APPROVES_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}

_REFUND_OUTSIDE_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement whose credit was sent back: A-202611-000042.",
    ),
    "amount": _MARK_AS_PAID_PARAMS["amount"],
    "currency": _MARK_AS_PAID_PARAMS["currency"],
    "paid_on": Param(
        type="string",
        format="date",
        pattern=DAY_FORM,
        title="Sent on",
        description="The day on which the money was sent, YYYY-MM-DD.",
    ),
    "reference": Param(
        type="string",
        minLength=1,
        title="Reference",
        description="What identifies the transfer, such as the bank's reference. The customer reads it.",
    ),
    "approves": _APPROVES_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}


_REFUND_PAYMENT_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement whose payment is refunded: A-202611-000042.",
    ),
    "payment_id": Param(
        None,
        type=["null", "string"],
        title="Payment",
        description="Its id at the gateway: pi_…. Empty: the statement's only one.",
    ),
    "amount": Param(
        None,
        type=["null", "string", "number"],
        title="Amount",
        description="In major units, for example 12.50. Empty: the credit or, if due again, all that is left of it.",
    ),
    "debt": Param(
        "credit",
        type="string",
        enum=["credit", "due_again"],
        title="What becomes of the debt",
        description="credit: at most the statement's credit is refunded. due_again: it is collected again.",
    ),
    "approves": _APPROVES_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}


@reports
def _refund_payment(context: Mapping[str, Any]) -> list[ActionResult]:
    """Refund a payment at the gateway, or say what would be asked for; returns its row."""
    from evbilling.payments.actions import RefundPaymentRequest, preview_refund_payment, refund_payment
    from evbilling_airflow.connections import payment_services

    params = context["params"]
    request = RefundPaymentRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_id=params["statement_id"],
        payment_id=params["payment_id"] or "",
        amount=_amount(params["amount"]),
        is_due_again=params["debt"] == "due_again",
        approves=params["approves"],
    )
    with payment_services() as open_services:
        if params["dry_run"]:
            return preview_refund_payment(open_services.base, request)
        return [refund_payment(open_services, request)]


@reports
def _adjust(context: Mapping[str, Any]) -> list[ActionResult]:
    """Adjust a statement by hand, or say what would be booked; returns its row."""
    from evbilling.payments.actions import Adjustment, AdjustRequest, adjust_statement, preview_adjust_statement
    from evbilling_airflow.connections import services

    params = context["params"]
    if "undo" in params:
        kind = Adjustment.UNDO_WRITE_OFF if params["undo"] else Adjustment.WRITE_OFF
    else:
        kind = Adjustment(params.get("kind") or Adjustment.REFUND_OUTSIDE)
    request = AdjustRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_id=params["statement_id"],
        kind=kind,
        amount=_amount(params["amount"]),
        currency=params.get("currency"),
        customer_text=params.get("customer_text") or "",
        paid_on=_day(params["paid_on"]) if "paid_on" in params else None,
        reference=params.get("reference") or "",
        approves=params["approves"],
    )
    warehouse = services(with_platform=False)
    if params["dry_run"]:
        return preview_adjust_statement(warehouse, request)
    return [adjust_statement(warehouse, request)]


_BILL_MONTH_PARAMS: dict[str, Param] = MONTH_PARAMS | {
    "account_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "minLength": 1},
        maxItems=1_000,
        title="Accounts",
        description="Ids, one a line: only what they are missing in the month is issued, charged and mailed. Empty: "
        "the whole month.",
    ),
    "expected": Param(
        None,
        type=["null", "object"],
        additionalProperties={"type": "string", "pattern": "^[0-9]+([.][0-9]+)?$"},
        title="Expected totals",
        description='With accounts, by account, in major units: {"acc-1": "19.04"}. Another amount by then: nothing is '
        "issued.",
    ),
    "plan_hash": Param(
        None,
        type=["null", "string"],
        pattern="^([0-9a-f]{64})?$",
        title="Plan",
        description="The hash of the plan that was decided on. Another plan by then: nothing is issued.",
    ),
    "reason": REASON_PARAM,
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Only make the plan; nothing is issued, charged or mailed.",
    ),
}

_EXPORT_JOURNAL_PARAMS: dict[str, Param] = {
    "period": Param(
        type="string",
        pattern=PERIOD_FORM,
        title="Month",
        description="YYYY-MM. What was posted earlier and isn't exported yet comes with it.",
    ),
    "reason": REASON_PARAM,
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Only say in the log what would be exported.",
    ),
}

_MAIL_PARAMS: dict[str, Param] = {
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": "^[ASC]-[0-9]{6}-[0-9]{6,}$"},
        title="Statements to send",
        description="Ids, one a line: A-202611-000042. What was sent goes out once more. Empty: send what waits.",
    ),
    "period": Param(
        None,
        type=["null", "string"],
        pattern=PERIOD_FORM,
        title="Billing period to send",
        description="YYYY-MM, instead of statements: all messages of the kind and in the states below.",
    ),
    "kind": Param(
        None,
        type=["null", "string"],
        enum=[None, "connector_statement", "account_statement", "correction", "failed_charge"],
        title="Kind of message",
        description="Needed with a period. With statements, empty: the statement itself.",
    ),
    "states": Param(
        ["held", "failed"],
        type="array",
        items={"type": "string", "enum": ["held", "failed", "unknown", "sent"]},
        title="States to send",
        description="Only with a period. unknown may have arrived, and sent has.",
    ),
    "reason": Param(
        None,
        type=["null", "string"],
        title="Reason",
        description="Why it is sent, in a few words; needed with statements or a period. It is kept in the audit.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Only say in the log what would be sent; nothing is sent and nothing written.",
    ),
}


@reports
def _send_mail(context: Mapping[str, Any]) -> list[ActionResult]:
    """Put what the Params ask for into the outbox, or say what would be; returns a row for each message.

    Without statements or a period nothing is asked for: the run sends what waits anyway.
    """
    from evbilling.mail import SendRequest, preview_send, request_send
    from evbilling.period import Period
    from evbilling_airflow.connections import services

    params = context["params"]
    if not params["statement_ids"] and not params["period"]:
        if params["kind"]:
            raise BadInput("a kind is given, but no statements and no period", where="this DAG run", fix="give one")
        return []
    asked = SendRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"] or "",
        statement_ids=tuple(params["statement_ids"] or ()),
        period=Period.parse(params["period"]) if params["period"] else None,
        kind=params["kind"] or None,
        states=tuple(params["states"]),
    )
    return (preview_send if params["dry_run"] else request_send)(services(), asked)


REBILL = OperatorAction("rebill", "rebill", "Re-Bill", "charge statements again", _REBILL_PARAMS, _rebill, is_bulk=True)
MARK_AS_PAID = OperatorAction(
    "mark_as_paid",
    "mark-as-paid",
    "Mark as Paid",
    "mark statements as paid",
    _MARK_AS_PAID_PARAMS,
    _mark_as_paid,
    is_bulk=True,
)
UNDO_MARK_AS_PAID = OperatorAction(
    "undo_mark_as_paid",
    "undo-mark-as-paid",
    "Undo Mark as Paid",
    "undo Mark as Paid",
    _UNDO_MARK_AS_PAID_PARAMS,
    _undo_mark_as_paid,
    most=1,
)
ACKNOWLEDGE_REFUND = OperatorAction(
    "acknowledge_refund",
    "acknowledge-refund",
    "Acknowledge refund",
    "acknowledge refunds",
    _ACKNOWLEDGE_REFUND_PARAMS,
    _acknowledge_refund,
    most=1,
)
CORRECT = OperatorAction(
    "correct_statements",
    "correct",
    "Correct",
    "correct statements",
    _CORRECTION_PARAMS,
    None,
    most=50,
    is_bulk=True,
)
ADJUST_STATEMENT = OperatorAction(
    "adjust_statement",
    "adjust-statement",
    "Credit or debit",
    "credit or debit statements",
    _ADJUST_STATEMENT_PARAMS,
    _adjust,
    most=1,
    module="adjust",
)
WRITE_OFF = OperatorAction(
    "write_off",
    "write-off",
    "Write off",
    "write off debts",
    _WRITE_OFF_PARAMS,
    _adjust,
    most=1,
    module="adjust",
)
REFUND_OUTSIDE = OperatorAction(
    "refund_outside",
    "refund-outside",
    "Credit sent back",
    "book credits that were sent back",
    _REFUND_OUTSIDE_PARAMS,
    _adjust,
    most=1,
    module="adjust",
)
REFUND_PAYMENT = OperatorAction(
    "refund_payment",
    "refund-payment",
    "Refund",
    "refund payments",
    _REFUND_PAYMENT_PARAMS,
    _refund_payment,
    most=1,
)
SEND_MAIL = OperatorAction("mail_delivery", "send-mail", "Send by mail", "send mail", _MAIL_PARAMS, _send_mail)

# Of months and accounts, not of statements: its page is evbilling_web.bill_month.
BILL_MONTH = OperatorAction("bill_month", "bill-month", "Bill the month", "bill months", _BILL_MONTH_PARAMS, None)
# Of the ledger: its page is evbilling_web.books.
EXPORT_JOURNAL = OperatorAction(
    "export_journal",
    "export-journal",
    "Export the journal",
    "export the journal",
    _EXPORT_JOURNAL_PARAMS,
    None,
)

# In the order in which pages offer them.
ACTIONS = (
    REBILL,
    MARK_AS_PAID,
    UNDO_MARK_AS_PAID,
    ACKNOWLEDGE_REFUND,
    CORRECT,
    ADJUST_STATEMENT,
    WRITE_OFF,
    REFUND_PAYMENT,
    REFUND_OUTSIDE,
    SEND_MAIL,
)
