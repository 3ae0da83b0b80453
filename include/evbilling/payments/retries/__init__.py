"""When a failed statement is tried again: decline classes, the planner, the plans in the warehouse, the runs."""

from evbilling.payments.retries.declines import DECLINES, DeclineClass, explain
from evbilling.payments.retries.planner import Policy

__all__ = ["DECLINES", "DeclineClass", "Policy", "explain"]
