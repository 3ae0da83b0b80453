"""Collecting what statements come to: the charge at issue, retries, operators' actions, reconciliation.

Rooms: `gateway` (Stripe, amounts, pace), `retries` (declines, planner, plans), `actions` (Re-Bill, Mark as Paid, undo).
"""

from evbilling.payments.alarms import require_in_order
from evbilling.payments.charge import charge_period
from evbilling.payments.hold import open_hold
from evbilling.payments.reconciliation import (
    compare,
    periods_with_payments,
    require_all_booked,
    require_no_breaks,
    settle_unknown,
    tie_out_payments,
)
from evbilling.payments.retries.runs import Retry, close_retries, due_retries, month_end_retries, open_retries
from evbilling.payments.services import PaymentServices, open_payment_services

__all__ = [
    "PaymentServices",
    "Retry",
    "charge_period",
    "close_retries",
    "compare",
    "due_retries",
    "month_end_retries",
    "open_hold",
    "open_payment_services",
    "open_retries",
    "periods_with_payments",
    "require_all_booked",
    "require_in_order",
    "require_no_breaks",
    "settle_unknown",
    "tie_out_payments",
]
