"""The plan of a month: what would be issued, and the change against the month before by cause."""

from evbilling.read_models.plan.figures import AccountPlan, CurrencyPlan, MonthPlan
from evbilling.read_models.plan.reading import account_plan, causes_of, changed_accounts, month_plan

__all__ = [
    "AccountPlan",
    "CurrencyPlan",
    "MonthPlan",
    "account_plan",
    "causes_of",
    "changed_accounts",
    "month_plan",
]
