"""The operators' actions on statements, and their results as codes. The same for a DAG, a page or a script."""

from evbilling.payments.actions.acknowledge_refund import (
    Debt,
    RefundRequest,
    ReturnedPayment,
    acknowledge_refund,
    preview_acknowledge_refund,
    returned_payments,
)
from evbilling.payments.actions.adjust import (
    LONGEST_CUSTOMER_TEXT,
    Adjustment,
    AdjustRequest,
    WaitingAdjustment,
    adjust_statement,
    preview_adjust_statement,
    set_adjustment_limit,
    waiting_adjustments,
)
from evbilling.payments.actions.allowed import (
    FAILED,
    ActionFacts,
    refused_actions,
    status_if_charged,
    status_if_marked,
    status_if_undone,
)
from evbilling.payments.actions.expected import parse_totals, require_reason, total_by_currency, totals_text
from evbilling.payments.actions.facts import MethodTries, load_action_facts, tries_of_methods
from evbilling.payments.actions.mark_as_paid import (
    MarkRequest,
    earliest_day,
    latest_today,
    mark_statements,
    preview_mark_statements,
)
from evbilling.payments.actions.rebill import RebillRequest, charge_again, preview_rebill
from evbilling.payments.actions.refund_payment import RefundPaymentRequest, preview_refund_payment, refund_payment
from evbilling.payments.actions.results import Action, ActionResult, Code
from evbilling.payments.actions.undo_mark_as_paid import (
    OutsidePayment,
    UndoRequest,
    outside_payments,
    preview_reverse_payment,
    reverse_payment,
)
from evbilling.payments.actions.wording import CHARGE_REFUSALS, describe, line, refusal

__all__ = [
    "CHARGE_REFUSALS",
    "FAILED",
    "LONGEST_CUSTOMER_TEXT",
    "Action",
    "ActionFacts",
    "ActionResult",
    "AdjustRequest",
    "Adjustment",
    "Code",
    "Debt",
    "MarkRequest",
    "MethodTries",
    "OutsidePayment",
    "RebillRequest",
    "RefundPaymentRequest",
    "RefundRequest",
    "ReturnedPayment",
    "UndoRequest",
    "WaitingAdjustment",
    "acknowledge_refund",
    "adjust_statement",
    "charge_again",
    "describe",
    "earliest_day",
    "latest_today",
    "line",
    "load_action_facts",
    "mark_statements",
    "outside_payments",
    "parse_totals",
    "preview_acknowledge_refund",
    "preview_adjust_statement",
    "preview_mark_statements",
    "preview_rebill",
    "preview_refund_payment",
    "preview_reverse_payment",
    "refund_payment",
    "refusal",
    "refused_actions",
    "require_reason",
    "returned_payments",
    "reverse_payment",
    "set_adjustment_limit",
    "status_if_charged",
    "status_if_marked",
    "status_if_undone",
    "total_by_currency",
    "totals_text",
    "tries_of_methods",
    "waiting_adjustments",
]
