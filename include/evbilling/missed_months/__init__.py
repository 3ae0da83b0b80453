"""Months that accounts were to be billed for and weren't, though nothing on record says why; billed, or forgiven."""

from evbilling.missed_months.forgiving import (
    BASIS,
    ForgivenMonth,
    MonthToForgive,
    forgive,
    forgiven_accounts,
    forgiven_months,
    open_months,
    take_back,
)
from evbilling.missed_months.policy import (
    POLICIES,
    Decision,
    MissedMonthPolicy,
    decisions,
    forgive_by_policy,
    policies,
    runs_by_policy,
    set_policy,
)
from evbilling.missed_months.reading import REASONS, MissedMonth, MissedMonths, missed_months

__all__ = [
    "BASIS",
    "POLICIES",
    "REASONS",
    "Decision",
    "ForgivenMonth",
    "MissedMonth",
    "MissedMonthPolicy",
    "MissedMonths",
    "MonthToForgive",
    "decisions",
    "forgive",
    "forgive_by_policy",
    "forgiven_accounts",
    "forgiven_months",
    "missed_months",
    "open_months",
    "policies",
    "runs_by_policy",
    "set_policy",
    "take_back",
]
