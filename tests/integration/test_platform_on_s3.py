"""A platform's files in an S3-compatible store: read as from a folder, and an outage is no fault of the files."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evbilling.errors import BadInput, EvbillingError, NotReady, TransientError
from evbilling.platform import CHARGER, CONNECTOR, Table
from evbilling.platform.files import check_files, open_table
from evbilling.services import Services
from evbilling.settings import read_settings, record_settings
from evbilling_local.sample import write_sample_files
from tests.support.broken_proxy import broken_proxy
from tests.support.month import bill, one, published
from tests.support.object_store import ObjectStore
from tests.support.programs import free_ports

PERIOD = "2026-10"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up platform as files: plain CSV, packed CSV and Parquet, and its settings."""
    place = tmp_path_factory.mktemp("platform")
    write_sample_files(place, accounts=30, seed=5, today=date(2026, 11, 20))
    rows = pa.Table.from_batches(open_table(str(place), CONNECTOR).batches())
    pq.write_table(rows, place / "connector.parquet", row_group_size=1000, compression="none")
    (place / "connector.csv").unlink()
    (place / "charger.csv.gz").write_bytes(gzip.compress((place / "charger.csv").read_bytes()))
    (place / "charger.csv").unlink()
    return place


@pytest.fixture(scope="module")
def bucket(object_store: ObjectStore, folder: Path) -> str:
    """A bucket with the platform's files in its folder `inventory`."""
    name = object_store.new_bucket()
    for file in folder.iterdir():
        if file.name != "billing_settings.csv":
            object_store.write(f"{name}/inventory/{file.name}", file.read_bytes())
    return name


def refusal(kind: type[EvbillingError], store: ObjectStore, place: str) -> str:
    """What is said of a folder that can't be read, without what is secret."""
    with pytest.raises(kind) as refused:
        check_files(store.url(place))
    said = str(refused.value)
    assert store.secret not in said
    assert store.key not in said
    assert f"s3://{place}" in said
    return said


@pytest.mark.postgres
def test_a_month_from_a_bucket_is_the_month_from_a_folder(
    object_store: ObjectStore, bucket: str, folder: Path, warehouse_db: Any, tmp_path: Path
) -> None:
    """Billed from the bucket, the month doesn't change when it is billed from the folder; no record has the key."""
    record_settings(warehouse_db.writer_url, read_settings(folder / "billing_settings.csv"), "ann")
    url = object_store.reader.url(f"{bucket}/inventory")
    from_s3 = Services(url, warehouse_db.writer_url, str(tmp_path))
    assert bill(from_s3, PERIOD, shard_rows=500).issued["statements"] > 10
    issued = published(warehouse_db.admin_url)
    assert one(warehouse_db.admin_url, "select source from billing.run") == f"s3://{bucket}/inventory"
    again = bill(replace(from_s3, platform_url=str(folder)), PERIOD, shard_rows=500)
    assert again.issued["outcome"] == "unchanged"
    assert published(warehouse_db.admin_url) == issued


def test_a_missing_bucket_is_not_taken_for_missing_files(object_store: ObjectStore) -> None:
    """It is the bucket that isn't there, not five files."""
    assert "there is no bucket no-such-bucket" in refusal(NotReady, object_store, "no-such-bucket/inventory")


def test_missing_files_are_named(object_store: ObjectStore, bucket: str) -> None:
    """The right bucket and the wrong folder: every file is named."""
    said = refusal(BadInput, object_store, f"{bucket}/elsewhere")
    assert all(f"{table}.csv: is missing" in said for table in ("account", "app_user", "charger", "connector"))


def test_a_key_that_is_refused_is_told(object_store: ObjectStore, bucket: str) -> None:
    """A wrong secret fails at once."""
    wrong = replace(object_store, secret="wr0ng+secret/")
    assert "the store refuses the key" in refusal(BadInput, wrong, f"{bucket}/inventory")


def test_a_store_that_does_not_answer_may_be_tried_again(object_store: ObjectStore) -> None:
    """Nobody listens: an outage."""
    (port,) = free_ports(1)
    down = replace(object_store, endpoint=f"http://127.0.0.1:{port}")
    assert "check that the store runs" in refusal(TransientError, down, "bucket/inventory")


@pytest.mark.parametrize("table", [CHARGER, CONNECTOR], ids=["packed CSV", "Parquet"])
def test_a_transfer_that_breaks_off_is_no_damage_of_the_file(
    object_store: ObjectStore, bucket: str, folder: Path, table: Table
) -> None:
    """A connection that ends in the middle of a file, again and again, is an outage and may be tried again."""
    size = next(file.stat().st_size for file in folder.iterdir() if file.name.startswith(table.name))
    with broken_proxy(object_store.endpoint, upwards=False, cut=True) as proxy:
        file = open_table(replace(object_store, endpoint=proxy.address).url(f"{bucket}/inventory"), table)
        proxy.limit = proxy.carried + size // 2
        with pytest.raises(TransientError) as broken:
            list(file.batches())
        assert proxy.reached.is_set()
    assert f"s3://{bucket}/inventory" in str(broken.value)
    whole = open_table(object_store.url(f"{bucket}/inventory"), table)
    assert sum(batch.num_rows for batch in whole.batches()) > 100
