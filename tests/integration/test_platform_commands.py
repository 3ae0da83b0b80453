"""`evbilling platform` as a person types it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.cli.main import main

pytestmark = pytest.mark.postgres

SAMPLE = ["platform", "sample", "--accounts", "50", "--connectors-per-account", "10", "--today", "2026-11-23"]


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"select count(*) from {table}").fetchone()
    return row[0] if row else -1


def test_sample_fills_both_databases_and_its_files_load(
    platform_db: str,
    warehouse_db: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PLATFORM_URL", platform_db)
    monkeypatch.setenv("WAREHOUSE_URL", warehouse_db.writer_url)
    assert main([*SAMPLE, "--no-settings"]) == 0
    assert count(warehouse_db.writer_url, "billing.account_setting") == 0
    assert main([*SAMPLE, "--settings-out", str(tmp_path / "s.csv")]) == 0
    assert "faulty on purpose: acc-000012, no financial admin" in capsys.readouterr().out
    recorded = count(warehouse_db.writer_url, "billing.account_setting")
    assert recorded >= 50
    assert main(["settings", "load", str(tmp_path / "s.csv")]) == 0
    assert f"0 settings added, {recorded} were in force already" in capsys.readouterr().out
    assert main([*SAMPLE, "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "out" / "account.csv").write_text(
        "account_id,name,country,time_zone,currency,note\na,,,,,x\n", encoding="utf-8"
    )
    capsys.readouterr()
    assert main(["platform", "load", str(tmp_path / "out")]) == 0
    assert "note: account.csv has columns that aren't used: note" in capsys.readouterr().err
    assert count(platform_db, "platform.account") == 1


def test_a_refusal_is_one_message(platform_db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platform", "load", str(tmp_path / "none"), "--url", platform_db]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert main([*SAMPLE[:2], "--accounts", "0", "--url", platform_db, "--no-settings"]) == 2
    assert "a sample has 1 to 1,000,000 accounts, not 0" in capsys.readouterr().err
