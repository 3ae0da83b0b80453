"""Months that accounts were to be billed for and weren't, though nothing on record says why; billed, or forgiven."""

from evbilling.missed_months.forgiving import (
    BASIS,
    ForgivenMonth,
    MonthToForgive,
    forgive,
    forgiven_months,
    open_months,
    take_back,
)
from evbilling.missed_months.reading import REASONS, MissedMonth, MissedMonths, missed_months

__all__ = [
    "BASIS",
    "REASONS",
    "ForgivenMonth",
    "MissedMonth",
    "MissedMonths",
    "MonthToForgive",
    "forgive",
    "forgiven_months",
    "missed_months",
    "open_months",
    "take_back",
]
