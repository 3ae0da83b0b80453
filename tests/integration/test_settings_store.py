"""Billing settings in the warehouse: append-only, audited, and the right one in force."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.cli.main import main
from evbilling.errors import BadInput, TransientError
from evbilling.period import Period
from evbilling.settings import (
    COLUMNS,
    BillingTerms,
    SettingChanged,
    effective_settings,
    read_settings,
    record_setting,
    record_settings,
    recorded_settings,
    settings_of,
)
from evbilling.settings.store import RecordedSettings

pytestmark = pytest.mark.postgres

JANUARY = Period(2020, 1)
TERMS = BillingTerms("a", JANUARY, True, "u", Decimal("4.5"), None, False, True, Decimal("0.07"))


def in_force(warehouse_db: Any, period: Period) -> list[BillingTerms]:
    with psycopg.connect(warehouse_db.writer_url) as connection:
        return effective_settings(connection, period)


def audit(warehouse_db: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse_db.admin_url) as connection:
        return connection.execute(
            "select actor, action, subject_id, reason from billing.audit_event order by event_id"
        ).fetchall()


def test_the_real_settings_are_recorded_once(warehouse_db: Any, real_data: Path) -> None:
    terms = read_settings(real_data / "billing_settings.csv")
    assert record_settings(warehouse_db.writer_url, terms, "ann") == RecordedSettings(546, 0)
    assert record_settings(warehouse_db.writer_url, terms, "bob") == RecordedSettings(0, 546)
    assert len(audit(warehouse_db)) == 546
    latest = {t.account_id: t for t in sorted(terms, key=lambda t: t.effective_from)}
    assert {t.account_id: t for t in in_force(warehouse_db, Period(2020, 10))} == latest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fee_per_connector": Decimal("NaN")}, "a fee or tax rate is NaN, which is no amount"),
        ({"fee_per_dc_connector": Decimal("NaN")}, "a fee or tax rate is NaN"),
        ({"tax_rate": Decimal("NaN")}, "a fee or tax rate is NaN"),
        ({"account_id": "a" * 301}, "has 301 characters; an id has at most 300"),
        ({"financial_admin_id": "a" * 2_669}, "has 2,669 characters; an id has at most 300"),
        ({"fee_per_connector": Decimal("Infinity")}, "a fee or tax rate is out of range"),
        ({"fee_per_connector": Decimal("1e400")}, "a fee or tax rate is out of range"),
        ({"fee_per_connector": Decimal(-1)}, "a fee or tax rate is out of range"),
        ({"tax_rate": Decimal("1.5")}, "a fee or tax rate is out of range"),
    ],
)
def test_what_is_no_amount_or_id_is_refused_at_the_warehouse_s_door(
    warehouse_db: Any, changes: dict[str, Any], said: str
) -> None:
    """Whoever calls, and by whatever way: one clear message that isn't tried again, and nothing is recorded."""
    with pytest.raises(BadInput, match=said):
        record_settings(warehouse_db.writer_url, [replace(TERMS, **changes), replace(TERMS, account_id="b")], "ann")
    assert in_force(warehouse_db, JANUARY) == []


def test_the_latest_period_and_then_the_latest_record_count(warehouse_db: Any) -> None:
    url = warehouse_db.writer_url
    later = replace(TERMS, effective_from=Period(2020, 3), fee_per_connector=Decimal(6))
    record_settings(url, [TERMS, later, replace(TERMS, account_id="b")], "ann", "opening")
    assert in_force(warehouse_db, Period(2019, 12)) == []
    assert in_force(warehouse_db, Period(2020, 2)) == [TERMS, replace(TERMS, account_id="b")]
    assert in_force(warehouse_db, Period(2020, 3))[0] == later
    corrected = replace(TERMS, fee_per_dc_connector=Decimal(9))
    assert record_settings(url, [corrected], "bob", "agreed by phone") == RecordedSettings(1, 0)
    assert in_force(warehouse_db, Period(2020, 2))[0] == corrected
    assert in_force(warehouse_db, Period(2020, 3))[0] == later
    # Back to the first: it is in the history, but not in force, so it is recorded again.
    assert record_settings(url, [TERMS], "bob", "no, it wasn't") == RecordedSettings(1, 0)
    assert in_force(warehouse_db, Period(2020, 2))[0] == TERMS
    assert audit(warehouse_db)[3:] == [
        ("bob", "set_account_billing", "a", "agreed by phone"),
        ("bob", "set_account_billing", "a", "no, it wasn't"),
    ]
    with psycopg.connect(url) as connection:
        history = recorded_settings(connection, None, "a")
    assert [(row.terms, row.actor) for row in history] == [
        (TERMS, "ann"),
        (corrected, "bob"),
        (TERMS, "bob"),
        (later, "ann"),
    ]


def test_two_at_once_record_a_setting_once(warehouse_db: Any) -> None:
    def record(_: int) -> int:
        return record_settings(warehouse_db.writer_url, [TERMS], "ann").added

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(record, range(8))) == 1
    assert len(audit(warehouse_db)) == 1


def test_refusals(warehouse_db: Any) -> None:
    with pytest.raises(BadInput, match="twice"):
        record_settings(warehouse_db.writer_url, [TERMS, TERMS], "ann")
    with pytest.raises(BadInput, match="who and why"):
        record_settings(warehouse_db.writer_url, [TERMS], " ")
    with pytest.raises(TransientError, match="can't connect"):
        record_settings("postgresql://127.0.0.1:9/x", [TERMS], "ann")
    assert record_settings(warehouse_db.writer_url, [], "ann") == RecordedSettings(0, 0)


def test_commands(
    warehouse_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", warehouse_db.writer_url)
    path = tmp_path / "s.csv"
    path.write_text(f"{','.join(COLUMNS)}\na,2020-01,true,u,4.5,,false,true,0.07\n", encoding="utf-8")
    assert main(["settings", "load", str(path), "--actor", "ann"]) == 0
    assert "1 settings added, 0 were in force already" in capsys.readouterr().out
    assert audit(warehouse_db) == [("ann", "set_account_billing", "a", "settings load s.csv")]
    change = [
        "settings",
        "set",
        "a",
        "--from",
        "2020-05",
        "--fee",
        "5",
        "--dc-fee",
        "none",
        "--no-exclude-private",
    ]
    assert main([*change, "--actor", "bob", "--reason", "new contract"]) == 0
    assert in_force(warehouse_db, Period(2020, 5)) == [
        replace(TERMS, effective_from=Period(2020, 5), fee_per_connector=Decimal(5), exclude_private=False)
    ]
    capsys.readouterr()
    assert main(["settings", "set", "a", "--from", "2020-02", "--tax-rate", "0.08", "--reason", "law"]) == 0
    assert "note: this ends at 2020-05" in capsys.readouterr().err
    assert main(["settings", "show", "a"]) == 0
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == [
        "From",
        "2020-01",
        "2020-02",
        "2020-05",
    ]
    assert main(["settings", "show", "nobody"]) == 1
    assert main(["settings", "set", "b", "--from", "2020-02", "--fee", "1", "--reason", "new"]) == 2
    assert "give --charge or --no-charge, --admin" in capsys.readouterr().err
    assert main(["settings", "set", "a", "--from", "2020-02", "--tax-rate", "8", "--reason", "x"]) == 2
    assert "--tax-rate: 8 is not a fraction below 1; 8 % is written 0.08" in capsys.readouterr().err


def test_a_setting_is_recorded_by_who_has_seen_the_last_one(warehouse_db: Any) -> None:
    """The page's way: a repeated submit adds nothing, and nobody overwrites what he hasn't seen."""
    url = warehouse_db.writer_url
    assert record_setting(url, TERMS, "ann", "opening", seen=0)
    assert not record_setting(url, TERMS, "ann", "opening", seen=0), "the second submit of a double click"
    seen = last_setting(warehouse_db)
    dearer = replace(TERMS, effective_from=Period(2020, 3), fee_per_connector=Decimal(6))
    assert record_setting(url, dearer, "ann", "new contract", seen=seen) == last_setting(warehouse_db)
    with pytest.raises(SettingChanged, match=r"ann has recorded another setting of a meanwhile") as refused:
        record_setting(url, replace(dearer, exclude_closed=True), "bob", "closed ones", seen=seen)
    assert [(row.terms, row.actor, row.reason) for row in refused.value.recorded] == [(dearer, "ann", "new contract")]
    # What he wanted is what she did: there is nothing left to do.
    assert not record_setting(url, dearer, "bob", "new contract", seen=seen)
    assert [event[0] for event in audit(warehouse_db)] == ["ann", "ann"]


def test_what_is_in_force_already_is_not_recorded_again_for_later(warehouse_db: Any) -> None:
    """A form that was saved as it was opened: the same terms hold from the later period on anyway."""
    record_settings(warehouse_db.writer_url, [TERMS], "ann")
    later = replace(TERMS, effective_from=Period(2020, 6))
    assert not record_setting(warehouse_db.writer_url, later, "ann", "?", seen=last_setting(warehouse_db))


def test_two_forms_saved_at_once_are_one_setting(warehouse_db: Any) -> None:
    """Eight that have all seen nothing: one is recorded; those who wanted another are told."""

    def record(number: int) -> str:
        terms = replace(TERMS, fee_per_connector=Decimal(number % 2))
        try:
            added = record_setting(warehouse_db.writer_url, terms, f"user {number}", "at once", seen=0)
        except SettingChanged:
            return "told"
        return "added" if added else "so already"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(record, range(8)))
    assert tuple(map(results.count, ("added", "so already", "told"))) == (1, 3, 4)
    assert len(audit(warehouse_db)) == 1


def test_history_tells_why(warehouse_db: Any) -> None:
    """Each setting with the reason given for it, also where one file set several at once."""
    later = replace(TERMS, effective_from=Period(2020, 3))
    record_settings(warehouse_db.writer_url, [TERMS, later, replace(TERMS, account_id="b")], "ann", "opening")
    record_settings(warehouse_db.writer_url, [replace(later, exclude_closed=True)], "ann", "closed ones")
    with psycopg.connect(warehouse_db.writer_url) as connection:
        history = recorded_settings(connection, None, "a")
        found = settings_of(connection, JANUARY, ["a", "b", "c"])
    assert [row.reason for row in history] == ["opening", "opening", "closed ones"]
    assert {account: row.terms for account, row in found.items()} == {"a": TERMS, "b": replace(TERMS, account_id="b")}


def last_setting(warehouse_db: Any) -> int:
    with psycopg.connect(warehouse_db.writer_url) as connection:
        return max(row.setting_id for row in recorded_settings(connection, None, "a"))
