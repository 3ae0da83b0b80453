"""Months that accounts were to be billed for and weren't, though nothing on record says why."""

from evbilling.missed_months.reading import REASONS, MissedMonth, MissedMonths, missed_months

__all__ = ["REASONS", "MissedMonth", "MissedMonths", "missed_months"]
