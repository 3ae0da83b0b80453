"""The state of a month, in a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from evbilling.period import Period
from evbilling.read_models.month.figures import (
    BilledMonth,
    Check,
    Doubt,
    LeftOutFigure,
    MonthOverview,
    MonthRun,
    OtherFigure,
    StatusFigure,
)
from evbilling.read_models.month.state import month_state

PERIOD = Period(2026, 11)
# The evening of the 31st in New York: what is said is in UTC.
NOON = datetime(2026, 11, 1, 2, tzinfo=UTC).astimezone(timezone(timedelta(hours=-4)))


def month(statements: int = 0, **changes: Any) -> MonthOverview:
    """A month of so many statements, with nothing else to tell."""
    empty: dict[str, Any] = dict.fromkeys(
        ("statuses", "others", "failures", "declines", "receivables", "checks", "runs"), ()
    )
    left_out = dict.fromkeys(("quarantined", "nothing_to_bill", "withheld"), LeftOutFigure())
    history = (BilledMonth(PERIOD, statements, 3 * statements),)
    values = {"period": PERIOD, "day": date(2026, 12, 1), "issued_at": NOON if statements else None, "stated_at": None}
    return MonthOverview(**(empty | left_out | values | {"history": history, "under_way": 0} | changes))


def run(state: str, dag_id: str = "connector_statements", **changes: Any) -> MonthRun:
    """A run of the month."""
    blank = MonthRun(7, dag_id, dag_id, "manual__1", state, "ann", NOON, None, 0, 0, has_validation_page=False)
    return replace(blank, **changes)


CASES: list[tuple[MonthOverview, str, str]] = [
    (month(), "plain", "Not billed yet."),
    (
        month(runs=(run("open"),)),
        "plain",
        "Not billed yet. Run 7 has been running since 1 November 2026, 02:00 UTC.",
    ),
    (
        month(runs=(run("failed"),)),
        "bad",
        "Not billed yet. The last run of connector_statements (7) stopped on 1 November 2026; the reason is below.",
    ),
    (month(runs=(run("superseded"), run("failed"))), "plain", "Not billed yet."),
    (month(1), "good", "Issued on 1 November 2026: 1 connector statement for 3 connectors."),
    (
        month(2000, quarantined=LeftOutFigure(1), withheld=LeftOutFigure(2)),
        "warn",
        "Issued on 1 November 2026: 2,000 connector statements for 6,000 connectors."
        " 1 account is on hold and 2 account statements are withheld."
        " Fix the problems below, then issue the missing statements.",
    ),
    (
        month(2, others=(OtherFigure("account", "EUR", 2, Decimal(1)),), stated_at=NOON + timedelta(days=29)),
        "good",
        "Issued on 1 November 2026: 2 connector statements for 6 connectors."
        " 2 account statements issued on 30 November 2026.",
    ),
    (month(0, overdue="overdue by 29 days"), "bad", "Not billed yet. It is overdue by 29 days."),
    (
        month(2, statements_overdue="overdue by 3 days"),
        "bad",
        "Issued on 1 November 2026: 2 connector statements for 6 connectors."
        " The account statements are overdue by 3 days.",
    ),
    (
        month(2, doubts=(Doubt("All is well", "1 of 3 not so"),)),
        "good",
        "Issued on 1 November 2026: 2 connector statements for 6 connectors."
        " 1 thing in the inventory looks doubtful; see below.",
    ),
    (
        month(2, runs=(run("differs", differing=1),)),
        "warn",
        "Issued on 1 November 2026: 2 connector statements for 6 connectors. According to run 7, 1 issued"
        " statement would now be different; Correct, in the list of statements, shows and issues the differences.",
    ),
    (
        month(2, checks=(Check("a", "l", Decimal(1), "r", Decimal(2)), Check("b", "l", Decimal(1), "r", Decimal(1)))),
        "bad",
        "Issued on 1 November 2026: 2 connector statements for 6 connectors."
        " 1 pair of figures that must agree differs.",
    ),
    (
        month(2, runs=(run("failed", "account_statements"), run("issued")), quarantined=LeftOutFigure(1)),
        "bad",
        "Issued on 1 November 2026: 2 connector statements for 6 connectors."
        " The last run of account_statements (7) stopped on 1 November 2026; the reason is below."
        " 1 account is on hold. Fix the problems below, then issue the missing statements.",
    ),
]


@pytest.mark.parametrize(("given", "kind", "sentence"), CASES, ids=[case[2][-40:] for case in CASES])
def test_the_sentence(given: MonthOverview, kind: str, sentence: str) -> None:
    """What is issued, what runs, what stopped, what has to be fixed; the worst of it gives the kind."""
    state = month_state(given)
    assert (state.kind, state.sentence) == (kind, sentence)


def test_a_month_that_waits_for_a_person_isnt_running() -> None:
    """For what it waits, since when, and until when; the worst that is known of it still gives the kind."""
    waits = (NOON + timedelta(minutes=10), NOON + timedelta(days=2))
    sentence = (
        "Run 7 waits since 1 November 2026, 02:10 UTC for a person to approve its plan; without an answer until"
        " 3 November 2026, 02:00 UTC it is rejected."
    )
    state = month_state(month(runs=(run("open"),)), waits)
    assert (state.kind, state.sentence) == ("warn", f"Not billed yet. {sentence}")
    state = month_state(month(runs=(run("open"),), overdue="overdue by 1 day"), waits)
    assert (state.kind, state.sentence) == ("bad", f"Not billed yet. It is overdue by 1 day. {sentence}")


def test_currencies_by_their_statements() -> None:
    """The one with the most statements first; letters only decide between equals."""
    figures = [("JPY", 2), ("EUR", 1), ("EUR", 4), ("CHF", 2)]
    statuses = tuple(StatusFigure(c, "Paid", n, Decimal(1), Decimal(0)) for c, n in figures)
    assert month(9, statuses=statuses).currencies == ("EUR", "CHF", "JPY")
