"""The made-up platform: the same on every machine, faulty only on purpose, and growing smoothly."""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from evbilling.errors import BadInput
from evbilling.money import decimals, minor_unit
from evbilling.period import is_time_zone
from evbilling.platform import CHARGER, TABLES
from evbilling.platform.files import check_files, open_table
from evbilling.settings import read_settings
from evbilling_local.sample import sample_settings, write_sample_files
from evbilling_local.sample.accounts import FAULTS, Sample
from evbilling_local.sample.draws import Draws
from evbilling_local.sample.places import PLACES

TODAY = date(2026, 11, 23)


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def test_the_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_sample_files(tmp_path / name, 60, seed, TODAY)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_draws_are_what_they_ever_were() -> None:
    assert Draws(1, 2).below(1000, 5).tolist() == [448, 430, 419, 277, 821]
    assert np.all(Draws(3).below(np.array([1, 2, 3]), 3) < np.array([1, 2, 3]))


def test_the_files_load_and_the_settings_go_with_them(tmp_path: Path) -> None:
    made = write_sample_files(tmp_path, 501, 3, TODAY, connectors_per_account=20)
    files = check_files(str(tmp_path))
    counted = {table.name: sum(b.num_rows for b in files[table.name].batches()) for table in TABLES}
    assert list(counted.values()) == [501, made.users, made.chargers, made.connectors, made.charges]
    settings = read_settings(tmp_path / "billing_settings.csv")
    assert settings == sample_settings(501, 3, TODAY, 20)
    assert {row.account_id for row in settings} == {f"acc-{n:06d}" for n in range(1, 502)}


def test_small_samples_have_no_faults() -> None:
    assert Sample(49, 1).faults == {}
    assert Sample(50, 1).faults == FAULTS


def test_only_the_named_accounts_are_faulty(tmp_path: Path) -> None:
    made = write_sample_files(tmp_path, 50, 1, TODAY)
    faulty = {name: account for account, name in made.faulty.items()}
    accounts = {row["account_id"]: row for b in open_table(str(tmp_path), TABLES[0]).batches() for row in b.to_pylist()}
    assert [a for a, row in accounts.items() if not is_time_zone(row["time_zone"])] == [faulty["unknown time zone"]]
    chargers = [row for b in open_table(str(tmp_path), CHARGER).batches() for row in b.to_pylist()]
    odd = {row["account_id"] for row in chargers if row["scope_status"] not in {"Public", "Private", "Closed"}}
    assert odd == {faulty["unknown scope status"]}
    overlapping = {
        b["account_id"]
        for a, b in pairwise(chargers)
        if a["charger_id"] == b["charger_id"] and (a["valid_to"] is None or a["valid_to"] > b["valid_from"])
    }
    assert overlapping == {faulty["overlapping history"]}
    settings = sample_settings(50, 1, TODAY)
    units = {a: minor_unit(row["currency"]) for a, row in accounts.items()}
    finest = {s.account_id for s in settings if decimals(s.fee_per_connector) > (units[s.account_id] or 0)}
    assert finest == {faulty["fee with too many decimals"]}
    assert {s.account_id for s in settings if s.financial_admin_id is None} == {faulty["no financial admin"]}


def test_every_place_is_real() -> None:
    assert all(is_time_zone(place.time_zone) and minor_unit(place.currency) is not None for place in PLACES)


@pytest.mark.parametrize("accounts", [1, 3, 20, 300])
def test_the_count_grows_smoothly(tmp_path: Path, accounts: int) -> None:
    write_sample_files(tmp_path, accounts, 5, TODAY)
    rows = [b for b in open_table(str(tmp_path), TABLES[3]).batches()]
    starts = np.concatenate([pc.cast(b.column("valid_from"), "int64").to_numpy() for b in rows])
    months = [np.datetime64(f"{2025 + m // 12}-{m % 12 + 1:02d}-01", "us").astype(np.int64) for m in range(10, 23)]
    counts = [int((starts <= month).sum()) for month in months]
    assert all(before < after < before * 1.15 for before, after in pairwise(counts))


@pytest.mark.parametrize(("accounts", "connectors"), [(0, 100), (10_000_000, 100), (1, 0)])
def test_sizes_out_of_range_are_refused(accounts: int, connectors: int) -> None:
    with pytest.raises(BadInput):
        Sample(accounts, 1, connectors)
