"""What is due: why and who has to act, whichever way it is filtered and sorted; and the view that finance reads."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row

from evbilling.payments.due import BY_ID, DUE_REASONS, WhoActs
from evbilling.period import Period
from evbilling.read_models.due import DueFilter, DueSort, due_csv, export_due, figures_of, list_due
from evbilling.read_models.due.filters import SORTS
from evbilling.read_models.month import AGES, age_of
from tests.support.month import rows
from tests.support.postgres import PostgresServer
from tests.support.statement_list import PERIODS, listed_world

pytestmark = pytest.mark.postgres

DAY = date(2026, 12, 15)


class Fact(NamedTuple):
    """A statement on which something is due, by the tables and by the rule in words."""

    statement_id: str
    account_id: str
    period: Period
    currency: str
    balance: Decimal
    reason_id: str
    next_at: datetime | None
    last_decline: str | None
    attempts: int


class World(NamedTuple):
    """A connection as the writer, its URL, and all that is due."""

    connection: psycopg.Connection[Any]
    url: str
    facts: list[Fact]


def facts_in(connection: psycopg.Connection[Any]) -> list[Fact]:
    """All that is due, statement by statement."""
    attempts: dict[str, list[Any]] = {}
    cursor = connection.cursor(row_factory=namedtuple_row)
    for row in cursor.execute("select * from billing.payment_attempt order by statement_id, attempt_no"):
        attempts.setdefault(row.statement_id, []).append(row)
    plans = {
        row.statement_id: row
        for row in cursor.execute("select * from billing.payment_plan where reason_id <> 'PAID'").fetchall()
    }
    (is_on_hold,) = connection.execute("select exists (select from finance.charging_holds where lifted_at is null)")
    found = []
    for row in cursor.execute(
        "select * from finance.statements where kind = 'connector' and balance_due > 0 order by statement_id"
    ).fetchall():
        tried, plan = attempts.get(row.statement_id, []), plans.get(row.statement_id)
        reason = plan.reason_id if plan else "FIRST-TRY"
        outcomes = [attempt.outcome for attempt in tried]
        if reason != "UNACCOUNTED-PAYMENT":
            if "pending" in outcomes:
                reason = "UNDER-WAY"
            elif "unknown" in outcomes:
                reason = "OUTCOME-UNKNOWN"
            elif is_on_hold[0] and reason in {"FIRST-TRY", "TO-BE-PLANNED", "RETRY", "CAPPED"}:
                reason = "ON-HOLD"
            elif plan and reason in {"FIRST-TRY", "TO-BE-PLANNED"} and outcomes[-1:] == ["refused"]:
                reason = "NOT-ACCEPTED"
        declines = [attempt.decline_code for attempt in tried if attempt.outcome == "declined"]
        at = plan.planned_at if plan and plan.reason_id == reason else None
        found.append(
            Fact(
                row.statement_id,
                row.account_id,
                Period.parse(row.period),
                row.currency,
                row.balance_due,
                reason,
                at,
                declines[-1] if declines else None,
                len(outcomes) - outcomes.count("refused"),
            )
        )
    return found


@pytest.fixture(scope="module")
def world(postgres: PostgresServer) -> Iterator[World]:
    """See `World`; nothing of it changes."""
    url = listed_world(postgres, "what_is_due")
    with psycopg.connect(url) as connection:
        facts = facts_in(connection)
        assert {fact.reason_id for fact in facts} >= {
            "RETRY",
            "NO-METHOD",
            "HARD-DECLINE",
            "CAPPED",
            "GIVEN-UP",
            "TO-BE-PLANNED",
            "UNACCOUNTED-PAYMENT",
            "UNDER-WAY",
            "OUTCOME-UNKNOWN",
            "NOT-ACCEPTED",
            "FIRST-TRY",
        }
        yield World(connection, url, facts)


def is_wanted(wanted: DueFilter, fact: Fact) -> bool:
    """By the words of `DueFilter`, one statement at a time."""
    return (
        BY_ID[fact.reason_id].who_acts in (wanted.who or tuple(WhoActs))
        and fact.reason_id in (wanted.reasons or (fact.reason_id,))
        and (wanted.age is None or age_of(fact.period, DAY) == wanted.age)
        and fact.period == (wanted.period or fact.period)
        and fact.currency == (wanted.currency or fact.currency)
        and fact.account_id == (wanted.account or fact.account_id)
        and fact.last_decline == (wanted.decline or fact.last_decline)
    )


def expected(world: World, wanted: DueFilter, sort: DueSort) -> list[str]:
    """The statements in order: what has no next try comes last, whichever way it is sorted."""

    def key(fact: Fact) -> tuple[Any, ...]:
        keys: dict[str, tuple[Any, ...]] = {
            "statement": (),
            "balance": (fact.currency, fact.balance),
            "next": (str(fact.next_at),),
        }
        return (*keys[sort.by], fact.statement_id)

    found = [fact for fact in world.facts if is_wanted(wanted, fact)]
    last = [fact for fact in found if sort.by == "next" and fact.next_at is None]
    first = sorted((fact for fact in found if fact not in last), key=key, reverse=sort.descending)
    last.sort(key=lambda fact: fact.statement_id, reverse=sort.descending)
    return [fact.statement_id for fact in first + last]


FILTERS = st.builds(
    DueFilter,
    who=st.sets(st.sampled_from(list(WhoActs)), max_size=2).map(tuple),
    reasons=st.just(()) | st.sets(st.sampled_from(sorted(BY_ID)), max_size=4).map(tuple),
    age=st.sampled_from([None, None, *(age for age, _ in AGES)]),
    period=st.sampled_from([None, None, *map(Period.parse, PERIODS)]),
    account=st.sampled_from(["", "", "", "acc-10", "acc-4", "acc-99"]),
    currency=st.sampled_from([None, None, "EUR", "JPY", "USD"]),
    decline=st.sampled_from(["", "", "", "insufficient_funds", "no_payment_method", "x"]),
)
SORTED = st.builds(DueSort, st.sampled_from(list(SORTS)), st.booleans())


@given(FILTERS, SORTED, st.sampled_from([3, 20, 500]))
def test_all_pages_together_are_what_is_filtered(world: World, wanted: DueFilter, sort: DueSort, limit: int) -> None:
    """Nothing twice, nothing left out, in order, and backwards the same pages; never two currencies mixed."""
    pages, after = [], None
    while after is not None or not pages:
        pages.append(list_due(world.connection, wanted, DAY, sort, after=after, limit=limit))
        after = pages[-1].next
    assert [row.statement_id for page in pages for row, _ in page.rows] == expected(world, wanted, sort)
    for page, earlier in itertools.pairwise(reversed(pages)):
        again = list_due(world.connection, wanted, DAY, sort, before=page.previous, limit=limit)
        assert again.rows == earlier.rows
    matches = pages[0].matches
    assert matches == (len(expected(world, wanted, sort)) if wanted.account or wanted.decline else None)


def test_figures_are_what_is_due(world: World) -> None:
    """By reason, month and currency, to the cent; written-off statements are in none."""
    right: dict[tuple[str, Period, str], list[Any]] = {}
    for fact in world.facts:
        sums = right.setdefault((fact.reason_id, fact.period, fact.currency), [0, Decimal(0)])
        sums[0], sums[1] = sums[0] + 1, sums[1] + fact.balance
    found = figures_of(world.connection)
    assert {(f.reason_id, f.period, f.currency): [f.statements, f.balance] for f in found} == right
    assert len(found) == len(right)


def test_finance_reads_the_same(world: World) -> None:
    """The view has each with its reason in the words of the rules, tries, next try and age; so has the CSV."""
    view = rows(
        world.url,
        """select statement_id, reason_id, reason, who_acts, attempts, last_decline_code, next_attempt_at, balance_due,
                  due_since, age_days = current_date - due_since from finance.due order by statement_id""",
    )
    assert view == [
        (
            fact.statement_id,
            fact.reason_id,
            BY_ID[fact.reason_id].words,
            str(BY_ID[fact.reason_id].who_acts),
            fact.attempts,
            fact.last_decline,
            fact.next_at,
            fact.balance,
            fact.period.first_day,
            True,
        )
        for fact in world.facts
    ]
    lines = b"".join(due_csv(export_due(world.connection, DueFilter(), DAY))).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [fact.statement_id for fact in world.facts]


def test_the_view_has_the_reasons_of_the_rules(world: World) -> None:
    """Each id, who has to act and the words, as docs/rules.md has them."""
    found = rows(world.url, "select reason_id, who_acts, reason from billing.due_reason")
    assert found == [(reason.id, str(reason.who_acts), reason.words) for reason in DUE_REASONS]


def test_on_hold_nothing_is_tried(postgres: PostgresServer, world: World) -> None:
    """What would go on by itself waits for us; what needs the customer still does."""
    assert world.facts
    with psycopg.connect(postgres.url(database="what_is_due")) as connection:
        connection.execute("insert into billing.charging_hold (sign, detail) values ('server', 'restored')")
        facts = facts_in(connection)
        counted = Counter(fact.reason_id for fact in facts)
        assert counted["ON-HOLD"] > 0
        assert not counted.keys() & {"RETRY", "CAPPED", "FIRST-TRY"}
        found = Counter[str]()
        for figure in figures_of(connection):
            found[figure.reason_id] += figure.statements
        assert found == counted
        on_hold = list_due(connection, DueFilter(reasons=("ON-HOLD",)), DAY, limit=500).rows
        assert [row.statement_id for row, _ in on_hold] == [f.statement_id for f in facts if f.reason_id == "ON-HOLD"]
        connection.rollback()
