"""Loading the demo platform database: all or nothing, and the real data in full."""

from __future__ import annotations

import gzip
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import psycopg
import pytest

from evbilling.errors import BadInput, NotReady, TransientError
from evbilling.platform import TABLES
from evbilling.platform.files import copy_into
from evbilling_local.sample import load_folder, sample_settings, write_sample, write_sample_files
from tests.support import hostile_files

pytestmark = pytest.mark.postgres

TODAY = date(2026, 11, 23)
_TYPES = {"text": "text", "boolean": "boolean", "integer": "integer", "timestamp": "timestamptz", "amount": "numeric"}


def counts(url: str, schema: str = "platform") -> list[int]:
    with psycopg.connect(url) as connection:
        return [connection.execute(f"select count(*) from {schema}.{table.name}").fetchone()[0] for table in TABLES]


def everything(url: str) -> list[set[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return [set(connection.execute(f"select * from platform.{t.name}").fetchall()) for t in TABLES]


def test_the_real_data_loads_in_full_and_again(platform_db: str, real_data: Path) -> None:
    for _ in range(2):
        loaded = load_folder(platform_db, str(real_data))
        assert loaded.rows == dict(zip((t.name for t in TABLES), (495, 990, 30_787, 100_877, 3_760), strict=True))
        assert counts(platform_db) == list(loaded.rows.values())
    with psycopg.connect(platform_db) as connection:
        charged = connection.execute("select sum(net_amount) from platform.account_charge").fetchone()[0]
        nulls = connection.execute("select count(*) from platform.charger where valid_to is null").fetchone()[0]
    lines = (real_data / "account_charge.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert charged == sum(Decimal(line.split(",")[6]) for line in lines)
    rows = gzip.decompress((real_data / "charger.csv.gz").read_bytes()).decode().splitlines()
    assert nulls == sum(row.endswith(",") for row in rows)


def test_a_bad_row_leaves_everything_as_it_was(platform_db: str, tmp_path: Path) -> None:
    write_sample(platform_db, 5, 1, TODAY)
    before = counts(platform_db)
    write_sample_files(tmp_path, 3, 2, TODAY)
    with (tmp_path / "account_charge.csv").open("a", encoding="utf-8") as file:
        file.write("c,a,,,,2020-01-01T00:00:00Z,1e3,0,EUR,0\n")
    with pytest.raises(BadInput, match=r"account_charge\.csv, line \d+, column net_amount: '1e3'"):
        load_folder(platform_db, str(tmp_path))
    assert counts(platform_db) == before


def test_files_and_database_hold_the_same_sample(platform_db: str, tmp_path: Path) -> None:
    made = write_sample(platform_db, 60, 4, TODAY)
    direct = everything(platform_db)
    assert write_sample_files(tmp_path, 60, 4, TODAY) == made
    load_folder(platform_db, str(tmp_path))
    loaded = everything(platform_db)
    assert loaded == direct
    assert made.settings == len(sample_settings(60, 4, TODAY))


def test_copy_into_another_schema_keeps_the_callers_transaction(platform_db: str, tmp_path: Path) -> None:
    write_sample_files(tmp_path, 3, 2, TODAY)
    with psycopg.connect(platform_db) as connection:
        connection.execute("create schema scratch")
        for table in TABLES:
            connection.execute(f"create table scratch.{table.name} (like platform.{table.name})")
        rows = copy_into(connection, str(tmp_path), "scratch")
        shutil.copy(tmp_path / "charger.csv", tmp_path / "charger.csv.gz")
        with pytest.raises(BadInput, match="is there beside"):
            copy_into(connection, str(tmp_path), "scratch")
        (tmp_path / "charger.csv.gz").unlink()
        (tmp_path / "connector.csv").write_text("charger_id\n", encoding="utf-8")
        with pytest.raises(BadInput, match="column connector_id: is missing"):
            copy_into(connection, str(tmp_path), "scratch")
    assert counts(platform_db, "scratch") == list(rows.values())


def test_hostile_folders_arrive_in_the_database_as_they_mean(platform_db: str, tmp_path: Path) -> None:
    read = {"timestamp": "(extract(epoch from {0}) * 1000000)::bigint"}
    with psycopg.connect(platform_db) as connection:
        for seed in range(3):
            connection.execute("create schema scratch")
            for table in TABLES:
                # Not the sample's tables: their keys refuse ids that are there twice, which is no fault of a file.
                columns = ", ".join(f"{c.name} {_TYPES[c.type]}" for c in table.columns)
                connection.execute(
                    f"create table scratch.{table.name} ({columns}, place int generated always as identity)"
                )
            random = Random(seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage]
            meaning = hostile_files.write_folder(tmp_path / str(seed), random)
            copy_into(connection, str(tmp_path / str(seed)), "scratch")
            for table in TABLES:
                forms = ", ".join(read.get(c.type, "{0}").format(c.name) for c in table.columns)
                found = connection.execute(f"select {forms} from scratch.{table.name} order by place").fetchall()
                assert found == list(zip(*meaning[table.name].values(), strict=True)), (seed, table.name)
            connection.execute("drop schema scratch cascade")


def test_missing_tables_and_silent_servers_are_told_apart(platform_db: str, tmp_path: Path) -> None:
    write_sample_files(tmp_path, 1, 1, TODAY)
    with pytest.raises(TransientError, match="can't connect"):
        load_folder("postgresql://127.0.0.1:9/nowhere", str(tmp_path))
    with pytest.raises(BadInput, match="not a database URL"):
        load_folder("nonsense", str(tmp_path))
    with psycopg.connect(platform_db) as connection:
        connection.execute("drop schema platform cascade")
    with pytest.raises(NotReady, match="lacks its tables"):
        load_folder(platform_db, str(tmp_path))
