"""The plan of a month: what would be issued, and the change against the month before by cause."""

from evbilling.read_models.plan.figures import AccountPlan, CauseFigure, CurrencyPlan, MonthPlan
from evbilling.read_models.plan.reading import account_plan, changed_accounts, month_plan

__all__ = [
    "AccountPlan",
    "CauseFigure",
    "CurrencyPlan",
    "MonthPlan",
    "account_plan",
    "changed_accounts",
    "month_plan",
]
