"""What accounts are missing in a month, at a person's word: exactly theirs is issued, and everything else stays."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from evbilling.approvals import Mode, Policy, asked_of, record_policy, task_path
from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    extract_inventory,
    issue_statements,
    open_run,
    outcomes_of,
    plan_statements,
    validate,
)
from evbilling.errors import BadInput, NotReady
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from tests.support.month import (
    NOW,
    PERIOD,
    Platform,
    bill,
    one,
    published,
    rows,
    settle_terms,
    staging_tables,
    terms,
)

pytestmark = pytest.mark.postgres

STATEMENTS = "select account_id, statement_id, total_amount from finance.statements where kind = 'connector' order by 2"
ON_HOLD = "select account_id from finance.unbilled_accounts where period = '2026-11' and is_quarantined order by 1"


class World:
    """A month with two accounts billed and three on hold, for want of a financial admin."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: str) -> None:
        self.platform = Platform(platform_url)
        for account, connectors in (("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)):
            self.platform.plain_account(account, connectors=connectors)
        self.platform.save()
        self.url, self.finance_url = warehouse.writer_url, warehouse.finance_url
        settle_terms(self.url, *(terms(account, financial_admin_id=None) for account in "bcd"))
        settle_terms(self.url, terms("a"), terms("e"))
        self.services = Services(platform_url, self.url, evidence)
        self.first = bill(self.services)

    def fix(self, *accounts: str) -> None:
        settle_terms(self.url, *map(terms, accounts))

    def run(self, accounts: tuple[str, ...] | None, **asked: Any) -> tuple[int, dict[str, Any], dict[str, Any]]:
        """A run of bill_month: its id, what was planned, and what was issued."""
        request = RunRequest(
            asked.pop("period", PERIOD),
            "connector_statements",
            "page-1",
            "ann",
            "yes",
            airflow_dag_id="bill_month",
            account_ids=accounts,
            **({"reason": "fixed"} | asked),
        )
        opened = open_run(self.services, request, now=NOW)
        run_id = opened["run_id"]
        for part in opened["parts"]:
            extract_inventory(self.services, run_id, part)
            apply_scope_rules(self.services, run_id, part)
        validate(self.services, run_id)
        planned = plan_statements(self.services, run_id)
        issued = issue_statements(self.services, run_id)
        close_run(self.services, run_id)
        return run_id, planned, issued


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Any) -> World:
    return World(platform_db, warehouse_db, str(tmp_path / "evidence"))


def tied_out(world: World) -> bool:
    return not rows(world.finance_url, "select * from finance.tie_out where not is_ok")


def test_exactly_the_missing_statement_is_issued(world: World) -> None:
    """Two are fixed, one is asked for; the other fixed one and the one still on hold stay as they are."""
    before = rows(world.finance_url, STATEMENTS)
    world.fix("b", "d")
    run_id, planned, issued = world.run(("d",), expected={"d": "23.80"})
    assert (planned["statements"], issued["outcome"], issued["statements"]) == (1, "issued", 1)
    assert rows(world.finance_url, STATEMENTS) == [*before, ("d", "A-202611-000003", Decimal("23.80"))]
    assert [row[0] for row in rows(world.finance_url, ON_HOLD)] == ["b", "c"]
    assert tied_out(world)
    (outcome,) = outcomes_of(world.services, run_id)
    assert (outcome.statement_id, outcome.total, outcome.is_new) == ("A-202611-000003", Decimal("23.80"), True)
    mail = "select statement_id from finance.mail where kind = 'connector_statement' order by 1 desc"
    assert rows(world.finance_url, mail)[0] == ("A-202611-000003",)
    audit = "select actor, reason from finance.audit_events where run_id = %s"
    assert rows(world.finance_url, audit, run_id) == [("ann", "fixed")]
    # The same once more writes nothing, and a run of the whole month issues the rest.
    done = published(world.url)
    assert world.run(("d",))[2]["outcome"] == "unchanged"
    assert published(world.url) == done
    assert tied_out(world)
    assert bill(world.services).issued["statements"] == 1
    assert [row[0] for row in rows(world.finance_url, ON_HOLD)] == ["c"]
    assert tied_out(world)


def test_an_account_that_still_has_its_fault_stays_on_hold(world: World) -> None:
    """Beside one that is fixed; the reason is in what came of it."""
    world.fix("b")
    run_id, _, issued = world.run(("b", "c"))
    assert issued["statements"] == 1
    assert [(one.account_id, one.statement_id, bool(one.reasons)) for one in outcomes_of(world.services, run_id)] == [
        ("b", "A-202611-000003", False),
        ("c", None, True),
    ]
    assert tied_out(world)


def test_an_account_enabled_late_is_billed_alone(world: World) -> None:
    """Two new accounts get settings for the past; the one asked for is billed, and the figures agree."""
    for account in ("x", "y"):
        world.platform.plain_account(account, connectors=2)
    world.platform.save()
    settle_terms(world.url, terms("x"), terms("y"))
    assert world.run(("y",))[2]["statements"] == 1
    assert rows(world.finance_url, STATEMENTS)[-1] == ("y", "A-202611-000003", Decimal("11.90"))
    assert tied_out(world)


@pytest.mark.parametrize("expected", [{"b": "11.89"}, {}, {"b": "11.90", "c": "1.00"}])
def test_other_amounts_than_were_decided_on_issue_nothing(world: World, expected: dict[str, str]) -> None:
    """An amount that has changed, or an account too many or too few."""
    world.fix("b")
    before = published(world.url)
    with pytest.raises(BadInput, match="other amounts were decided on"):
        world.run(("b", "c"), expected=expected)
    assert published(world.url) == before


def test_a_month_that_never_ran_is_billed_whole_or_not_at_all(world: World) -> None:
    """Some accounts of it are refused. A dry run plans it; another plan is refused, and the same is issued."""
    with pytest.raises(BadInput, match="2026-10 isn't billed yet"):
        world.run(("a",), period=PERIOD.shifted(-1))
    before = published(world.url)
    _, planned, issued = world.run(None, period=PERIOD.shifted(-1), dry_run=True)
    assert (planned["outcome"], planned["statements"], issued["outcome"]) == ("dry_run", 2, "superseded")
    assert published(world.url) == before
    assert staging_tables(world.url) == []
    world.fix("b")
    with pytest.raises(BadInput, match="another plan"):
        world.run(None, period=PERIOD.shifted(-1), plan_hash=planned["plan_hash"])
    assert published(world.url) == before
    _, planned, _ = world.run(None, period=PERIOD.shifted(-1), dry_run=True)
    _, _, issued = world.run(None, period=PERIOD.shifted(-1), plan_hash=planned["plan_hash"])
    assert issued["statements"] == 3
    assert one(world.finance_url, "select count(*) from finance.statements where period = '2026-11'") == 2


def test_a_month_by_hand_that_waits_is_answered_in_its_own_dag(world: World) -> None:
    """And no dry run takes the place of the plan that a person is asked about."""
    record_policy(world.url, Policy(PERIOD.shifted(-1), Mode.ALWAYS), "paula", "from now on")
    with pytest.raises(BadInput, match="isn't approved"):
        world.run(None, period=PERIOD.shifted(-1))
    with world.services.warehouse() as connection:
        asked = asked_of(connection, str(PERIOD.shifted(-1)))
    assert asked is not None
    assert task_path(asked) == "/api/v2/dags/bill_month/dagRuns/page-1/taskInstances/approve/0"
    with pytest.raises(NotReady, match="waits for a person, and a dry run must not take its place"):
        world.run(None, period=PERIOD.shifted(-1), dry_run=True)
    with world.services.warehouse() as connection:
        assert asked_of(connection, str(PERIOD.shifted(-1))) == asked


def test_a_person_gives_a_reason(world: World) -> None:
    """Nothing begins without one."""
    with pytest.raises(BadInput, match="reason"):
        world.run(("b",), reason=" ")
