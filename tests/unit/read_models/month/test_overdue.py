"""What should have been billed and isn't: since when, and which months."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from evbilling.period import Period
from evbilling.read_models.month.overdue import overdue, unbilled_months

FIRST = date(2026, 11, 1)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (datetime(2026, 10, 31, 23, tzinfo=UTC), None),
        (datetime(2026, 11, 1, 12, 59, tzinfo=UTC), None),
        (datetime(2026, 11, 1, 13, tzinfo=UTC), "overdue since 12:00 UTC today"),
        (datetime(2026, 11, 2, 12, tzinfo=UTC), "overdue by 1 day"),
        (datetime(2026, 11, 30, 18, tzinfo=UTC), "overdue by 29 days"),
    ],
)
def test_how_late_a_month_is(now: datetime, said: str | None) -> None:
    """From an hour after the schedule's on; whole days are counted."""
    assert overdue(FIRST, now) == said


@pytest.mark.parametrize(
    ("billed", "first_setting", "missing"),
    [
        (["2026-08", "2026-10"], "2020-01", ["2026-11", "2026-09"]),
        (["2026-08", "2026-10"], "2026-10", ["2026-11"]),
        (["2026-11"], "2020-01", []),
        ([], "2020-01", ["2026-11"]),
        ([], "2026-12", []),
        ([], None, []),
        (["2026-11"], None, []),
        (["2000-01"], "1990-01", [f"2026-{month:02}" for month in range(11, 0, -1)] + ["2025-12"]),
    ],
)
def test_which_months_are_missing(billed: list[str], first_setting: str | None, missing: list[str]) -> None:
    """Those since the first month billed, of accounts that were to be billed then; of many, the last twelve."""
    setting = Period.parse(first_setting) if first_setting else None
    found = unbilled_months(set(map(Period.parse, billed)), setting, datetime(2026, 11, 30, tzinfo=UTC))
    assert list(map(str, found)) == missing
