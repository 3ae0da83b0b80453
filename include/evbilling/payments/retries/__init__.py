"""When a failed statement is tried again: decline classes, the planner, the plans in the warehouse, the runs."""

from evbilling.payments.retries.declines import DECLINES, NO_PAYMENT_METHOD, Decline, DeclineClass, decline_of, explain
from evbilling.payments.retries.planner import Policy

__all__ = ["DECLINES", "NO_PAYMENT_METHOD", "Decline", "DeclineClass", "Policy", "decline_of", "explain"]
