"""Corrections: a truth that has changed is noted once, linked, connector by connector; what is issued stays."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from evbilling.errors import BadInput
from evbilling.payments.actions import Adjustment, AdjustRequest, adjust_statement
from tests.support.corrections import CorrectedMonth
from tests.support.month import PERIOD, bill, one, published, rows, settle_terms, terms

pytestmark = pytest.mark.postgres

CORRECTIONS = """select statement_id, corrects_statement_id, account_id, net_amount, tax_amount, total_amount
                 from finance.statements where kind = 'correction' order by 1"""
BALANCE = "select balance_due from finance.statements where account_id = %s and kind = 'connector'"


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Any) -> CorrectedMonth:
    return CorrectedMonth(platform_db, warehouse_db, str(tmp_path / "evidence"))


def test_the_same_truth_corrects_nothing(world: CorrectedMonth) -> None:
    """Without a difference there is no correction, no line, no event."""
    before = published(world.url)
    assert world.correct() == {"outcome": "unchanged", "corrections": 0, "lines": 0, "waiting": 0}
    assert published(world.url) == before


def test_a_credit_and_a_debit_each_once(world: CorrectedMonth) -> None:
    """A connector gone and one more give a credit and a debit, linked, with their lines; done again, nothing."""
    world.platform.execute("delete from platform.connector where charger_id = 'a-1' and connector_id = 3")
    world.platform.connector("b-1", 3)
    world.platform.save()
    issued = rows(world.finance_url, "select * from finance.statement_lines order by charger_id, connector_id")
    assert world.correct() == {"outcome": "issued", "corrections": 2, "lines": 2, "waiting": 0}
    assert rows(world.finance_url, CORRECTIONS) == [
        ("C-202611-000001", "A-202611-000001", "a", Decimal("-5.00"), Decimal("-0.95"), Decimal("-5.95")),
        ("C-202611-000002", "A-202611-000002", "b", Decimal("5.00"), Decimal("0.95"), Decimal("5.95")),
    ]
    lines = """select statement_id, charger_id, connector_id, unit_price_before, unit_price, rule_id, net_amount
               from finance.correction_lines order by 1"""
    assert rows(world.finance_url, lines) == [
        ("C-202611-000001", "a-1", 3, Decimal("5.00"), None, None, Decimal("-5.00")),
        ("C-202611-000002", "b-1", 3, None, Decimal("5.00"), None, Decimal("5.00")),
    ]
    assert one(world.finance_url, BALANCE, "a") == Decimal("11.90")
    assert one(world.finance_url, BALANCE, "b") == Decimal("17.85")
    assert issued == rows(world.finance_url, "select * from finance.statement_lines order by charger_id, connector_id")
    assert world.correct()["outcome"] == "unchanged"
    assert bill(world.services).issued["outcome"] == "unchanged"
    events = "select subject_id, reason from finance.audit_events where action = 'issue_correction' order by 1"
    assert rows(world.finance_url, events) == [
        ("C-202611-000001", "reported late"),
        ("C-202611-000002", "reported late"),
    ]


def test_another_tax_rate_is_corrected_too(world: CorrectedMonth) -> None:
    """The same connectors at the same fee: the correction is of the tax alone, and has no line."""
    settle_terms(world.url, terms("a", tax_rate=Decimal("0.07")))
    assert world.correct() == {"outcome": "issued", "corrections": 1, "lines": 0, "waiting": 0}
    assert [row[2:] for row in rows(world.finance_url, CORRECTIONS)] == [("a", 0, Decimal("-1.80"), Decimal("-1.80"))]
    assert one(world.finance_url, BALANCE, "a") == Decimal("16.05")
    assert world.correct()["outcome"] == "unchanged"


def test_a_correction_of_a_correction(world: CorrectedMonth) -> None:
    """What turns out to have been right after all is corrected back, to the cent, as a further revision."""
    world.platform.execute("update platform.connector set status = 'removed' where charger_id = 'a-1'")
    assert world.correct()["corrections"] == 1
    assert one(world.finance_url, BALANCE, "a") == 0
    world.platform.execute("update platform.connector set status = 'in_service' where charger_id = 'a-1'")
    assert world.correct() == {"outcome": "issued", "corrections": 1, "lines": 3, "waiting": 0}
    assert [row[-1] for row in rows(world.finance_url, CORRECTIONS)] == [Decimal("-17.85"), Decimal("17.85")]
    assert one(world.finance_url, BALANCE, "a") == Decimal("17.85")
    assert world.correct()["outcome"] == "unchanged"
    revisions = "select revision from billing.statement where kind = 'correction' order by number"
    assert rows(world.url, revisions) == [(1,), (2,)]


def test_a_time_zone_that_the_server_lacks_doesnt_block_corrections(world: CorrectedMonth) -> None:
    """A statement that was issued in a zone of another machine is corrected, dated in UTC; and so are the others."""
    with psycopg.connect(world.admin_url) as connection:
        # Issued is immutable: only so can a test have what an earlier release issued.
        connection.execute("set session_replication_role = replica")
        connection.execute("update billing.statement set time_zone = 'localtime' where account_id = 'b'")
    world.platform.execute("delete from platform.connector where connector_id = 2")
    assert world.correct()["corrections"] == 2
    today = one(world.admin_url, "select (now() at time zone 'UTC')::date")
    dated = "select account_id, statement_date from billing.statement where kind = 'correction' order by 1"
    assert ("b", today) in rows(world.url, dated)


def test_a_dry_run_writes_nothing(world: CorrectedMonth, caplog: pytest.LogCaptureFixture) -> None:
    """A dry run says each correction, in the currency, and leaves no trace but its own run."""
    world.platform.execute("delete from platform.connector where charger_id = 'c-1'")
    world.platform.connector("a-1", 4)
    world.platform.save()
    before = published(world.url)
    with caplog.at_level("INFO", logger="evbilling.connector_statements.corrections"):
        found = world.correct(dry_run=True)
    assert found == {"outcome": "differs", "corrections": 0, "lines": 0, "waiting": 0}
    assert "A-202611-000003 of c: -5.95 EUR (net -5.00, tax -0.95)" in caplog.text
    assert "A-202611-000001 of a: +5.95 EUR" in caplog.text
    assert published(world.url) == before


def test_a_statement_that_is_written_off_waits(world: CorrectedMonth) -> None:
    """Nothing is due on it: corrected beside the write-off, it would show a credit that nobody is owed."""
    statement = one(world.admin_url, "select statement_id from billing.statement where account_id = 'b'")

    def adjust(kind: Adjustment) -> None:
        adjust_statement(world.services, AdjustRequest(str(kind), "ann", "insolvent", statement, kind))

    adjust(Adjustment.WRITE_OFF)
    world.platform.execute("delete from platform.connector where charger_id = 'b-1' and connector_id = 2")
    assert world.correct() == {"outcome": "differs", "corrections": 0, "lines": 0, "waiting": 1}
    assert "for its write-off to be undone" in str(world.found[0])
    adjust(Adjustment.UNDO_WRITE_OFF)
    assert world.correct() == {"outcome": "issued", "corrections": 1, "lines": 1, "waiting": 0}


def test_a_statement_under_charge_waits(world: CorrectedMonth) -> None:
    """While the outcome of a charge is open its statement isn't corrected; the others are."""
    opened = """select refused from billing.open_attempts('issue', 'o', 'o', 'ann', 'r', 15, array['A-202611-000001'],
                                                          array['cus_1'], array['pm_1'], array[1])"""
    assert rows(world.url, opened) == [(None,)]
    for account in ("a", "b"):
        world.platform.execute(f"delete from platform.connector where charger_id = '{account}-1' and connector_id = 1")
    assert world.correct() == {"outcome": "issued", "corrections": 1, "lines": 1, "waiting": 1}
    assert [row[2] for row in rows(world.finance_url, CORRECTIONS)] == ["b"]
    settled = "select * from billing.record_outcomes(array[1], array['succeeded'], array['pi_1'], {0}, {0}, {0}, {0})"
    rows(world.url, settled.format("array[null]::text[]"))
    assert world.correct() == {"outcome": "issued", "corrections": 1, "lines": 1, "waiting": 0}
    # Paid in full and corrected since: the customer has a credit.
    assert one(world.finance_url, BALANCE, "a") == Decimal("-5.95")


def test_a_debit_on_a_paid_statement_is_collected_later(world: CorrectedMonth) -> None:
    """What a debit note leaves due is planned, and the statement is no longer paid."""
    opened = """select attempt_id from billing.open_attempts('issue', 'o', 'o', 'ann', 'r', 15,
                    array['A-202611-000002'], array['cus_1'], array['pm_1'], array[1])"""
    ((attempt,),) = rows(world.url, opened)
    settled = "select * from billing.record_outcomes(array[{1}], array['succeeded'], array['pi_2'], {0}, {0}, {0}, {0})"
    rows(world.url, settled.format("array[null]::text[]", attempt))
    world.platform.connector("b-1", 3)
    world.platform.save()
    assert world.correct()["corrections"] == 1
    status = "select status, balance_due from finance.statements where statement_id = 'A-202611-000002'"
    assert rows(world.finance_url, status) == [("Partly paid", Decimal("5.95"))]
    assert rows(world.finance_url, "select statement_id from finance.payment_plans") == [("A-202611-000002",)]


def test_an_account_at_fault_is_left_alone(world: CorrectedMonth) -> None:
    """An account that would be quarantined now keeps its statement until the fault is mended."""
    world.platform.execute("update platform.app_user set active = false where account_id = 'a'")
    world.platform.execute("delete from platform.connector where charger_id in ('a-1', 'b-1') and connector_id = 1")
    assert world.correct()["corrections"] == 1
    assert [row[2] for row in rows(world.finance_url, CORRECTIONS)] == ["b"]


def test_no_reason_is_refused(world: CorrectedMonth) -> None:
    """Without a reason nothing is corrected."""
    with pytest.raises(BadInput, match="no reason is given"):
        world.correct(reason="  ")


def test_corrections_are_immutable(world: CorrectedMonth) -> None:
    """Lines and amounts of a correction never change, not even for the owner."""
    world.platform.connector("a-1", 4)
    world.platform.save()
    world.correct()
    for statement in (
        "update billing.correction_line set after_minor = 1",
        "delete from billing.correction_line",
        "truncate billing.correction_line",
        "delete from billing.statement where kind = 'correction'",
    ):
        with psycopg.connect(world.admin_url) as connection, pytest.raises(psycopg.Error, match="never change"):
            connection.execute(statement)
    with psycopg.connect(world.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("insert into billing.correction_line select * from billing.correction_line")


def test_the_period_is_the_runs_own(world: CorrectedMonth) -> None:
    """Another month's statements stay as they are."""
    bill(world.services, PERIOD.shifted(-1))
    world.platform.execute(
        "update platform.connector set valid_to = '2026-10-15T00:00:00Z' where charger_id = 'a-1' and connector_id = 1"
    )
    assert world.correct()["corrections"] == 1
    assert [row[1] for row in rows(world.finance_url, CORRECTIONS)] == ["A-202611-000001"]


def test_only_the_statements_asked_for_are_corrected(world: CorrectedMonth) -> None:
    """Two differ, one is corrected; each that was asked for says what became of it, and the other waits its turn."""
    world.platform.execute("delete from platform.connector where connector_id = 2")
    asked = ["A-202611-000002", "A-202611-000003", "A-202611-000009"]
    assert world.correct(only=asked) == {"outcome": "issued", "corrections": 1, "lines": 1, "waiting": 0}
    assert [(one.statement_id, one.state, one.total, one.correction_id) for one in world.found] == [
        ("A-202611-000002", "corrected", Decimal("-5.95"), "C-202611-000001"),
        ("A-202611-000003", "as_issued", None, None),
        ("A-202611-000009", "unknown", None, None),
    ]
    assert [row[2] for row in rows(world.finance_url, CORRECTIONS)] == ["b"]
    assert world.correct()["corrections"] == 1
    assert [row[2] for row in rows(world.finance_url, CORRECTIONS)] == ["b", "a"]


@pytest.mark.parametrize("expected", ["-5.94", None])
def test_another_amount_than_was_decided_on_issues_nothing(world: CorrectedMonth, expected: str | None) -> None:
    """Nor does a statement that differs and wasn't decided on."""
    world.platform.execute("delete from platform.connector where connector_id = 2")
    asked = ["A-202611-000001", "A-202611-000002"]
    wanted = {"A-202611-000001": Decimal("-5.95")} | ({asked[1]: Decimal(expected)} if expected else {})
    before = published(world.url)
    with pytest.raises(BadInput, match=r"A-202611-000002 by (-5\.94|nothing), now -5\.95"):
        world.correct(only=asked, expected=wanted)
    assert published(world.url) == before
    assert world.correct(only=asked, expected=wanted | {asked[1]: Decimal("-5.95")})["corrections"] == 2
