"""A plan is what would be issued: bound by its hash to every staged cell, and nothing else is published."""

from __future__ import annotations

import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.cli.main import main
from evbilling.connector_statements import apply_scope_rules, correct_statements, issue_statements, plan_statements
from evbilling.errors import BadInput, NotReady
from evbilling.services import Services
from tests.support.month import (
    OF_THE_RUN_ITSELF,
    PERIOD,
    Platform,
    bill,
    contents,
    one,
    published,
    rows,
    settle_terms,
    stage,
    staging_tables,
    terms,
)

pytestmark = pytest.mark.postgres

# The run's own record, what every step raises, and what accounts and chargers are called.
_BESIDE = {*OF_THE_RUN_ITSELF, "account_name", "charger_name"}


class World:
    """Two accounts in good order, one on hold, and one whose connectors are all excluded."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        for name in ("a", "b", "held", "nothing"):
            self.platform.plain_account(name, connectors=3)
        self.platform.save()
        self.platform.execute("update platform.app_user set active = false where user_id = 'fa-held'")
        self.platform.execute("update platform.charger set scope_status = 'Private' where account_id = 'nothing'")
        settle_terms(
            warehouse.writer_url, terms("a"), terms("b"), terms("held"), terms("nothing", exclude_private=True)
        )
        self.services = Services(platform_url, warehouse.writer_url, str(evidence))
        self.url = warehouse.admin_url

    def planned(self, period: Any = PERIOD) -> int:
        run_id, *_ = stage(self.services, period)
        plan_statements(self.services, run_id)
        return run_id

    def plans(self) -> list[tuple[Any, ...]]:
        """(run, whether superseded, whether issued) of each plan."""
        query = "select run_id, superseded_at is not null, issued_at is not null from billing.plan order by plan_id"
        return rows(self.url, query)

    def do(self, statement: str) -> None:
        """As a superuser, without triggers."""
        with psycopg.connect(self.url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement.encode())


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> World:
    return World(platform_db, warehouse_db, tmp_path)


def test_planning_writes_nothing_but_the_plan_and_issuing_exactly_it(world: World) -> None:
    """The plan counts what is issued afterwards; planned again, the run has the same plan."""
    run_id, *_ = stage(world.services)
    before = contents(world.url, leave_out=_BESIDE)
    planned = plan_statements(world.services, run_id)
    assert contents(world.url, leave_out=_BESIDE) == before
    assert {name: planned[name] for name in ("outcome", "statements", "connectors", "on_hold")} == {
        "outcome": "planned",
        "statements": 2,
        "connectors": 6,
        "on_hold": 1,
    }
    assert plan_statements(world.services, run_id) == planned
    assert one(world.url, "select billing.plan_hash_of(%s)", run_id) == planned["plan_hash"]
    assert issue_statements(world.services, run_id)["statements"] == 2
    assert world.plans() == [(run_id, False, True)]
    assert plan_statements(world.services, run_id)["plan_id"] is None


def test_an_issued_month_with_the_same_truth_has_an_empty_plan(world: World) -> None:
    """Nothing would be issued, and nothing is."""
    bill(world.services)
    again, *_ = stage(world.services)
    assert plan_statements(world.services, again)["statements"] == 0
    assert issue_statements(world.services, again)["outcome"] == "unchanged"


def test_the_writer_can_t_change_what_is_planned(world: World) -> None:
    """Neither by writing to the staged tables nor by the functions that stage; a cleared task stages and plans anew."""
    run_id = world.planned()
    for statement in (
        f"delete from staging.run_{run_id}_unbilled",
        f"insert into staging.run_{run_id}_unbilled (account_id, reason_id) values ('a', 'X')",
        f"update staging.run_{run_id} set unit_price_minor = 1",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(world.services.warehouse_url) as c:
            c.execute(statement.encode())
    for call in (f"billing.settle_stage({run_id}, '{{a}}', '{{}}', 'X')", f"billing.yield_to_published({run_id})"):
        with pytest.raises(BadInput, match="is planned, so"), world.services.warehouse() as connection:
            connection.execute(f"select {call}".encode())
    apply_scope_rules(world.services, run_id, 0)
    with pytest.raises(BadInput, match="has staged something else since plan 1") as refused:
        issue_statements(world.services, run_id)
    assert refused.value.fix == "clear its task plan"
    assert not any(published(world.url).values())
    plan_statements(world.services, run_id)
    assert world.plans() == [(run_id, False, False)]
    assert issue_statements(world.services, run_id)["statements"] == 2


def test_a_newer_run_of_the_month_takes_the_place_of_a_plan(world: World) -> None:
    """So does a correction of it: its run stages with a newer fence. Both end as superseded, and nothing fails.

    A look at what would be corrected leaves the plan as it is.
    """
    first, second = world.planned(), world.planned()
    assert world.plans() == [(first, True, False), (second, False, False)]
    assert issue_statements(world.services, first)["outcome"] == "superseded"
    assert issue_statements(world.services, second)["outcome"] == "issued"
    third, seen, corrected = world.planned(), stage(world.services)[0], stage(world.services)[0]
    correct_statements(world.services, seen, reason="a look", dry_run=True)
    assert world.plans()[-1] == (third, False, False)
    assert rows(world.url, "select billing.require_plan(run_id, epoch) from billing.plan where run_id = %s", third)
    correct_statements(world.services, corrected, reason="a correction")
    assert issue_statements(world.services, third)["outcome"] == "superseded"


def test_a_run_without_a_plan_names_the_task_to_clear(world: World) -> None:
    """`issue_statements` never makes a plan of its own."""
    run_id, *_ = stage(world.services)
    with pytest.raises(NotReady, match="has no plan"):
        issue_statements(world.services, run_id)


def test_a_plan_that_waited_is_issued_with_the_time_of_its_issue(world: World) -> None:
    """It stays staged, and its statements, postings and mail have the time at which they are published."""
    run_id = world.planned()
    world.do(f"update billing.plan set made_at = made_at - interval '9 days' where run_id = {run_id}")
    world.do(f"update billing.run set opened_at = opened_at - interval '9 days' where run_id = {run_id}")
    world.do(f"update staging.run_{run_id}_issue set issued_at = issued_at - interval '9 days'")
    bill(world.services, "2026-10")
    assert f"run_{run_id}" in staging_tables(world.url)
    assert issue_statements(world.services, run_id)["statements"] == 2
    query = "select count(*) from billing.statement where issued_at < now() - interval '1 day'"
    assert one(world.url, query) == 0


# Another value than any of this type; `{}` is the column.
_OTHERWISE = {
    "text": "coalesce({}, '') || 'x'",
    "billing.period": "'2020-01'",
    "billing.statement_status": "'Paid'",
    "boolean": "not {}",
    "timestamp with time zone": "coalesce({}, now()) + interval '1 microsecond'",
    "date": "{} + 1",
}
_COLUMNS = """select c.oid::regclass::text, attname, format_type(atttypid, null) from pg_attribute
    join pg_class c on c.oid = attrelid
    where relnamespace = 'staging'::regnamespace and relname ~ %s and relkind = 'r' and attnum > 0
      and not attisdropped and attgenerated = '' order by 1, 2"""


def test_any_byte_changed_after_planning_is_refused(world: World, full: bool) -> None:
    """A cell that a superuser changes, a row that goes: the table refuses the change, or publishing the plan."""
    run_id = world.planned()
    epoch = one(world.url, "select epoch from billing.plan")
    # What chargers are called was kept when it was planned.
    columns = rows(world.url, _COLUMNS, rf"^run_{run_id}(?!.*_names$)(_|$)")
    assert len({table for table, _, _ in columns}) == 8
    refused, draw = 0, random.Random(15)  # ruff: ignore[suspicious-non-cryptographic-random-usage]
    with psycopg.connect(world.url) as connection:
        connection.execute("set session_replication_role = replica")
        for number in range(10_000 if full else 60):
            table, column, kind = draw.choice(columns)
            other = _OTHERWISE.get(kind, "coalesce({}, 0) + 1").format(column)
            row = f"(select ctid from {table} order by random() limit 1)"
            change = f"update {table} set {column} = {other} where ctid = {row}"
            if number % 10 == 0:
                change = f"delete from {table} where ctid = {row}"
            try:
                connection.execute(change.encode())
            except (psycopg.errors.IntegrityError, psycopg.errors.NumericValueOutOfRange):
                connection.rollback()
                continue
            with pytest.raises(psycopg.Error, match=f"what run {run_id} has staged is not plan 1 of") as found:
                connection.execute("select billing.publish_connector_statements(%s, %s, 'x', 'x')", (run_id, epoch))
            assert found.value.sqlstate == "EV004", change
            connection.rollback()
            refused += 1
    assert refused > (3_000 if full else 20)
    assert issue_statements(world.services, run_id)["statements"] == 2


def test_the_command_prints_the_plan(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Sums by cause, what is on hold, the largest changes; one account alone; all of it as CSV; no plan is refused."""
    bill(world.services, "2026-10")
    world.platform.station("more", "a", connectors=2)
    world.platform.save()
    world.planned()
    command = ["plan", "2026-11", "--url", world.services.warehouse_url]
    assert main(command) == 0
    printed = capfd.readouterr().out
    for words in ("Not issued yet. Compared with 2026-10", "2 statements for 8 connectors", "On hold", "17.85 EUR"):
        assert words in printed
    assert re.search(r"New +\+2 +\+11.90 +1", printed)
    assert main([*command, "--account", "a"]) == 0
    assert re.search(r"a +3 -> 5 +29.75 +\+11.90 EUR", capfd.readouterr().out)
    assert main([*command, "--csv"]) == 0
    assert capfd.readouterr().out.splitlines()[1:] == ["a,Name of a,EUR,NEW,2,11.90"]
    assert main([*command, "--account", "x"]) == 2
    assert main(["plan", "2020-01", "--url", world.services.warehouse_url]) == 2
    assert "2020-01 has no plan" in capfd.readouterr().err


def test_a_later_run_plans_only_what_is_missing(world: World) -> None:
    """The account that was fixed is compared with the month before; those that are issued aren't in the plan."""
    bill(world.services, "2026-10")
    bill(world.services)
    world.platform.execute("update platform.app_user set active = true")
    run_id = world.planned()
    query = """select account_id, cause, c.connectors, amount
               from finance.plan_changes c join finance.plans using (plan_id) where run_id = %s"""
    assert rows(world.url, query, run_id) == [("held", "ON-HOLD", 3, Decimal("17.85"))]
    accounts = "select account_id from finance.plan_accounts a join finance.plans using (plan_id) where run_id = %s"
    assert sorted(rows(world.url, accounts, run_id)) == [("held",), ("nothing",)]


def test_a_month_without_a_predecessor_is_compared_with_nothing(world: World) -> None:
    """The first month ever, and one after a month whose decisions are archived; the plan says why."""
    bill(world.services, "2026-10")
    said = "select not_compared from finance.plans order by plan_id desc limit 1"
    assert one(world.url, said) == "no earlier month was billed"
    world.do(
        """insert into billing.archived_period
               (period, store, files, decisions, billed, unit_price_minor, digest, actor, dropped_at)
           values ('2026-10', 'x', '[]', 0, 0, 0, 0, 'ann', now())"""
    )
    world.planned()
    assert one(world.url, said) == "the decisions of 2026-10, the last month billed, are archived"
    causes = "select distinct cause from finance.plan_changes where period = '2026-11'"
    assert rows(world.url, causes) == [("NOT-COMPARED",)]


def test_a_superseded_plan_keeps_its_accounts_only_if_it_was_decided_on(world: World) -> None:
    """Its sums stay in any case."""
    undecided = world.planned()
    world.do("truncate billing.plan_decision")
    decided = world.planned()
    world.planned()
    query = """select count(*) filter (where p.run_id = %s), count(*) filter (where p.run_id = %s)
               from billing.{} a join billing.plan p using (plan_id)"""
    assert rows(world.url, query.format("plan_account"), undecided, decided) == [(0, 4)]
    assert rows(world.url, query.format("plan_sum"), undecided, decided) == [(2, 2)]
