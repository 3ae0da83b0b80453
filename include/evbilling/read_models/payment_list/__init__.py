"""Payments of all statements, and breaks between the gateway and our record: the pages Payments, and as CSV."""

from evbilling.read_models.payment_list.breaks import BREAK_WORDS, ListedBreak, list_breaks, open_breaks
from evbilling.read_models.payment_list.payments import (
    WAYS,
    ListedPayment,
    PaymentFilter,
    list_payments,
    payments_csv,
)

__all__ = [
    "BREAK_WORDS",
    "WAYS",
    "ListedBreak",
    "ListedPayment",
    "PaymentFilter",
    "list_breaks",
    "list_payments",
    "open_breaks",
    "payments_csv",
]
