"""A month is issued when its plan is approved, as it is: by the policy, or by a person who may, before its deadline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.approvals import (
    Mode,
    Policy,
    Scope,
    asked_of,
    decide,
    parse_policy,
    record_policy,
    recorded_policies,
    reject_ended_run,
    why_not_theirs,
)
from evbilling.connector_statements import issue_statements, plan_statements, record_answer
from evbilling.errors import BadInput, EvbillingError, NotReady, StaleTry
from evbilling.period import Period
from evbilling.services import Services
from tests.support.month import PERIOD, Platform, bill, one, published, rows, settle_terms, stage, terms

pytestmark = pytest.mark.postgres

OCTOBER = Period(2026, 10)


class World:
    """Two accounts in good order and one on hold; a policy if `policy` was called."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        for name in ("a", "b", "held"):
            self.platform.plain_account(name, connectors=3)
        self.platform.save()
        self.platform.execute("update platform.app_user set active = false where user_id = 'fa-held'")
        settle_terms(warehouse.writer_url, terms("a"), terms("b"), terms("held"))
        self.services = Services(platform_url, warehouse.writer_url, str(evidence))
        self.url = warehouse.admin_url

    def policy(self, mode: Mode = Mode.ALWAYS, actor: str = "paula", **fields: Any) -> None:
        policy = Policy(**({"effective_from": PERIOD, "mode": mode} | fields))
        record_policy(self.services.warehouse_url, policy, actor, "as decided")

    def plan(self, period: Period = PERIOD, due_at: datetime | None = None) -> tuple[int, dict[str, Any]]:
        run_id, *_ = stage(self.services, period)
        return run_id, plan_statements(self.services, run_id, due_at=due_at)

    def answer(self, run_id: int, planned: dict[str, Any], **given: Any) -> None:
        asked = {"plan_id": planned["plan_id"], "plan_hash": planned["plan_hash"], "scope": "all"}
        answer = {"approved": True, "actor": "olga", "reason": "looked at it"}
        record_answer(self.services, run_id, **(asked | answer | given))

    def asked_because(self, planned: dict[str, Any]) -> list[str]:
        """The ids of the reasons for which a person is asked about this plan; none: nobody is."""
        query = "select asked_because from finance.plan_approvals where plan_id = %s and is_waiting"
        return [reason for (ids,) in rows(self.url, query, planned["plan_id"]) for reason in ids]

    def decided(self) -> list[tuple[Any, ...]]:
        query = "select decision, decided_by, actor, reason from billing.plan_decision order by decision_id"
        return rows(self.url, query)


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> World:
    return World(platform_db, warehouse_db, tmp_path)


def test_without_a_policy_a_month_is_issued_at_once(world: World) -> None:
    """The approval is on record all the same, bound to the plan."""
    run_id, planned = world.plan()
    assert planned["waiting"] is None
    assert world.decided() == [("approved", "policy", "no policy", "no approval policy is set")]
    assert issue_statements(world.services, run_id)["statements"] == 2


def test_a_plan_that_waits_is_issued_once_it_is_approved(world: World) -> None:
    """Until then nothing is; the record says who, why and of which plan. Asked and answered again, nothing changes."""
    world.policy()
    run_id, planned = world.plan()
    waiting = planned["waiting"]
    assert (waiting["plan_hash"], waiting["scope"], waiting["deadline_hours"]) == (planned["plan_hash"], "all", 48.0)
    assert waiting["subject"] == "2026-11 waits for approval: 2 statements, EUR 35.70"
    assert "`ALWAYS-ASK`" in waiting["body"]
    assert planned["plan_hash"] in waiting["body"]
    with pytest.raises(BadInput, match=r"plan 1 of 2026-11 isn't approved"):
        issue_statements(world.services, run_id)
    assert not any(published(world.url).values())
    assert plan_statements(world.services, run_id)["waiting"]["plan_id"] == waiting["plan_id"]

    for _ in range(2):
        world.answer(run_id, planned)
    assert world.decided() == [("approved", "person", "olga", "looked at it")]
    assert plan_statements(world.services, run_id)["waiting"] is None
    assert issue_statements(world.services, run_id)["statements"] == 2
    world.answer(run_id, planned)
    _, again = world.plan()
    assert (again["statements"], again["waiting"]) == (0, None)
    query = "select actor, reason from billing.audit_event where action = 'approve_plan' and subject_id = '2026-11'"
    assert rows(world.url, query) == [("olga", "looked at it")]


def test_a_rejection_ends_the_run_and_a_new_one_asks_anew(world: World) -> None:
    """By a person, by the deadline or with its run: nothing is issued, whatever is tried after it."""
    world.policy()
    for actor, message in (("olga", "olga rejected the plan of 2026-11"), (None, "nobody approved the plan of")):
        run_id, planned = world.plan()
        with pytest.raises(NotReady, match=message):
            world.answer(run_id, planned, approved=False, actor=actor)
        with pytest.raises(BadInput, match="was rejected already, by"):
            world.answer(run_id, planned, actor="peter")
        with pytest.raises(NotReady, match="was rejected by"):
            plan_statements(world.services, run_id)
        with pytest.raises(BadInput, match="isn't approved"):
            issue_statements(world.services, run_id)
    run_id, planned = world.plan()
    ended = one(world.url, "select array[dag_id, airflow_run_id] from billing.run where run_id = %s", run_id)
    with world.services.warehouse() as connection:
        assert reject_ended_run(connection, "bill_month", ended[1], "olga") == 0
        assert [reject_ended_run(connection, *ended, "olga") for _ in range(2)] == [1, 0]
    assert one(world.url, "select state from billing.run where run_id = %s", run_id) == "failed"
    by = [row[:3] for row in world.decided()]
    assert by == [("rejected", "person", "olga"), ("rejected", "deadline", "deadline"), ("rejected", "person", "olga")]
    assert not any(published(world.url).values())
    run_id, planned = world.plan()
    world.answer(run_id, planned)
    assert issue_statements(world.services, run_id)["statements"] == 2


def test_a_decision_is_on_the_plan_that_was_seen(world: World) -> None:
    """Another hash, an older plan, none at all, an answer without a reason: refused, and nothing is recorded."""
    world.policy()
    first, old = world.plan()
    world.platform.station("a-2", "a")
    world.platform.save()
    run_id, new = world.plan()
    assert new["plan_hash"] != old["plan_hash"]
    with pytest.raises(StaleTry, match=r"plan 1 of 2026-11 was superseded"):
        world.answer(first, old)
    with pytest.raises(BadInput, match="isn't plan 2 of 2026-11: its hash is another"):
        world.answer(run_id, new, plan_hash=old["plan_hash"])
    with pytest.raises(BadInput, match="there is no plan 7"):
        world.answer(run_id, new, plan_id=7)
    for reason, message in ((" ", "no reason is given"), ("4111 1111 1111 1111", "looks like a card number")):
        with pytest.raises(BadInput, match=message):
            world.answer(run_id, new, reason=reason)
    with pytest.raises(BadInput, match="the canary of plan 2 of 2026-11 isn't approved"):
        world.answer(run_id, new, scope="rest")
    assert world.decided() == []
    with world.services.warehouse() as connection:
        assert asked_of(connection, "2026-10") is None
        asked = asked_of(connection, "2026-11")
    assert asked is not None
    assert asked.plan_id == new["plan_id"]


def test_no_policy_approves_where_a_person_must(world: World) -> None:
    """Not by the writer's own call of the function either; and the deadline only rejects."""
    world.policy()
    _, planned = world.plan()
    for how in ("'approved', 'policy'", "'rejected', 'policy'", "'approved', 'deadline'"):
        call = f"select billing.decide_on_plan(%s, %s, 'all', {how}, 'x', 'x')"
        with pytest.raises((BadInput, psycopg.errors.CheckViolation)), world.services.warehouse() as connection:
            connection.execute(call.encode(), (planned["plan_id"], planned["plan_hash"]))
    assert world.decided() == []


def test_four_eyes_are_not_of_the_one_who_changed_what_the_plan_goes_by(world: World) -> None:
    """Neither the policy nor settings, new since the last month or first in force now; the next month they are old."""
    world.policy(four_eyes=True, effective_from=OCTOBER)
    run_id, planned = world.plan(OCTOBER)
    for who in ("paula", "ann", "ANN "):
        with pytest.raises(BadInput, match="somebody else has to approve it"):
            world.answer(run_id, planned, actor=who)
    with world.services.warehouse() as connection:
        assert "the approval policy" in (why_not_theirs(connection, planned["plan_id"], "paula") or "")
        assert "the billing settings of a and 2 more" in (why_not_theirs(connection, planned["plan_id"], "ann") or "")
        assert why_not_theirs(connection, planned["plan_id"], "olga") is None
    world.answer(run_id, planned)
    issue_statements(world.services, run_id)

    settle_terms(world.services.warehouse_url, terms("a", effective_from=PERIOD, fee="6.00"))
    run_id, planned = world.plan()
    with pytest.raises(BadInput, match="ann has changed the billing settings of a"):
        world.answer(run_id, planned, actor="ann")
    # Whoever changed them may still reject.
    with pytest.raises(NotReady, match="ann rejected"):
        world.answer(run_id, planned, actor="ann", approved=False)
    # A new policy without four eyes doesn't free its author.
    world.policy(Mode.AT_ONCE, actor="otto")
    run_id, planned = world.plan()
    assert world.asked_because(planned) == ["FOUR-EYES-DROPPED"]
    with pytest.raises(BadInput, match="otto has changed the approval policy"):
        world.answer(run_id, planned, actor="otto")
    world.answer(run_id, planned, actor="paula")
    assert issue_statements(world.services, run_id)["statements"] == 2


def test_the_limits_decide_by_what_the_plan_has(world: World) -> None:
    """Each limit at its figure lets the plan pass, and just below it asks."""
    bill(world.services, OCTOBER)
    world.platform.station("a-2", "a")
    world.platform.save()
    # a had 3 connectors and has 4, b has 3: 6 before, 7 now; EUR 35.70 before, 41.65 now. held would bring EUR 17.85.
    held = Decimal("17.85")
    for name, passes, asks, reason in (
        ("max_connector_change_percent", Decimal("16.67"), Decimal("16.66"), "CONNECTORS-CHANGED"),
        ("max_money_change_percent", Decimal("16.67"), Decimal("16.66"), "MONEY-CHANGED"),
        ("max_account_change_percent", Decimal("33.34"), Decimal("33.33"), "ACCOUNT-CHANGED"),
        ("max_accounts_on_hold", 1, 0, "ACCOUNTS-ON-HOLD"),
        ("max_expected_on_hold", held, held - Decimal("0.01"), "EXPECTED-ON-HOLD"),
    ):
        world.policy(Mode.WITHIN_LIMITS, **{name: asks})
        _, planned = world.plan()
        assert world.asked_because(planned) == [reason], name
        world.policy(Mode.WITHIN_LIMITS, **{name: passes})
        _, planned = world.plan()
        assert planned["waiting"] is None, name
    world.policy(Mode.WITHIN_LIMITS, max_account_change_percent=Decimal(1), account_change_floor=Decimal("5.95"))
    assert world.plan()[1]["waiting"] is None
    world.policy(Mode.WITHIN_LIMITS, max_account_change_percent=Decimal(1), account_change_floor=Decimal("5.94"))
    assert (
        "Name of a changes by more than 1 %: EUR 23.80, and 17.85 last month (+33.3 %)"
        in (world.plan()[1]["waiting"]["body"])
    )


def test_first_months_are_asked_about_where_the_policy_says_so(world: World) -> None:
    """The first month ever, and the first of an account."""
    world.policy(Mode.WITHIN_LIMITS, ask_first_month=True, effective_from=OCTOBER)
    run_id, planned = world.plan(OCTOBER)
    assert world.asked_because(planned) == ["FIRST-MONTH"]
    world.answer(run_id, planned)
    issue_statements(world.services, run_id)
    world.policy(Mode.WITHIN_LIMITS, ask_first_month=True, ask_first_month_of_account=True)
    assert world.plan()[1]["waiting"] is None
    world.platform.plain_account("new")
    world.platform.save()
    settle_terms(world.services.warehouse_url, terms("new"))
    assert world.asked_because(world.plan()[1]) == ["FIRST-MONTH-OF-ACCOUNT"]


def test_a_scheduled_run_that_begins_late_waits_whatever_the_policy_says(world: World) -> None:
    """By the warehouse's clock: without a policy after six hours, else as it has it. What was asked for isn't late."""
    opened = one(world.url, "select now()")
    late, in_time = opened - timedelta(hours=6, minutes=1), opened - timedelta(hours=5, minutes=50)
    assert world.asked_because(world.plan(due_at=late)[1]) == ["LATE-START"]
    assert world.plan(due_at=in_time)[1]["waiting"] is None
    assert world.plan()[1]["waiting"] is None
    world.policy(Mode.AT_ONCE, late_after_hours=1)
    assert world.asked_because(world.plan(due_at=in_time)[1]) == ["LATE-START"]
    assert world.plan(due_at=opened - timedelta(minutes=30))[1]["waiting"] is None
    run_id, planned = world.plan(due_at=late)
    world.answer(run_id, planned)
    issue_statements(world.services, run_id)
    # There is nothing to be surprised by.
    assert world.plan(due_at=datetime(2026, 1, 1, tzinfo=UTC))[1]["waiting"] is None


def test_policies_are_kept_with_who_and_why(world: World) -> None:
    """The same again adds nothing; who saw an older one is told; of several for one month the newest is in force."""
    url = world.services.warehouse_url
    texts = {"effective_from": "2026-11", "mode": "within_limits", "max_money_change_percent": "12.50"}
    policy, errors = parse_policy(texts)
    assert policy is not None
    assert not errors
    first = record_policy(url, policy, "paula", "a start")
    assert record_policy(url, policy, "paula", "again") is None
    second = record_policy(url, Policy(PERIOD, Mode.ALWAYS), "otto", "stricter", seen=first)
    with pytest.raises(BadInput, match="otto has recorded another policy meanwhile"):
        record_policy(url, Policy(PERIOD), "paula", "looser", seen=first)
    with world.services.warehouse() as connection:
        recorded = recorded_policies(connection)
    assert [(row.policy_id, row.policy.mode, row.actor, row.reason) for row in recorded] == [
        (second, Mode.ALWAYS, "otto", "stricter"),
        (first, Mode.WITHIN_LIMITS, "paula", "a start"),
    ]
    assert recorded[1].policy == policy
    assert one(world.url, "select (billing.policy_in_force('2026-12')).policy_id") == second
    assert one(world.url, "select (billing.policy_in_force('2026-10')).policy_id") is None
    with pytest.raises(psycopg.Error, match="never change"), psycopg.connect(world.url) as connection:
        connection.execute("update billing.approval_policy set mode = 'at_once'")


def _compete(*acts: Callable[[], object]) -> list[object]:
    """What each act came to, all begun at once: its value or its error."""

    def outcome(act: Callable[[], object]) -> object:
        try:
            return act()
        except EvbillingError as error:
            return error

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(outcome, acts))


class Race:
    """Everybody who may come beside the publishing of one plan; a round ends as it began.

    `owner` and `publisher` are sessions of these, which stay open: to connect takes longer than the rest of a round.
    """

    def __init__(self, world: World, owner: psycopg.Connection[Any], publisher: psycopg.Connection[Any]) -> None:
        world.policy()
        self.world, self.owner, self.publisher = world, owner, publisher
        owner.execute("set session_replication_role = replica")
        self.run_id, self.planned = world.plan()
        self.table = f"staging.run_{self.run_id}_statement"
        self.epoch = one(world.url, "select epoch from billing.plan where plan_id = %s", self.planned["plan_id"])

    def decide(self, who: str, *, approved: bool) -> Scope:
        with self.world.services.warehouse() as connection:
            return decide(
                connection,
                plan_id=self.planned["plan_id"],
                plan_hash=self.planned["plan_hash"],
                scope=Scope.ALL,
                approved=approved,
                actor=who,
                reason="r",
            )

    def change(self, number: int) -> None:
        """A staged byte by hand, a newer plan, or nothing."""
        if number % 3 == 0:
            self.owner.execute(f"update {self.table} set total_minor = total_minor + 1".encode())
        elif number % 3 == 1:
            self.owner.execute(f"select billing.supersede_plans('2026-11', {self.run_id})".encode())

    def issue(self) -> object:
        """What is issued and by which decision, or "refused"; rolled back, so that the next round has the plan too."""
        publish = "select * from billing.publish_connector_statements(%s, %s, 'x', 'x')"
        query = "select (select sum(total_minor) from billing.statement where period = '2026-11'), decision"
        try:
            self.publisher.execute(publish.encode(), (self.run_id, self.epoch))
            return self.publisher.execute(f"{query} from billing.plan_decision".encode()).fetchall()
        except psycopg.Error:
            return "refused"
        finally:
            self.publisher.rollback()

    def begin_again(self) -> list[str]:
        """The decisions that there were."""
        decided = self.owner.execute("delete from billing.plan_decision returning decision").fetchall()
        self.owner.execute("update billing.plan set superseded_at = null, superseded_by_run_id = null")
        self.owner.execute(f"update {self.table} set total_minor = 1785".encode())
        return [decision for (decision,) in decided]


@pytest.fixture
def race(world: World) -> Iterator[Race]:
    with (
        psycopg.connect(world.url, autocommit=True) as owner,
        psycopg.connect(world.services.warehouse_url) as publisher,
    ):
        yield Race(world, owner, publisher)


@pytest.mark.parametrize("rounds", [30, pytest.param(10_000, marks=pytest.mark.full)])
def test_whoever_races_an_approval_never_has_another_plan_issued(race: Race, rounds: int) -> None:
    """Approvals and rejections by two people, a staged byte changed by hand and a newer plan, against the publishing.

    Whatever comes first: what is issued is what was approved, and there is at most one decision.
    """
    outcomes: Counter[str] = Counter()
    for number in range(rounds):
        *_, outcome = _compete(
            partial(race.decide, "olga", approved=True),
            partial(race.decide, "peter", approved=number % 2 == 0),
            partial(race.change, number),
            race.issue,
        )
        assert outcome in ("refused", [(3570, "approved")])
        decisions = race.begin_again()
        assert len(decisions) <= 1
        outcomes.update([str(outcome), *decisions])
    assert outcomes["approved"]
    assert race.decide("olga", approved=True)
    assert race.issue() == [(3570, "approved")]
