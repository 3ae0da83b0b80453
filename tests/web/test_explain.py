"""Why one connector was billed or not, on the page and by `evbilling explain`, from one reading."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evbilling.cli.main import main
from evbilling.services import Services
from tests.support.month import Platform, bill, rows, settle_terms, terms
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


def test_a_connector_is_explained(
    browser: Callable[..., TestClient],
    warehouse_url: Any,
    platform_db: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Billed or by which rule not, by whose setting, in which file; where it was last; or that no month had it."""
    services = Services(platform_db, warehouse_url.writer_url, f"{tmp_path}/evidence")
    platform = Platform(platform_db)
    for account in ("a", "b"):
        platform.plain_account(account)
    platform.charger("x", "a", "Closed", ends="2026-10-15T00:00:00Z")
    platform.charger("x", "b", "Closed", begins="2026-10-15T00:00:00Z")
    platform.connector("x", ends="2026-11-15T00:00:00Z")
    platform.save()
    settle_terms(services.warehouse_url, terms("a"), terms("b", exclude_closed=True))
    for period in ("2026-10", "2026-11", "2026-12"):
        bill(services, period, max_count_change_percent=100.0)
    ((key, sha256),) = rows(
        services.warehouse_url,
        """select inventory_uri, inventory_sha256 from billing.run_shard join billing.run using (run_id)
           where period = '2026-11'""",
    )
    billed = "Billed to Name of a (a)."
    excluded = "Not billed to Name of b (b): The charger is Closed and the account excludes closed chargers."
    due = {
        "2026-10": ["name · site · Closed", "AC · IEC_62196_T2", "5.00 EUR", "A-202610-000001", billed],
        "2026-11": ["SCOPE-CLOSED", "excludes Closed chargers", "by ann", key, sha256, excluded],
        "2026-12": ["No billed account had it at the count of 2026-12. It was last there in 2026-11: " + excluded],
        "2027-01": ["2027-01 isn't billed yet."],
    }
    for period, said in due.items():
        code = main(["explain", "x/1", "--period", period, "--url", services.warehouse_url])
        printed = capsys.readouterr().out
        assert code == (0 if period < "2026-12" else 1)
        page = browser("viewer").get(f"{PREFIX}/connector", params={"charger": "x", "period": period})
        assert page.status_code == 200
        text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))
        for one in said:
            assert one in printed
            for part in one.split(" · "):
                assert part in text
    assert main(["explain", "nowhere/1", "--period", "2026-11", "--url", services.warehouse_url]) == 1
    assert "never had it" in capsys.readouterr().out
    assert main(["explain", "x", "--period", "2026-11", "--url", services.warehouse_url]) == 2
    linked = browser("viewer").get(f"{PREFIX}/statements/A-202611-000002").text
    assert "/connector?charger=x&amp;connector=1&amp;period=2026-11" in linked
