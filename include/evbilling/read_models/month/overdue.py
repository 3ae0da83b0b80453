"""Which months should have been billed and aren't, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from evbilling.period import Period

# The schedule's hour, and how long a run may take until the month counts as late.
_DUE_AT = time(12, tzinfo=UTC)
_MAY_TAKE = timedelta(hours=1)
# Of a gap of years, the last months are enough.
_MOST = 12


def overdue(due_on: date, now: datetime) -> str | None:
    """ "overdue by 29 days" for what is due on a day at 12:00 UTC; None while it isn't."""
    due = datetime.combine(due_on, _DUE_AT)
    if now - due < _MAY_TAKE:
        return None
    days = (now - due).days
    return f"overdue by {days} day{'' if days == 1 else 's'}" if days else f"overdue since {due:%H:%M} UTC today"


def unbilled_months(billed: Collection[Period], first_setting: Period | None, now: datetime) -> list[Period]:
    """The months until now that no run has billed though accounts were to be, newest first, at most twelve.

    Billing begins with the first month billed, or else now; `first_setting` is the first month of the settings.
    """
    this = Period(now.year, now.month)
    begin = max(min(billed, default=this), first_setting) if first_setting else this.shifted(1)
    months = [this.shifted(-n) for n in range(12 * (this.year - begin.year) + this.month - begin.month + 1)]
    return [month for month in months if month not in billed][:_MOST]
