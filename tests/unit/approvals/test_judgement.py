"""Why a person is asked about a plan: each limit, at its figure and just beyond."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from evbilling.approvals.judgement import QUESTIONS, Example, Figures, Money, judge, late_by
from evbilling.approvals.policy import Mode, Policy
from evbilling.period import Period

NOVEMBER = Period(2026, 11)
TICK = datetime(2026, 11, 1, 12, tzinfo=UTC)
# As last month, but for ten connectors and 10 % of the money.
FIGURES = Figures(
    statements=5,
    not_compared=None,
    connectors_before=100,
    connectors_now=110,
    money=(Money("EUR", 2, 100_00, 110_00, 7_50), Money("JPY", 0, 1000, 1000, 0)),
    accounts_on_hold=2,
    first_accounts=1,
    accounts_beyond=3,
    example=Example("a", "Ann's", "EUR", 2, 10_00, 25_00),
)


def asked(figures: Figures = FIGURES, mode: Mode = Mode.WITHIN_LIMITS, **limits: Any) -> list[str]:
    return [question.reason_id for question in judge(Policy(NOVEMBER, mode, **limits), figures, None)]


@pytest.mark.parametrize(
    ("limit", "passes", "asks", "reason"),
    [
        ("max_connector_change_percent", "10", "9.99", "CONNECTORS-CHANGED"),
        ("max_money_change_percent", "10", "9.99", "MONEY-CHANGED"),
        ("max_expected_on_hold", "7.5", "7.49", "EXPECTED-ON-HOLD"),
    ],
)
def test_a_limit_is_the_most_that_passes(limit: str, passes: str, asks: str, reason: str) -> None:
    assert asked(**{limit: Decimal(passes)}) == []
    assert asked(**{limit: Decimal(asks)}) == [reason]


def test_counts_and_firsts() -> None:
    assert asked(max_accounts_on_hold=2) == []
    assert asked(max_accounts_on_hold=1) == ["ACCOUNTS-ON-HOLD"]
    assert asked(ask_first_month_of_account=True) == ["FIRST-MONTH-OF-ACCOUNT"]
    assert asked(replace(FIGURES, first_accounts=0), ask_first_month_of_account=True) == []
    first = replace(FIGURES, not_compared="no month was billed before")
    assert asked(first, ask_first_month=True, max_money_change_percent=Decimal(0)) == ["FIRST-MONTH"]
    assert asked(first, max_money_change_percent=Decimal(0)) == []


def test_from_nothing_any_change_is_too_large_and_none_is_none() -> None:
    new = replace(FIGURES, money=(Money("SEK", 2, 0, 1, 0), Money("NOK", 2, 0, 0, 0)))
    (question,) = judge(Policy(NOVEMBER, Mode.WITHIN_LIMITS, max_money_change_percent=Decimal(1000)), new, None)
    assert question.text == "SEK 0.01, and 0.00 last month; the limit is 1000 %"


def test_a_fall_counts_as_much_as_a_rise() -> None:
    fallen = replace(FIGURES, connectors_now=89)
    assert asked(fallen, max_connector_change_percent=Decimal("10.99")) == ["CONNECTORS-CHANGED"]
    assert asked(fallen, max_connector_change_percent=Decimal(11)) == []


def test_the_sentences_have_the_figures() -> None:
    policy = Policy(
        NOVEMBER,
        Mode.WITHIN_LIMITS,
        max_connector_change_percent=Decimal(5),
        max_money_change_percent=Decimal("2.5"),
        max_account_change_percent=Decimal(50),
        max_accounts_on_hold=0,
    )
    assert [question.text for question in judge(policy, FIGURES, None)] == [
        "110 connectors, and 100 last month (+10.0 %); the limit is 5 %",
        "EUR 110.00, and 100.00 last month (+10.0 %); the limit is 2.5 %",
        "Ann's changes by more than 50 %: EUR 25.00, and 10.00 last month (+150.0 %); so do 2 more",
        "2 accounts are on hold; the limit is 0",
    ]


def test_what_is_asked_whatever_the_limits_are() -> None:
    """In the order of docs/rules.md; limits count in their mode alone, and where nothing is issued nobody is asked."""
    always = Policy(NOVEMBER, Mode.ALWAYS, max_money_change_percent=Decimal(0))
    late = timedelta(hours=30)
    found = [question.reason_id for question in judge(always, FIGURES, late, lost_four_eyes=True)]
    assert found == ["ALWAYS-ASK", "LATE-START", "FOUR-EYES-DROPPED"]
    assert [q.reason_id for q in judge(None, FIGURES, late)] == ["LATE-START"]
    assert [q.reason_id for q in judge(None, FIGURES, None, is_partly_issued=True)] == ["PARTLY-ISSUED"]
    assert judge(None, FIGURES, None) == []
    assert judge(replace(always, mode=Mode.AT_ONCE), FIGURES, None) == []
    assert judge(always, replace(FIGURES, statements=0), late, lost_four_eyes=True) == []
    assert set(found) < set(QUESTIONS)


@pytest.mark.parametrize(
    ("due_at", "opened", "hours", "late"),
    [
        (TICK, TICK + timedelta(hours=6), None, False),
        (TICK, TICK + timedelta(hours=6, seconds=1), None, True),
        (TICK, TICK + timedelta(hours=30), 30, False),
        (TICK, TICK + timedelta(hours=30, seconds=1), 30, True),
        (None, TICK + timedelta(days=300), None, False),
    ],
)
def test_late_is_more_than_the_hours_after_the_tick(
    due_at: datetime | None, opened: datetime, hours: int | None, late: bool
) -> None:
    policy = None if hours is None else Policy(NOVEMBER, late_after_hours=hours)
    assert (late_by(due_at, opened, policy) is not None) is late
