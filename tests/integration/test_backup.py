"""The commands of docs/runbooks/backup.md, run as they are written there: a lost month is restored."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.evidence import EvidenceStore
from evbilling.mail import deliver, kept_sendings, read_kept
from evbilling.services import Services
from evbilling_local.stack import bin_directory
from tests.support.mail import post_office
from tests.support.month import Platform, bill, one, rows, settle_terms, terms
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

_RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbooks" / "backup.md"


def _run(title: str, variables: dict[str, str]) -> None:
    """Run the commands below the runbook's heading `title`; each must succeed."""
    section = _RUNBOOK.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(commands) == 1
    path = os.pathsep.join([str(bin_directory()), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-eu", "-c", commands[0]],
        env={"PATH": path} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _finance(url: str) -> dict[str, list[Any]]:
    """All rows of all finance views."""
    views = rows(url, "select viewname from pg_views where schemaname = 'finance' order by 1")
    return {view: rows(url, f"select v::text from finance.{view} v order by 1") for (view,) in views}


def _settings(url: str) -> list[Any]:
    """What is set for roles in this database."""
    return rows(
        url,
        """select setrole::regrole::text, unnest(setconfig) from pg_db_role_setting
           where setdatabase = (select oid from pg_database where datname = current_database()) order by 1, 2""",
    )


def test_a_restored_warehouse_is_the_one_that_was_backed_up(postgres: PostgresServer, tmp_path: Path) -> None:
    """Finance sees the same, roles and rights are there, evidence and mail are found, and nothing is billed again."""
    admin = postgres.create_database("warehouse", template="warehouse_template")
    platform = Platform(postgres.create_database("backup_platform", template="platform_template"))
    platform.account("a")
    platform.user("fa", "a")
    platform.station("c-1", "a", connectors=3)
    platform.station("c-2", "a", "Private")
    platform.save()
    evidence, backup = tmp_path / "evidence", tmp_path / "backup"
    backup.mkdir()
    writer = postgres.url("evbilling_writer", "warehouse", password="test")
    settle_terms(writer, terms("a", financial_admin_id="fa", exclude_private=True))
    assert bill(Services(platform.url, writer, str(evidence))).issued["statements"] == 1
    with post_office() as office:
        assert deliver(Services(platform.url, writer, str(evidence)), office.settings())["sent"] == 1
    variables = {"WAREHOUSE_ADMIN_URL": admin, "EVIDENCE": str(evidence), "BACKUP": str(backup)}
    subprocess.run([sys.executable, "-m", "evbilling.cli", "migrate", "--url", admin], check=True, capture_output=True)
    _run("Back up", variables)
    seen, settings = _finance(admin), _settings(admin)
    assert seen["statements"]
    assert settings
    evidence.rename(tmp_path / "lost")

    with PostgresServer(tmp_path / "second", durable=False) as second:
        restored = second.url(database="warehouse")
        _run("Restore", variables | {"NEW_SERVER_URL": second.url(), "RESTORED_URL": restored})
        assert _finance(restored) == seen
        assert _settings(restored) == settings
        with psycopg.connect(restored) as connection:
            (sending,) = kept_sendings(connection, one(restored, "select mail_id from billing.mail"))
        assert read_kept(EvidenceStore(str(evidence)), sending).content == office.raw[0]
        writer = second.url("evbilling_writer", "warehouse", password="test")
        again = bill(Services(platform.url, writer, str(evidence)))
        assert (again.issued["outcome"], again.issued["statements"]) == ("unchanged", 0)
        with psycopg.connect(restored) as connection, pytest.raises(psycopg.Error, match=r"immutable|change"):
            connection.execute("update billing.statement set total_minor = 0")
    for name in ("warehouse", "backup_platform"):
        postgres.drop_database(name)
