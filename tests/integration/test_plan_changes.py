"""The change by cause adds up exactly and is what a recount finds, connector by connector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from evbilling.causes import CAUSES
from tests.support.plans import (
    Bill,
    Month,
    Place,
    Recount,
    Terms,
    bills_of,
    issue_month,
    planned_changes,
    stage_month,
)

pytestmark = pytest.mark.postgres

_ACCOUNTS = st.sampled_from(["a", "b", "c"])
_TERMS = st.builds(
    Terms,
    fee=st.sampled_from([500, 333, 0]),
    dc_fee=st.sampled_from([900, 333, 0]),
    tax_rate=st.sampled_from([Decimal("0.19"), Decimal("0.075"), Decimal(0)]),
    exclude_closed=st.booleans(),
    exclude_private=st.booleans(),
    currency=st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
    is_on_hold=st.sampled_from([False, False, False, True]),
    is_forgiven=st.sampled_from([*[False] * 9, True]),
)
_PLACE = st.builds(
    Place,
    account_id=_ACCOUNTS,
    power_type=st.sampled_from(["AC", "DC"]),
    is_in_service=st.sampled_from([True, True, True, False]),
    scope=st.sampled_from(["Public", "Public", "Private", "Closed"]),
)
_KEY = st.tuples(st.sampled_from(["x", "y", "z"]), st.integers(1, 4))
_MONTH = st.builds(
    Month,
    st.dictionaries(_ACCOUNTS, _TERMS, min_size=1),
    st.dictionaries(_KEY, _PLACE, max_size=10),
)


def _month(*owners: str) -> Month:
    """Accounts a and b with the same terms, and a charger of one connector for each of its owners."""
    places = {("x", number): Place(owner) for number, owner in enumerate(owners, 1)}
    return Month({"a": Terms(), "b": Terms()}, places)


@st.composite
def _two_months(draw: st.DrawFn) -> tuple[Month, Month | None, Month]:
    """A month, what it is corrected to, and the next: mostly alike, as months are."""
    before = draw(_MONTH)

    def changed(month: Month) -> Month:
        terms = {name: draw(st.one_of(st.just(t), _TERMS)) for name, t in month.terms.items()}
        if draw(st.booleans()):
            terms |= draw(st.dictionaries(_ACCOUNTS, _TERMS, max_size=1))
        places = {key: draw(st.one_of(st.just(p), st.just(p), _PLACE)) for key, p in month.places.items()}
        for key in draw(st.lists(_KEY, max_size=3)):
            if key in places:
                del places[key]
            else:
                places[key] = draw(_PLACE)
        return Month(terms, places)

    corrected = None
    if draw(st.booleans()):
        drawn = changed(before)
        # A correction has the original's currency, and an account that wasn't decided gets none.
        kept = {
            name: replace(drawn.terms[name], currency=t.currency, is_on_hold=t.is_on_hold, is_forgiven=t.is_forgiven)
            for name, t in before.terms.items()
        }
        corrected = Month(kept, drawn.places)
    now = changed(before)
    if draw(st.integers(0, 4)) == 0:
        now = Month({name: t for name, t in now.terms.items() if draw(st.booleans())}, now.places)
    return before, corrected, now


@pytest.fixture
def connection(warehouse_db: Any) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's session, whose transaction is never committed."""
    with psycopg.connect(warehouse_db.admin_url) as connection:
        yield connection
        connection.rollback()


def _planned(connection: psycopg.Connection[Any], period: str, month: Month) -> tuple[int, int, int]:
    run_id, epoch = stage_month(connection, period, month, "connector_statements")
    (plan_id,) = connection.execute("select plan_id from billing.make_plan(%s, %s)", (run_id, epoch)).fetchone() or (0,)
    return run_id, epoch, plan_id


def _corrected(connection: psycopg.Connection[Any], before: Month, corrected: Month) -> dict[str, Bill]:
    """Issue the corrections that are due; the accounts that have one, as it left them."""
    run_id, epoch = stage_month(connection, "2026-10", corrected, "correct_statements")
    connection.execute("select billing.publish_corrections(%s, %s, '{}', null, 'ann', 'x')", (run_id, epoch))
    query = "select distinct account_id from billing.statement where kind = 'correction'"
    bills = bills_of(corrected)
    return {account_id: bills[account_id] for (account_id,) in connection.execute(query)}


def _check(
    connection: psycopg.Connection[Any], seen: Counter[str], before: Month, corrected: Month | None, now: Month
) -> None:
    run_id, epoch, _ = _planned(connection, "2026-10", before)
    issue_month(connection, run_id, epoch)
    bills = _corrected(connection, before, corrected) if corrected else {}
    _, _, plan_id = _planned(connection, "2026-11", now)
    found = planned_changes(connection, plan_id)
    totals = """select account_id, currency, connectors_now - connectors_before, total_now_minor - total_before_minor
                from billing.plan_account where plan_id = %s"""
    for account_id, currency, connectors, minor in connection.execute(totals, (plan_id,)).fetchall():
        causes = found.get((account_id, currency), {}).values()
        assert (sum(c for c, _ in causes), sum(m for _, m in causes)) == (connectors, minor), (account_id, currency)
    assert found == Recount(before, bills, now).count()
    seen.update(cause for causes in found.values() for cause in causes)


def test_causes_add_up_and_are_those_of_a_recount(connection: psycopg.Connection[Any], full: bool) -> None:
    """For any two months with corrections between them, per account and currency, in connectors and money."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=500 if full else 25,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @example((_month("a", "b"), None, _month("b", "b")))
    @example((_month("a", "a"), _month("a"), _month("a", "a")))
    @given(_two_months())
    def check(months: tuple[Month, Month | None, Month]) -> None:
        connection.execute("savepoint example")
        try:
            _check(connection, seen, *months)
        finally:
            connection.execute("rollback to savepoint example")

    check()
    if full:
        assert set(seen) == {cause.id for cause in CAUSES} - {"NOT-COMPARED"}
