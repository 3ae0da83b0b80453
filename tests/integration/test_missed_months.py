"""Missed months: which count, for which accounts, since when; issuing what is missing ends them, forgiving too."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import issue_statements, plan_statements
from evbilling.errors import BadInput
from evbilling.missed_months import (
    BASIS,
    MonthToForgive,
    decisions,
    forgive,
    forgive_by_policy,
    forgiven_months,
    missed_months,
    open_months,
    policies,
    runs_by_policy,
    set_policy,
    take_back,
)
from evbilling.period import Period
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview import preview_missed
from evbilling.service_levels import read_service_levels
from tests.support.books import Books
from tests.support.month import rows, settle_terms, stage, terms

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    books = Books(platform_db, warehouse_db, tmp_path)
    books.open("a", "b")
    return books


def missed(books: Books, now: datetime = NOW, account: str | None = None) -> list[tuple[Any, ...]]:
    query = "select period, account_id, reason_id, days_late from billing.missed_months_at(%s, %s) order by 1, 2"
    return rows(books.writer, query, now, account)


def enable(books: Books, account: str, first: Period, **changes: Any) -> None:
    """Switch an account on from a month on, that may be billed already."""
    books.platform.plain_account(account)
    books.platform.save()
    settle_terms(books.writer, terms(account, effective_from=first, **changes))


def test_a_month_that_never_ran_is_missed_by_all_from_its_due_time_on(books: Books) -> None:
    """Before any month was billed only this month counts; then each after the first, until it is billed."""
    assert missed(books, datetime(2026, 11, 1, 17, 59, tzinfo=UTC)) == []
    assert missed(books) == [("2026-11", "a", "NEVER-BILLED", 29), ("2026-11", "b", "NEVER-BILLED", 29)]
    books.bill("2026-09")
    assert [row[0] for row in missed(books)] == ["2026-10", "2026-10", "2026-11", "2026-11"]
    assert missed(books, account="b") == [("2026-10", "b", "NEVER-BILLED", 60), ("2026-11", "b", "NEVER-BILLED", 29)]
    books.bill("2026-10")
    assert [row[0] for row in missed(books)] == ["2026-11", "2026-11"]
    books.bill("2026-11")
    assert missed(books) == []


def test_an_account_switched_on_late_has_missed_the_months_its_setting_names(books: Books) -> None:
    """From its From period on, not before the first month billed; other accounts, and its own later months, haven't."""
    books.bill("2026-09")
    books.bill("2026-10")
    enable(books, "late", Period(2026, 10))
    enable(books, "since-ever", Period(2020, 1))
    enable(books, "next", Period(2026, 12))
    enable(books, "off", Period(2026, 9), charge_connectors=False)
    now = datetime(2026, 11, 1, 17, 59, tzinfo=UTC)
    expected = [
        ("2026-09", "since-ever", "ENABLED-LATE", 60),
        ("2026-10", "late", "ENABLED-LATE", 30),
        ("2026-10", "since-ever", "ENABLED-LATE", 30),
    ]
    assert missed(books, now) == expected
    assert missed(books, now, "late") == [expected[1]]
    assert missed(books, now, "off") == missed(books, now, "a") == missed(books, now, "nobody") == []
    books.bill("2026-11")
    assert missed(books) == [
        ("2026-09", "since-ever", "ENABLED-LATE", 90),
        ("2026-10", "late", "ENABLED-LATE", 60),
        ("2026-10", "since-ever", "ENABLED-LATE", 60),
    ]
    # Issuing what is missing ends it, and so does switching it off from that month on.
    books.bill("2026-10")
    settle_terms(books.writer, terms("since-ever", effective_from=Period(2020, 1), charge_connectors=False))
    assert missed(books) == []


def test_what_is_on_hold_or_has_nothing_to_bill_is_no_missed_month(books: Books) -> None:
    """It has its reason on record, also where a setting of it is new since the month was billed."""
    books.platform.plain_account("held")
    books.platform.plain_account("none", connectors=0)
    books.platform.save()
    settle_terms(books.writer, terms("held", financial_admin_id=None), terms("none"))
    books.bill("2026-11")
    settle_terms(books.writer, terms("held"), terms("none", "7.00"))
    assert missed(books) == []


def test_a_month_that_isnt_expected_is_never_late(books: Books) -> None:
    """Where the policy of service levels doesn't look at it, and later where it allows more time."""
    change = "select billing.set_service_level('connector_statements', %s, %s, 'ann', 'tests')"
    books.bill("2026-09")
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute(change, ("2026-10-01", None))
        connection.execute(change, ("2026-11-01", "30 days"))
    assert [row[0] for row in missed(books, datetime(2026, 12, 1, tzinfo=UTC))] == ["2026-11", "2026-11"]


def test_the_list_has_a_line_for_a_whole_month_and_one_for_each_single_account(books: Books) -> None:
    """The oldest first; of single accounts no more than asked for, with how many are left out."""
    books.bill("2026-10")
    for account in ("x", "y", "z"):
        enable(books, account, Period(2026, 10))
    with psycopg.connect(books.writer) as connection:
        connection.read_only = True
        found = missed_months(connection, NOW, limit=2)
        (own_october, own_november) = missed_months(connection, NOW, account_id="z").shown
    lines = [(str(one.period), one.account_id, one.accounts, one.days_late) for one in found.shown]
    assert lines == [("2026-10", "x", 1, 60), ("2026-10", "y", 1, 60), ("2026-11", None, 5, 29)]
    assert found.left_out == 1
    assert (own_october.account_id, own_november.is_whole) == ("z", True)
    day = str(rows(books.writer, "select max(recorded_at)::date from billing.account_setting")[0][0])
    assert own_october.reason == f"it was charged by a setting of {day}, after the month was billed"


def test_finance_reads_the_view(books: Books) -> None:
    """By the warehouse's own clock."""
    books.bill("2020-02")
    found = rows(books.warehouse.finance_url, "select account_id, period, days_late > 200 from finance.missed_months")
    assert {("a", "2020-03", True), ("b", "2020-03", True)} <= set(found)
    assert not {"2020-01", "2020-02"} & {period for _, period, _ in found}


def forgiven(books: Books, *months: tuple[str, str], now: datetime = NOW) -> int:
    """Forgive these months of accounts at what they would cost."""
    wanted = [(account, Period.parse(period)) for account, period in months]
    with books.services.warehouse() as connection:
        found = preview_missed(open_lookup(books.services.platform_url), connection, wanted, now=now)
        return forgive(connection, [one.month for one in found], actor="ann", reason="the outage")


def taken_back(books: Books, account: str, period: str) -> None:
    with books.services.warehouse() as connection:
        take_back(connection, account, Period.parse(period), actor="bob", reason="they agreed to pay")


def unforgiven(books: Books) -> list[tuple[str, str]]:
    with books.services.warehouse() as connection:
        found = open_months(connection, NOW, account_id=None, period=None, limit=50)
    return [(account, str(period)) for account, period in found]


def test_a_forgiven_month_is_on_record_with_its_amount_and_never_billed(books: Books) -> None:
    """By a run of the month it gets no statement and ties out; taken back, it is issued with the amount shown."""
    books.bill("2026-10")
    enable(books, "late", Period(2026, 10), fee_per_connector="7.00")
    assert forgiven(books, ("late", "2026-10")) == 1
    query = """select account_id, state, forgiven_by, forgiven_because, forgiven_connectors, forgiven_amount, currency
               from finance.missed_months where period = '2026-10'"""
    record = ("late", "forgiven", "ann", "the outage", 1, Decimal("8.3300"), "EUR")
    assert rows(books.warehouse.finance_url, query) == [record]
    assert ("late", "2026-10") not in unforgiven(books)
    books.bill("2026-10")
    statements = (
        "select account_id, total_amount from finance.statements where kind = 'connector' and period = '2026-10'"
    )
    assert len(rows(books.writer, statements)) == 2
    why = "select reason_id, detail, expected_amount, is_quarantined from finance.unbilled_accounts"
    ((reason_id, detail, expected, is_held),) = rows(books.writer, why)
    assert (reason_id, expected, is_held) == ("FORGIVEN", Decimal("8.3300"), False)
    assert detail.startswith("forgiven by ann on ")
    assert detail.endswith(": the outage")
    assert rows(books.writer, "select * from finance.tie_out where not is_ok") == []
    taken_back(books, "late", "2026-10")
    assert ("late", "2026-10") in unforgiven(books)
    books.bill("2026-10")
    assert ("late", Decimal("8.33")) in rows(books.writer, statements)
    assert rows(books.writer, why) == rows(books.writer, "select * from finance.tie_out where not is_ok") == []
    actions = "select actor, action, subject_id, reason from finance.audit_events where action like '%forg%' order by 2"
    assert [row[:3] for row in rows(books.writer, actions)] == [
        ("ann", "forgive_month", "late 2026-10"),
        ("bob", "take_back_forgiveness", "late 2026-10"),
    ]


def test_only_what_is_missed_can_be_forgiven_and_only_once(books: Books) -> None:
    """All that is asked for, or nothing; each refusal names account, month and why."""
    books.bill("2026-10")
    november = ("a", "2026-11")
    with pytest.raises(BadInput, match="2026-10 of b is issued as A-202610-000002, so nothing was forgiven"):
        forgiven(books, november, ("b", "2026-10"))
    with pytest.raises(BadInput, match="2026-09 of a isn't a missed month"):
        forgiven(books, november, ("a", "2026-09"))
    assert forgiven(books, november) == 1
    with pytest.raises(BadInput, match="2026-11 of a is forgiven already, by ann"):
        forgiven(books, ("b", "2026-11"), november)
    with pytest.raises(BadInput, match="2026-11 of b isn't forgiven"):
        taken_back(books, "b", "2026-11")
    with books.services.warehouse() as connection, pytest.raises(BadInput, match="say why they are forgiven"):
        forgive(connection, [MonthToForgive("b", Period(2026, 11))], actor="ann", reason=" ")
    with books.services.warehouse() as connection:
        ((one),) = forgiven_months(connection, "a")
    assert (one.period, one.amount, one.currency, one.actor) == (Period(2026, 11), Decimal("5.9500"), "EUR", "ann")


def test_a_month_forgiven_to_all_isnt_late_and_one_of_them_taken_back_is(books: Books) -> None:
    """In the service levels, from which pages, alerts and `evbilling check` take it."""

    def level() -> tuple[str, str | None]:
        with books.services.warehouse() as connection:
            found = read_service_levels(connection, NOW)
        (own,) = [one for one in found if (one.service_level, one.period) == ("connector_statements", "2026-11")]
        return own.state, own.reason_id

    books.bill("2026-10")
    forgiven(books, ("a", "2026-11"))
    assert level() == ("late", "NO_RUN")
    forgiven(books, ("b", "2026-11"))
    assert level() == ("ok", None)
    taken_back(books, "a", "2026-11")
    assert level() == ("late", "NO_RUN")
    books.bill("2026-11")
    billed = "select account_id from finance.statements where kind = 'connector' and period = '2026-11'"
    assert rows(books.writer, billed) == [("a",)]
    assert rows(books.writer, "select * from finance.tie_out where not is_ok") == []
    # Billed with the other one left out: taken back, that is missed, and says why.
    taken_back(books, "b", "2026-11")
    assert missed(books) == [("2026-11", "b", "LEFT-OUT", 29)]


def test_a_plan_says_what_is_forgiven(books: Books) -> None:
    """All of the account's change has that cause, in the month and in the one after it."""
    cause = "select account_id, connectors, amount from finance.plan_changes where period = %s and cause = 'FORGIVEN'"
    books.bill("2026-09")
    forgiven(books, ("a", "2026-10"))
    books.bill("2026-10")
    assert rows(books.writer, cause, "2026-10") == [("a", -1, Decimal("-5.95"))]
    books.bill("2026-11")
    assert rows(books.writer, cause, "2026-11") == [("a", 1, Decimal("5.95"))]


def test_what_was_forgiven_after_the_plan_isnt_issued(books: Books) -> None:
    """The run that planned it fails before it publishes; a new one leaves the account out."""
    books.bill("2026-10")
    run_id, *_ = stage(books.services, "2026-11")
    plan_statements(books.services, run_id)
    forgiven(books, ("b", "2026-11"))
    with pytest.raises(BadInput, match="2026-11 of b was forgiven by ann after it was planned, so nothing was issued"):
        issue_statements(books.services, run_id)
    assert rows(books.writer, "select * from finance.statements where period = '2026-11'") == []
    books.bill("2026-11")
    assert [row[1] for row in rows(books.writer, "select period, account_id from finance.statements")][-1] == "a"


def test_forgiving_and_issuing_at_once_does_one_of_them(books: Books, full: bool) -> None:
    """Whoever is second waits, and is refused: never both, never neither."""
    books.bill("2020-02")
    issued = forgiven_count = 0
    months = range(3, 7) if full else range(3, 4)
    for month in months:
        period = f"2020-{month:02}"
        run_id, *_ = stage(books.services, period)
        plan_statements(books.services, run_id)
        start = threading.Barrier(2)

        def issuing(run_id: int = run_id, start: threading.Barrier = start) -> bool:
            start.wait()
            try:
                issue_statements(books.services, run_id)
            except BadInput:
                return False
            return True

        def forgiving(period: str = period, start: threading.Barrier = start) -> bool:
            start.wait()
            try:
                with books.services.warehouse() as connection:
                    forgive(connection, [MonthToForgive("a", Period.parse(period))], actor="ann", reason="r")
            except BadInput:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(issuing), pool.submit(forgiving)]
            was_issued, was_forgiven = (one.result() for one in done)
        assert was_issued != was_forgiven, period
        statements = rows(
            books.writer, "select 1 from finance.statements where period = %s and account_id = 'a'", period
        )
        assert len(statements) == was_issued
        issued, forgiven_count = issued + was_issued, forgiven_count + was_forgiven
    assert issued + forgiven_count == len(months)


def ruled(books: Books, policy: str, account: str | None = None) -> bool:
    """Record a policy, of an account or of all."""
    with books.services.warehouse() as connection:
        return set_policy(connection, account, policy, actor="ann", reason=f"we {policy}")


def decided(books: Books, **if_recorded: str | None) -> list[tuple[str, str, str, str | None]]:
    """Month, account, what is decided on it, and why that isn't what its policy says."""
    with books.services.warehouse() as connection:
        found = decisions(connection, NOW, **if_recorded)
    return [(str(one.period), one.account_id, one.decision, one.why) for one in found]


def daily(books: Books) -> tuple[int, list[dict[str, Any]]]:
    """A run of the DAG missed_months: how many months it forgave, and the runs that it triggers."""
    with books.services.warehouse() as connection:
        platform = open_lookup(books.services.platform_url)
        forgiven_count = forgive_by_policy(
            connection,
            NOW,
            lambda months: [one.month for one in preview_missed(platform, connection, months, now=NOW)],
            basis=BASIS,
        )
        return forgiven_count, runs_by_policy(connection, NOW)


def test_a_policy_bills_what_it_is_asked_to_and_once(books: Books) -> None:
    """One run a month, the oldest first, with the accounts that are missing; the same again has the same id."""
    for month in ("2026-09", "2026-10", "2026-11"):
        books.bill(month)
    enable(books, "x", Period(2026, 10))
    enable(books, "y", Period(2026, 9))
    assert daily(books) == (0, [])
    assert [row[2:] for row in decided(books)] == [("ask", None)] * 5
    assert ruled(books, "bill")
    _, runs = daily(books)
    assert [run["conf"] for run in runs] == [
        {"period": "2026-09", "reason": "missed, and to be billed by policy 1", "account_ids": ["y"]},
        {"period": "2026-10", "reason": "missed, and to be billed by policy 1", "account_ids": ["x", "y"]},
        {"period": "2026-11", "reason": "missed, and to be billed by policy 1", "account_ids": ["x", "y"]},
    ]
    assert daily(books) == (0, runs)
    # An account's own policy counts more, and an account less is another run.
    assert ruled(books, "ask", "x")
    _, others = daily(books)
    assert [run["conf"].get("account_ids") for run in others] == [["y"]] * 3
    assert others[0] == runs[0]
    assert not {run["run_id"] for run in others[1:]} & {run["run_id"] for run in runs}
    books.bill("2026-10")
    assert [run["conf"]["period"] for run in daily(books)[1]] == ["2026-09", "2026-11"]


def test_a_policy_forgives_with_the_amount_and_its_number(books: Books) -> None:
    """Older months too. Taken back, the month is left to a person, until a policy is recorded that is newer."""
    books.bill("2026-10")
    enable(books, "late", Period(2026, 10), fee_per_connector="7.00")
    ruled(books, "bill")
    ruled(books, "forgive", "late")
    assert daily(books)[0] == 2
    with books.services.warehouse() as connection:
        own = forgiven_months(connection, "late")
    assert [(one.amount, one.actor, one.reason) for one in own] == [(Decimal("8.3300"), "policy 2", "we forgive")] * 2
    assert daily(books)[0] == 0
    taken_back(books, "late", "2026-10")
    why = "it was forgiven, and bob took that back"
    assert ("2026-10", "late", "ask", why) in decided(books)
    assert daily(books)[0] == 0
    query = (
        "select policy, decision, decision_reason from finance.missed_months where account_id = 'late' and state = %s"
    )
    assert rows(books.warehouse.finance_url, query, "missed")[0] == ("forgive", "ask", why)
    ruled(books, "bill", "late")
    assert ("2026-10", "late", "bill", None) in decided(books)


def test_a_month_that_never_ran_is_billed_as_a_whole_or_not(books: Books) -> None:
    """Not while an account of it is left to a person; what a policy forgives is forgiven first, and left out."""
    books.bill("2026-10")
    ruled(books, "bill")
    ruled(books, "ask", "b")
    words = "the month was never billed, so it is billed as a whole, and b is left to a person"
    november = [("2026-11", "a", "ask", words), ("2026-11", "b", "ask", None)]
    assert [row for row in decided(books) if row[0] == "2026-11"] == november
    assert [run for run in daily(books)[1] if run["conf"]["period"] == "2026-11"] == []
    # As it would be with another policy, which isn't recorded by looking.
    assert decided(books, if_policy="bill", if_account_id="b")[0] == ("2026-11", "b", "bill", None)
    ruled(books, "forgive", "b")
    count, runs = daily(books)
    assert (count, runs[0]["conf"]) == (1, {"period": "2026-11", "reason": "missed, and to be billed by policy 1"})
    books.bill("2026-11")
    billed = "select account_id from finance.statements where kind = 'connector' and period = '2026-11'"
    assert rows(books.writer, billed) == [("a",)]
    assert rows(books.writer, "select * from finance.tie_out where not is_ok") == []


def test_a_month_that_a_run_is_at_is_left_alone(books: Books) -> None:
    """So is one whose plan waits for a person: its run hasn't ended."""
    books.bill("2026-10")
    ruled(books, "bill")
    run_id, *_ = stage(books.services, "2026-11")
    assert decided(books)[0][2:] == ("ask", f"run {run_id} of the month hasn't ended")
    assert daily(books)[1] == []


def test_a_policy_is_recorded_once_with_who_and_why(books: Books) -> None:
    """The newest of the account counts; each is kept, and in the audit."""
    assert [ruled(books, "bill"), ruled(books, "bill"), ruled(books, "forgive", "a"), ruled(books, "ask")] == [
        True,
        False,
        True,
        True,
    ]
    columns = "account_id, policy, is_in_force, recorded_by, reason"
    query = f"select {columns} from finance.missed_month_policies order by policy_id"
    assert rows(books.warehouse.finance_url, query) == [
        (None, "bill", False, "ann", "we bill"),
        ("a", "forgive", True, "ann", "we forgive"),
        (None, "ask", True, "ann", "we ask"),
    ]
    audit = "select subject_id, reason from finance.audit_events where action = 'missed_month_policy_changed'"
    assert ("a", "forgive: we forgive") in rows(books.writer, audit)
    with books.services.warehouse() as connection:
        assert [one.policy for one in policies(connection, "a")] == ["ask", "forgive", "bill"]
        for policy, actor, reason, words in (
            ("forget", "ann", "r", "'forget' is no policy"),
            ("bill", " ", "r", "with who and why"),
            ("bill", "ann", " ", "say why it is set"),
        ):
            with pytest.raises(BadInput, match=words):
                set_policy(connection, None, policy, actor=actor, reason=reason)
