"""A canary: the first few statements are issued, charged and mailed, and the rest only after a second word."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.approvals import Mode, Policy, asked_of, canary_of, record_policy
from evbilling.connector_statements import (
    ask_about_rest,
    close_run,
    issue_canary,
    issue_statements,
    plan_statements,
    record_answer,
    validate,
)
from evbilling.errors import BadInput, EvbillingError, NotReady, StaleTry
from evbilling.services import Services
from tests.support.month import (
    PERIOD,
    Platform,
    bill,
    check_standings,
    one,
    published,
    rows,
    settle_terms,
    stage,
    terms,
)
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

# Connectors of each account; the canary is the smallest of each currency in turn: b, z, d.
ACCOUNTS = {"a": (3, "EUR"), "b": (1, "EUR"), "c": (4, "EUR"), "d": (2, "EUR"), "y": (5, "CHF"), "z": (2, "CHF")}


class World:
    """Six accounts in good order and one on hold, under a policy with a canary of three."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path, mode: Mode = Mode.ALWAYS) -> None:
        self.platform = Platform(platform_url)
        for name, (connectors, currency) in ACCOUNTS.items():
            self.platform.plain_account(name, connectors=connectors, currency=currency)
        self.platform.plain_account("held", connectors=3)
        self.platform.save()
        self.platform.execute("update platform.app_user set active = false where user_id = 'fa-held'")
        settle_terms(warehouse.writer_url, *(terms(name) for name in (*ACCOUNTS, "held")))
        self.services = Services(platform_url, warehouse.writer_url, str(evidence))
        self.url = warehouse.admin_url
        self.policy(mode)

    def policy(self, mode: Mode, statements: int = 3) -> None:
        record_policy(self.services.warehouse_url, Policy(PERIOD, mode, canary_statements=statements), "paula", "r")

    def plan(self) -> tuple[int, dict[str, Any]]:
        run_id, *_ = stage(self.services, PERIOD)
        validate(self.services, run_id)
        return run_id, plan_statements(self.services, run_id)

    def answer(self, run_id: int, waiting: dict[str, Any], **given: Any) -> str:
        asked = {"plan_id": waiting["plan_id"], "plan_hash": waiting["plan_hash"], "scope": waiting["scope"]}
        answer = asked | {"approved": True, "actor": "olga", "reason": "seen"} | given
        return record_answer(self.services, run_id, **answer)

    def canary(self) -> tuple[int, dict[str, Any]]:
        """A month whose canary is issued; its run, and what is asked about the rest."""
        run_id, planned = self.plan()
        if planned["waiting"]["is_asked"]:
            self.answer(run_id, planned["waiting"])
        assert issue_canary(self.services, run_id)["statements"] == 3
        return run_id, ask_about_rest(self.services, run_id)["waiting"]

    def issued(self) -> list[tuple[str, int]]:
        query = "select account_id, number from billing.statement where kind = 'connector' order by number"
        return rows(self.url, query)

    def owner(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement.encode())


@pytest.fixture
def other_warehouse(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """A second fresh warehouse: the admin's URL and the writer's."""
    url = postgres.create_database("warehouse_at_once", template="warehouse_template")
    yield url, postgres.url("evbilling_writer", "warehouse_at_once", password="test")
    postgres.drop_database("warehouse_at_once")


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> World:
    return World(platform_db, warehouse_db, tmp_path)


CANARY, REST = [("b", 1), ("d", 2), ("z", 3)], [("a", 4), ("c", 5), ("y", 6)]


def _content(url: str) -> dict[str, Any]:
    """What a month comes to, without numbers and times: statements, decisions, ledger, standings, sums, mail."""
    by_account = "(select account_id from billing.statement s where s.statement_id = t.statement_id)"
    queries = {
        "statements": "select (to_jsonb(s) - array['statement_id', 'number', 'issued_at', 'run_id'])::text"
        " from billing.statement s order by 1",
        "decisions": "select d::text from billing.connector_decision d order by 1",
        "unbilled": "select account_id, reason_id, detail, expected_amount from billing.unbilled_account order by 1, 2",
        "transfers": f"select kind, {by_account}, debit_account, credit_account, amount_minor from billing.transfer t"
        " order by 2, 1",
        "standings": f"select {by_account}, t.account_key, t.connectors, t.total_minor, t.balance_minor, t.status::text"
        " from billing.standing t order by 1",
        "sums": "select currency, status::text, sum(statements), sum(connectors), sum(total_minor)"
        " from billing.statement_sum group by 1, 2 order by 1, 2",
        "mail": "select kind, account_id, period, occasion, state, requested_by from billing.mail order by 2",
        "counter": "select last_number from billing.statement_counter where kind = 'connector'",
        "tie_out": "select check_id, left_value, right_value, left_value = right_value from billing.tie_out order by 1",
    }
    return {name: rows(url, query) for name, query in queries.items()}


def test_a_canary_and_then_the_rest_are_what_all_at_once_is(world: World, other_warehouse: tuple[str, str]) -> None:
    """To the row, but for the numbers: the canary has the first. Each step once more writes nothing."""
    run_id, planned = world.plan()
    waiting = planned["waiting"]
    assert (waiting["scope"], waiting["is_asked"]) == ("canary", True)
    assert waiting["subject"].endswith("its canary first, 3 of them")
    with world.services.warehouse() as connection:
        canary = canary_of(connection, planned["plan_id"])
    assert [(one.account_id, one.currency, one.total, one.statement_id) for one in canary] == [
        ("b", "EUR", Decimal("5.95"), None),
        ("z", "CHF", Decimal("11.90"), None),
        ("d", "EUR", Decimal("11.90"), None),
    ]
    with pytest.raises(BadInput, match="isn't approved"):
        issue_canary(world.services, run_id)
    with pytest.raises(BadInput, match="in two steps: its canary, then the rest"):
        world.answer(run_id, waiting, scope="all")
    world.answer(run_id, waiting)
    with pytest.raises(BadInput, match="isn't approved"):
        issue_statements(world.services, run_id)
    with pytest.raises(BadInput, match="isn't issued yet"):
        world.answer(run_id, waiting, scope="rest")

    assert [issue_canary(world.services, run_id)["statements"] for _ in range(2)] == [3, 0]
    assert world.issued() == CANARY
    decided = "select distinct account_id from billing.connector_decision order by 1"
    assert [account for (account,) in rows(world.url, decided)] == ["b", "d", "z"]
    assert not rows(world.url, "select from billing.unbilled_account")
    assert rows(world.url, "select account_id from billing.mail order by 1") == [("b",), ("d",), ("z",)]
    asked = [ask_about_rest(world.services, run_id)["waiting"] for _ in range(2)][-1]
    assert (asked["scope"], asked["is_asked"], asked["plan_hash"]) == ("rest", True, planned["plan_hash"])
    assert asked["subject"] == "2026-11 waits for approval: the rest, 3 statements, CHF 29.75, EUR 41.65"
    assert "| b | A-202611-000001 | EUR 5.95 | Issued | pending |" in asked["body"]
    waits = "select statements, money ->> 'EUR', reason from billing.waiting_for_approval(now())"
    ((statements, euros, reason),) = rows(world.url, waits)
    assert (statements, euros) == (3, "41.65")
    assert "the rest waits for a second word" in reason
    with pytest.raises(BadInput, match="isn't approved"):
        issue_statements(world.services, run_id)

    for _ in range(2):
        world.answer(run_id, asked)
    assert not ask_about_rest(world.services, run_id)["waiting"]["is_asked"]
    issued = issue_statements(world.services, run_id)
    assert (issued["outcome"], issued["statements"]) == ("issued", 3)
    assert world.issued() == CANARY + REST
    assert close_run(world.services, run_id)["not_ok"] == []
    assert issue_canary(world.services, run_id)["outcome"] == "issued"
    check_standings(world.url)
    by_steps = _content(world.url)

    admin_url, writer_url = other_warehouse
    at_once = replace(world.services, warehouse_url=writer_url)
    settle_terms(at_once.warehouse_url, *(terms(name) for name in (*ACCOUNTS, "held")))
    bill(at_once)
    assert by_steps == _content(admin_url)


def test_under_a_policy_that_asks_nobody_the_canary_goes_at_once(world: World) -> None:
    """And the rest waits for a person all the same; no policy can have it issued."""
    world.policy(Mode.AT_ONCE)
    run_id, planned = world.plan()
    assert (planned["waiting"]["scope"], planned["waiting"]["is_asked"]) == ("canary", False)
    issue_canary(world.services, run_id)
    asked = ask_about_rest(world.services, run_id)["waiting"]
    call = "select billing.decide_on_plan(%s, %s, 'rest', 'approved', 'policy', 'x', 'x')"
    with pytest.raises(BadInput, match="no policy can"), world.services.warehouse() as connection:
        connection.execute(call.encode(), (asked["plan_id"], asked["plan_hash"]))
    world.answer(run_id, asked)
    assert issue_statements(world.services, run_id)["statements"] == 3


@pytest.mark.parametrize("statements", [0, 6, 7])
def test_a_plan_without_a_canary_is_issued_whole(world: World, statements: int) -> None:
    """None is wished for, or the plan has no more statements than it."""
    world.policy(Mode.ALWAYS, statements)
    run_id, planned = world.plan()
    assert planned["waiting"]["scope"] == "all"
    with pytest.raises(BadInput, match="as a whole: it has no canary"):
        world.answer(run_id, planned["waiting"], scope="canary")
    world.answer(run_id, planned["waiting"])
    assert issue_statements(world.services, run_id)["statements"] == 6


@pytest.mark.parametrize("statements", [0, 3])
def test_whoever_approves_may_pick_the_canary(world: World, statements: int) -> None:
    """Instead of those of the policy, or where it has none: with the decision, and only from what the plan issues."""
    world.policy(Mode.ALWAYS, statements)
    run_id, planned = world.plan()
    waiting = planned["waiting"]
    before = rows(world.url, "select account_id from billing.plan_canary order by 1")
    for picked, why in (
        (("c", "held"), "account held gets no statement by plan 1"),
        (("nobody", "c", "other"), "account nobody and another one get no statement"),
        (tuple(ACCOUNTS), "every statement of plan 1 is named"),
    ):
        with pytest.raises(BadInput, match=why):
            world.answer(run_id, waiting, canary=picked)
    with pytest.raises(BadInput, match="its hash is another"):
        world.answer(run_id, waiting, canary=("c",), plan_hash="0" * 64)
    with pytest.raises(BadInput, match="no reason"):
        world.answer(run_id, waiting, canary=("c",), reason=" ")
    assert rows(world.url, "select account_id from billing.plan_canary order by 1") == before
    assert not rows(world.url, "select from billing.plan_decision")

    # A task that is tried again.
    assert [world.answer(run_id, waiting, canary=("y", "c")) for _ in range(2)] == ["canary", "canary"]
    for other in (("c",), ("a", "c", "y")):
        with pytest.raises(BadInput, match="was decided on already, with another canary"):
            world.answer(run_id, waiting, canary=other)
    picked = "select account_id, canary_picked_by from finance.plan_accounts where is_canary order by 1"
    assert rows(world.url, picked) == [("c", "olga"), ("y", "olga")]
    assert rows(world.url, "select scope, actor from finance.plan_approvals") == [("canary", "olga")]
    with pytest.raises(BadInput, match="isn't approved"):
        issue_statements(world.services, run_id)
    assert issue_canary(world.services, run_id)["statements"] == 2
    asked = ask_about_rest(world.services, run_id)["waiting"]
    assert asked["subject"] == "2026-11 waits for approval: the rest, 4 statements, CHF 11.90, EUR 35.70"
    world.answer(run_id, asked)
    assert issue_statements(world.services, run_id)["statements"] == 4
    assert world.issued() == [("c", 1), ("y", 2), ("a", 3), ("b", 4), ("d", 5), ("z", 6)]
    assert close_run(world.services, run_id)["not_ok"] == []
    check_standings(world.url)


def test_of_two_picked_canaries_one_counts(world: World) -> None:
    """Two people approve at once, each with other accounts."""
    run_id, planned = world.plan()

    def say(actor: str) -> str:
        try:
            return world.answer(run_id, planned["waiting"], actor=actor, canary=(actor[0], "y"))
        except EvbillingError as error:
            return error.what

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(say, ("anna", "clara")))
    ((actor,),) = rows(world.url, "select actor from billing.plan_decision")
    assert said[0] == "canary"
    assert "already" in said[1]
    canary = rows(world.url, "select account_id, picked_by from billing.plan_canary order by 1")
    assert canary == [(actor[0], actor), ("y", actor)]
    assert issue_canary(world.services, run_id)["statements"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update staging.run_{run}_statement set total_minor = total_minor + 1 where account_id = 'a'", "was changed"),
        ("update staging.run_{run} set unit_price_minor = 1 where account_id = 'c' and rule_id is null", "was changed"),
        ("delete from staging.run_{run}_unbilled", "was changed"),
        ("update billing.statement set financial_admin_id = 'x' where account_id = 'b'", "account b has"),
        ("delete from billing.statement where account_id = 'd'", "account d has"),
        ("delete from billing.connector_decision where account_id = 'z' and connector_id = 1", "account z has"),
    ],
)
def test_what_was_changed_between_the_two_isn_t_issued(world: World, change: str, message: str) -> None:
    """Neither what is staged for the rest, nor what the canary has."""
    run_id, asked = world.canary()
    world.answer(run_id, asked)
    before = published(world.url)
    world.owner(change.format(run=run_id))
    with pytest.raises(BadInput, match=message):
        issue_statements(world.services, run_id)
    after = published(world.url)
    assert sum(map(len, after.values())) <= sum(map(len, before.values()))


def test_of_two_second_words_one_counts(world: World) -> None:
    """Given at once by two people, one to approve and one to reject; and none counts after it."""
    run_id, asked = world.canary()

    def say(actor: str) -> str:
        try:
            world.answer(run_id, asked, actor=actor, approved=actor == "olga")
        except EvbillingError as error:
            return error.what
        return "approved"

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(say, ("olga", "peter")))
    decided = rows(world.url, "select actor, decision from billing.plan_decision where scope = 'rest'")
    if decided == [("olga", "approved")]:
        assert issue_statements(world.services, run_id)["statements"] == 3
        assert said[0] == "approved"
    else:
        assert decided == [("peter", "rejected")]
        assert any("peter rejected the rest of 2026-11, so its canary alone is issued: seen" in word for word in said)
        with pytest.raises(BadInput, match="isn't approved"):
            issue_statements(world.services, run_id)


@pytest.mark.parametrize("actor", ["olga", None])
def test_a_rest_that_is_rejected_is_left_to_a_new_run(world: World, actor: str | None) -> None:
    """What is issued stays; the next run asks whatever the policy says, and issues what is missing, nothing twice."""
    run_id, asked = world.canary()
    with pytest.raises(NotReady, match="so its canary alone is issued"):
        world.answer(run_id, asked, approved=False, actor=actor)
    assert world.issued() == CANARY
    with pytest.raises(NotReady, match="the rest of plan 1 was rejected"):
        ask_about_rest(world.services, run_id)
    with pytest.raises(BadInput, match="2026-11 isn't billed yet: only its canary is issued"):
        stage(world.services, account_ids=("a",), airflow_dag_id="bill_month", reason="r")
    # What is missing is missed by the month as a whole, which is how it is billed.
    missed = "select distinct account_id, reason_id, reason from billing.missed_months_at('2026-12-01') order by 1"
    why = ("NEVER-BILLED", "only the canary of the month is issued")
    assert rows(world.url, missed) == [(account, *why) for account in ("a", "c", "held", "y")]
    level = "select state, reason_id from finance.service_levels where service_level = 'connector_statements'"
    assert rows(world.url, f"{level} and period = '2026-11'")[0][1] == "RUN_FAILED"

    world.policy(Mode.AT_ONCE)
    again, planned = world.plan()
    waiting = planned["waiting"]
    assert (planned["statements"], waiting["scope"], waiting["is_asked"]) == (3, "all", True)
    assert "`PARTLY-ISSUED`" in waiting["body"]
    call = "select billing.decide_on_plan(%s, %s, 'all', 'approved', 'policy', 'x', 'x')"
    with pytest.raises(BadInput, match="no policy can"), world.services.warehouse() as connection:
        connection.execute(call.encode(), (waiting["plan_id"], waiting["plan_hash"]))
    with pytest.raises(BadInput, match="can't have a canary any more: it has statements already"):
        world.answer(again, waiting, canary=("a",))
    world.answer(again, waiting)
    assert issue_statements(world.services, again)["statements"] == 3
    assert close_run(world.services, again)["not_ok"] == []
    assert world.issued() == CANARY + REST
    check_standings(world.url)
    assert one(world.url, "select count(*) from billing.mail") == 6


def test_a_new_plan_supersedes_the_rest_that_waits(world: World) -> None:
    """The older run issues nothing more, nobody answers for it, and the canary isn't issued twice."""
    first, asked = world.canary()
    again, planned = world.plan()
    assert (planned["statements"], planned["waiting"]["scope"]) == (3, "all")
    with pytest.raises(StaleTry, match="was superseded"):
        world.answer(first, asked)
    assert ask_about_rest(world.services, first) == {"outcome": "superseded", "waiting": None}
    assert issue_canary(world.services, first)["outcome"] == "superseded"
    assert issue_statements(world.services, first)["outcome"] == "superseded"
    with world.services.warehouse() as connection:
        waits = asked_of(connection, "2026-11")
    assert waits is not None
    assert (waits.plan_id, waits.scope) == (planned["plan_id"], "all")
    world.answer(again, planned["waiting"])
    assert issue_statements(world.services, again)["statements"] == 3
    assert world.issued() == CANARY + REST


def test_a_run_that_is_planned_again_after_its_canary_goes_on(world: World) -> None:
    """Its task plan was cleared: the same plan, with its decisions; the rest is asked about and issued."""
    run_id, _ = world.canary()
    planned = plan_statements(world.services, run_id)
    assert (planned["waiting"]["scope"], planned["waiting"]["is_asked"]) == ("canary", False)
    assert issue_canary(world.services, run_id)["statements"] == 0
    asked = ask_about_rest(world.services, run_id)["waiting"]
    assert asked["subject"] == "2026-11 waits for approval: the rest, 3 statements, CHF 29.75, EUR 41.65"
    world.answer(run_id, asked)
    world.owner("update billing.plan set made_at = now() - interval '1 day'")
    assert issue_statements(world.services, run_id)["statements"] == 3
    assert close_run(world.services, run_id)["not_ok"] == []
    assert world.issued() == CANARY + REST
    check_standings(world.url)


@pytest.mark.parametrize("step", ["canary", "rest"])
def test_what_is_killed_in_its_transaction_has_written_nothing(world: World, step: str) -> None:
    """The task that is tried again does it then, once."""
    run_id, planned = world.plan()
    world.answer(run_id, planned["waiting"])
    if step == "rest":
        issue_canary(world.services, run_id)
        world.answer(run_id, ask_about_rest(world.services, run_id)["waiting"])
    before = published(world.url)
    function = "publish_canary" if step == "canary" else "publish_connector_statements"
    epoch = one(world.url, "select epoch from billing.plan")
    with psycopg.connect(world.services.warehouse_url) as connection:
        connection.execute(f"select billing.{function}(%s, %s, 'x', 'x')".encode(), (run_id, epoch))
        pid = connection.info.backend_pid
        one(world.url, "select pg_terminate_backend(%s)", pid)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert published(world.url) == before
    issue = issue_canary if step == "canary" else issue_statements
    assert issue(world.services, run_id)["statements"] == 3
