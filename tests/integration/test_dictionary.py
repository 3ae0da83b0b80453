"""What is made of the comments of the finance views is the warehouse's own: the data dictionary, and dbt's sources."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from evbilling.books import export_journal
from evbilling.cli.dbt import KEYS, REFERS, VALUES, dbt_sources
from evbilling.cli.reference import data_dictionary
from evbilling.period import Period
from evbilling.warehouse import connected, read_clock
from tests.support.books import Books
from tests.support.environments import python_with
from tests.support.month import rows

pytestmark = pytest.mark.postgres

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_data_dictionary_is_current(warehouse_db: Any) -> None:
    """docs/data-dictionary.md is what `evbilling dictionary` prints."""
    document = DOCS / "data-dictionary.md"

    assert data_dictionary(warehouse_db.writer_url) == document.read_text(encoding="utf-8")


def test_sources_of_dbt_are_current(warehouse_db: Any) -> None:
    """docs/dbt-sources.yml is what `evbilling dbt-sources` prints, and its tests are of columns that there are."""
    assert dbt_sources(warehouse_db.writer_url) == (DOCS / "dbt-sources.yml").read_text(encoding="utf-8")
    query = "select table_name, column_name from information_schema.columns where table_schema = 'finance'"
    assert {*KEYS.items(), *REFERS, *REFERS.values(), *VALUES} <= set(rows(warehouse_db.admin_url, query))


@pytest.mark.full
def test_dbt_reads_the_sources_and_its_tests_pass(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """By dbt from PyPI, as the login that finance has, on a month that is paid in both ways and exported."""
    books = Books(platform_db, warehouse_db, tmp_path / "evidence")
    books.open("a", "b")
    books.month("2026-10")
    books.pay(books.statement("b", "2026-10", "connector"))
    books.mark_paid(books.statement("a", "2026-10", "connector"), 100)
    with connected(books.writer, what="warehouse") as connection:
        now = read_clock(connection)
    assert export_journal(books.writer, books.services.evidence, Period(now.year, now.month), actor="ann", reason="r")
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "models" / "sources.yml").write_bytes((DOCS / "dbt-sources.yml").read_bytes())
    settings = {"name": "finance", "version": "1.0", "profile": "here", "flags": {"send_anonymous_usage_stats": False}}
    (project / "dbt_project.yml").write_text(json.dumps(settings))
    url = urlsplit(warehouse_db.finance_url)
    output = {
        "type": "postgres",
        "host": url.hostname,
        "port": url.port,
        "user": url.username,
        "password": url.password or "test",
        "dbname": url.path[1:],
        "schema": "finance",
        "threads": 2,
    }
    profile = {"here": {"target": "it", "outputs": {"it": output}}}
    (project / "profiles.yml").write_text(json.dumps(profile))
    dbt = python_with("dbt-core==1.10.23", "dbt-postgres==1.10.2").parent / "dbt"
    done = subprocess.run(
        [dbt, "--warn-error", "test", "--project-dir", project, "--profiles-dir", project],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        cwd=project,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    results = json.loads((project / "target" / "run_results.json").read_text())["results"]
    assert {result["status"] for result in results} == {"pass"}
    assert len(results) == 2 * len(KEYS) + len(REFERS) + len(VALUES)
