"""Each alert has its runbook, whose queries finance can run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.alerts.messages import _WHAT_TO_DO
from evbilling.service_levels import LEVELS

pytestmark = pytest.mark.postgres

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECTIONS = ["What it means", "Who is hit", "What to do", "Verify"]


def test_each_alert_has_a_runbook_that_can_be_followed(warehouse_db: Any) -> None:
    """A page for each, none without an alert; its sections; its queries run as the reader of finance."""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "runbooks" / "alerts").glob("*.md")}
    assert pages.keys() == _WHAT_TO_DO.keys() == LEVELS.keys() | {"warehouse", "failed_run"}
    listed = re.findall(r"\(runbooks/alerts/(\w+)\.md\)", (DOCS / "alerts.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(pages)
    with psycopg.connect(warehouse_db.finance_url) as connection:
        for name, page in pages.items():
            assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS, name
            queries = "".join(re.findall(r"```sql\n(.*?)```", page, re.DOTALL)).split(";")
            assert len(queries) > 1, name
            for query in filter(str.strip, queries):
                connection.execute(query.encode())
