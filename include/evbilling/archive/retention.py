"""Which months stay in the warehouse."""

from __future__ import annotations

from datetime import date

from evbilling.errors import BadInput
from evbilling.period import Period

# So many months, the one under way among them, stay unless somebody says otherwise: a year and the month to compare.
KEEP_MONTHS = 13


def require_old(period: Period, keep_months: int, today: date) -> None:
    """Raise `BadInput` if the period is among the `keep_months` months that end with today's."""
    if period.shifted(keep_months).first_day > today:
        youngest = Period(today.year, today.month).shifted(-keep_months)
        raise BadInput(
            f"{period} is among the {keep_months} months that stay in the warehouse",
            where="period",
            fix=f"drop {youngest} or older, or keep fewer with --keep-months",
        )
