"""What chargers are called: kept as of each count, a row for each change, and shown with what they are billed for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evbilling.connector_statements import correct_statements
from evbilling.services import Services
from tests.support.month import Platform, bill, one, rows, settle_terms, stage, terms

pytestmark = pytest.mark.postgres

_LINES = """select charger_id, connector_id, charger_name, site, scope_status, standard from finance.statement_lines
            where period = %s order by 1, 2"""
_KEPT = """select charger_id, from_period::text, until_period::text, name from billing.charger_name order by 1, 2"""


@pytest.fixture
def services(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Services:
    """Account a: `a-1` of two connectors with different standards, and `a-2`, renamed in October and December."""
    services = Services(platform_db, warehouse_db.writer_url, str(tmp_path))
    platform = Platform(platform_db)
    platform.plain_account("a", connectors=2)
    platform.charger("a-2", "a", "Private", ends="2026-10-15T00:00:00Z")
    platform.charger("a-2", "a", "Private", begins="2026-10-15T00:00:00Z", ends="2026-12-02T00:00:00Z")
    platform.charger("a-2", "a", "Private", begins="2026-12-02T00:00:00Z")
    platform.connector("a-2")
    # An id that no key has room for puts its account on hold; its names must not stop the month.
    platform.plain_account("b", connectors=0)
    platform.station("x" * 9_000, "b")
    platform.save()
    platform.execute("update platform.connector set standard = 'CHADEMO' where charger_id = 'a-1' and connector_id = 2")
    platform.execute("update platform.charger set name = 'Lobby', site = 'Lyon' where charger_id = 'a-2'")
    platform.execute("update platform.charger set name = 'Garage' where charger_id = 'a-2' and valid_to is null")
    platform.execute("update platform.charger set name = '' where charger_id = 'a-2' and valid_to < '2026-11-01'")
    settle_terms(services.warehouse_url, terms("a"), terms("b"))
    return services


def _lines(services: Services, period: str) -> list[tuple[Any, ...]]:
    return rows(services.warehouse_url, _LINES, period)


def test_a_line_is_called_as_at_its_count_and_a_month_writes_only_what_changed(services: Services) -> None:
    """In any order of the months: one that is billed late changes no other."""
    due = {
        "2026-10": ("a-2", 1, None, "Lyon", "Private", "IEC_62196_T2"),
        "2026-11": ("a-2", 1, "Lobby", "Lyon", "Private", "IEC_62196_T2"),
        "2026-12": ("a-2", 1, "Lobby", "Lyon", "Private", "IEC_62196_T2"),
    }
    plain = [
        ("a-1", 1, "name", "site", "Public", "IEC_62196_T2"),
        ("a-1", 2, "name", "site", "Public", "CHADEMO"),
    ]
    for done, period in enumerate(["2026-11", "2026-12", "2026-10"], start=1):
        bill(services, period)
        for issued in ["2026-11", "2026-12", "2026-10"][:done]:
            assert _lines(services, issued) == [*plain, due[issued]]
    assert rows(services.warehouse_url, _KEPT) == [
        ("a-1", "2026-10", "2026-11", "name"),
        ("a-1", "2026-11", None, "name"),
        ("a-2", "2026-10", "2026-11", None),
        ("a-2", "2026-11", None, "Lobby"),
    ]
    decided = "select charger_name, standard from finance.connector_decisions where period = %s and charger_id = 'a-2'"
    assert rows(services.warehouse_url, decided, "2026-10") == [(None, "IEC_62196_T2")]


def test_what_is_issued_keeps_its_names_and_what_is_only_planned_does_not(services: Services, platform_db: str) -> None:
    """A later run of the month may find other names: those of the statement stay. A correction names what it adds."""
    platform = Platform(platform_db)
    stage(services, "2026-11")
    platform.execute("update platform.charger set name = 'New' where charger_id = 'a-1'")
    bill(services, "2026-11")
    assert _lines(services, "2026-11")[0][2] == "New"

    platform.execute("update platform.charger set name = 'Newer', site = null where charger_id = 'a-1'")
    platform.charger("a-3", "a")
    platform.connector("a-3", 7)
    platform.save()
    bill(services, "2026-11")
    assert _lines(services, "2026-11")[0][2:4] == ("New", "site")
    run_id, *_ = stage(services, "2026-11")
    correct_statements(services, run_id, reason="found late")
    assert rows(services.warehouse_url, _KEPT)[-1] == ("a-3", "2026-11", None, "name")
    assert one(services.warehouse_url, "select count(*) from billing.charger_name") == 3
