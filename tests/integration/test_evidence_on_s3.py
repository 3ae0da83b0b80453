"""Evidence in an S3-compatible store: a real server, its refusals, connections and writers that die in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from evbilling.errors import BadInput, EvbillingError, NotReady, TransientError
from evbilling.evidence import EvidenceStore
from evbilling.mail import deliver
from evbilling.services import Services
from tests.support.broken_proxy import broken_proxy
from tests.support.mail import post_office
from tests.support.month import Platform, bill, one, published, rows, settle_terms, terms
from tests.support.object_store import ObjectStore
from tests.support.programs import free_ports

TABLE = pa.table({"charger_id": ["a", "b"], "connector_id": pa.array([1, 2], pa.int32())})
# What isn't like itself anywhere stays as large in a Parquet file.
LARGE = pa.table({"noise": np.random.default_rng(7).integers(0, 2**62, 3_000_000)})


@pytest.fixture(autouse=True)
def _no_access_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have an account at AWS; and nobody here asks a cloud's machine for a key."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def refusal(kind: type[EvbillingError], store: ObjectStore, place: str) -> str:
    """What is said when a table is to be put to `place` and got from it: the same, without the secret and in one go."""
    evidence = EvidenceStore(store.url(place))
    with pytest.raises(kind) as putting:
        evidence.put_table("2026-11/run-1", "inventory-000", TABLE)
    with pytest.raises(kind) as getting:
        evidence.get_table("2026-11/run-1/inventory-000.parquet", "0" * 64)
    said = f"{putting.value}\n{getting.value}"
    assert all(error.value.where == f"evidence store s3://{place} at {store.endpoint}" for error in (putting, getting))
    assert all(error.value.fix for error in (putting, getting))
    assert store.secret not in said
    assert store.key not in said
    return said


def test_a_table_comes_back_as_it_was_stored(object_store: ObjectStore) -> None:
    """One object, named after its content, gives back the very table or the columns asked for."""
    bucket = object_store.new_bucket()
    evidence = EvidenceStore(object_store.url(f"{bucket}/evi dence"))
    stored = evidence.put_table("2026-11/run-1", "inventory-000", TABLE)
    assert evidence.get_table(stored.key, stored.sha256).equals(TABLE)
    assert evidence.get_table(stored.key, stored.sha256, columns=["charger_id"]).column_names == ["charger_id"]
    assert object_store.objects(bucket) == {f"evi dence/{stored.key}": stored.size}


def test_a_large_table_is_stored_whole(object_store: ObjectStore) -> None:
    """What goes up in several parts comes back byte by byte, too."""
    evidence = EvidenceStore(object_store.url(object_store.new_bucket()))
    stored = evidence.put_table("f", "large", LARGE)
    assert stored.size > 15 << 20
    assert evidence.get_table(stored.key, stored.sha256).equals(LARGE)


def test_the_same_content_is_stored_once_and_never_written_again(object_store: ObjectStore) -> None:
    """Putting the same table again leaves the object as it is: a reader's key is enough for it."""
    bucket = object_store.new_bucket()
    first = EvidenceStore(object_store.url(bucket)).put_table("f", "t", TABLE)
    assert EvidenceStore(object_store.url(bucket)).put_table("f", "t", TABLE) == first
    assert EvidenceStore(object_store.reader.url(bucket)).put_table("f", "t", TABLE) == first
    assert object_store.objects(bucket) == {first.key: first.size}


def test_changed_evidence_is_refused_by_name_and_written_again(object_store: ObjectStore) -> None:
    """With one bit flipped an object of the right size no longer counts, until the table is put again."""
    bucket = object_store.new_bucket()
    evidence = EvidenceStore(object_store.url(bucket))
    stored = evidence.put_table("f", "t", TABLE)
    data = bytearray(object_store.read(f"{bucket}/{stored.key}"))
    data[10] ^= 1
    object_store.write(f"{bucket}/{stored.key}", bytes(data))
    with pytest.raises(BadInput, match="has changed since it was stored") as refused:
        evidence.get_table(stored.key, stored.sha256)
    assert stored.key in str(refused.value)
    assert evidence.put_table("f", "t", TABLE) == stored
    assert evidence.get_table(stored.key, stored.sha256).equals(TABLE)


def test_missing_evidence_is_named(object_store: ObjectStore) -> None:
    """An object that is gone is named, with what to do."""
    evidence = EvidenceStore(object_store.url(object_store.new_bucket()))
    with pytest.raises(NotReady, match=r"gone\.parquet is not there"):
        evidence.get_table("f/gone.parquet", "0" * 64)


def test_a_missing_bucket_is_named_and_not_made(object_store: ObjectStore) -> None:
    """Nobody's evidence ends in a bucket that a typo made."""
    said = refusal(NotReady, object_store, "no-such-bucket/evidence")
    assert said.count("there is no bucket no-such-bucket") == 2
    assert "no-such-bucket" not in [info.path for info in object_store.files().get_file_info(_everything())]


def _everything() -> Any:
    import pyarrow.fs

    return pyarrow.fs.FileSelector("")


def test_a_key_that_is_refused_is_no_outage(object_store: ObjectStore) -> None:
    """A wrong secret and an unknown key fail at once and say what to check."""
    bucket = object_store.new_bucket()
    for wrong in (replace(object_store, secret="wr0ng+secret/"), replace(object_store, key="NOBODYSKEY")):
        said = refusal(BadInput, wrong, bucket)
        assert said.count("the store refuses the key") == 2
        assert said.count(f"may list, read and write the bucket {bucket}") == 2


def test_a_key_that_may_only_read_cannot_put(object_store: ObjectStore) -> None:
    """A key without the right to write is told so, and can read all the same."""
    bucket = object_store.new_bucket()
    stored = EvidenceStore(object_store.url(bucket)).put_table("f", "t", TABLE)
    reader = EvidenceStore(object_store.reader.url(bucket))
    assert reader.get_table(stored.key, stored.sha256).equals(TABLE)
    with pytest.raises(BadInput, match="refuses the key or the request"):
        reader.put_table("f", "other", TABLE)


def test_a_store_that_does_not_answer_may_be_tried_again(object_store: ObjectStore) -> None:
    """Nobody listens: that is an outage, and the message says where."""
    (port,) = free_ports(1)
    down = replace(object_store, endpoint=f"http://127.0.0.1:{port}")
    assert "check that the store runs and can be reached" in refusal(TransientError, down, "bucket")


def test_access_may_come_from_the_environment(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain s3:// URL takes key, region and endpoint from where all programs for S3 look for them."""
    bucket = object_store.new_bucket()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", object_store.secret)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.endpoint)
    evidence = EvidenceStore(f"s3://{bucket}/evidence")
    stored = evidence.put_table("f", "t", TABLE)
    assert evidence.get_table(stored.key, stored.sha256).equals(TABLE)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://KEY@bucket", "has half a key"),
        ("s3://:SECRET@bucket", "has half a key"),
        ("s3:///folder", "names no bucket"),
        ("s3://KEY:SECRET@bucket?endpont_url=x", "has options that no S3 store knows: endpont_url"),
        ("s3://KEY:SECRET@[bucket", "evidence store s3://…"),
    ],
)
def test_a_url_that_means_nothing_is_refused_without_its_secret(url: str, said: str) -> None:
    """A mistake in the URL is told when the store is opened, and what is secret in it isn't."""
    with pytest.raises(BadInput) as refused:
        EvidenceStore(url)
    assert said in str(refused.value)
    assert "SECRET" not in str(refused.value)
    assert "KEY" not in str(refused.value)


def test_a_connection_that_is_cut_leaves_no_half_object(object_store: ObjectStore) -> None:
    """The network ends in the middle of a large table: nothing is there, and the next try stores it whole."""
    bucket = object_store.new_bucket()
    with broken_proxy(object_store.endpoint, upwards=True, cut=True) as proxy:
        proxy.limit = 8 << 20
        behind_it = replace(object_store, endpoint=proxy.address)
        with pytest.raises(TransientError, match="evidence store"):
            EvidenceStore(behind_it.url(bucket)).put_table("f", "large", LARGE)
        assert proxy.reached.is_set()
    assert object_store.objects(bucket) == {}
    stored = EvidenceStore(object_store.url(bucket)).put_table("f", "large", LARGE)
    assert object_store.objects(bucket) == {stored.key: stored.size}


PUT_LARGE = """
import sys
from tests.integration.test_evidence_on_s3 import LARGE, EvidenceStore
EvidenceStore(sys.argv[1]).put_table("f", "large", LARGE)
"""


def test_a_writer_that_is_killed_leaves_no_half_object(object_store: ObjectStore) -> None:
    """A process that dies with the table half sent leaves nothing, and the next try stores it whole."""
    bucket = object_store.new_bucket()
    with broken_proxy(object_store.endpoint, upwards=True, cut=False) as proxy:
        proxy.limit = 8 << 20
        behind_it = replace(object_store, endpoint=proxy.address)
        repository = str(Path(__file__).resolve().parents[2])
        writer = subprocess.Popen(
            [sys.executable, "-c", PUT_LARGE, behind_it.url(bucket)], env={"PYTHONPATH": repository}
        )
        try:
            assert proxy.reached.wait(120)
        finally:
            writer.kill()
        assert writer.wait() == -signal.SIGKILL
    assert object_store.objects(bucket) == {}
    stored = EvidenceStore(object_store.url(bucket)).put_table("f", "large", LARGE)
    assert object_store.objects(bucket) == {stored.key: stored.size}


class Interrupted(Exception):
    """What a signal's handler raises."""


class Interrupting:
    """A file system in which a signal arrives as soon as a stream is open."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def get_file_info(self, path: str) -> Any:
        return self._files.get_file_info(path)

    def open_output_stream(self, path: str, **options: Any) -> Any:
        stream = self._files.open_output_stream(path, **options)
        signal.raise_signal(signal.SIGUSR1)
        return stream


def test_a_task_that_is_stopped_leaves_no_half_object(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that raises an exception while a table is written, as Airflow's do: the object is whole."""
    bucket = object_store.new_bucket()
    evidence = EvidenceStore(object_store.url(bucket))

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        place = evidence._folder
        monkeypatch.setattr(evidence, "_folder", replace(place, files=Interrupting(place.files)))
        with pytest.raises(Interrupted):
            evidence.put_table("f", "large", LARGE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    monkeypatch.undo()
    # Interrupted while the thread that sends it was just being started, the task goes on before the object is there.
    deadline = time.monotonic() + 60
    while not (found := object_store.objects(bucket)) and time.monotonic() < deadline:
        time.sleep(0.05)
    ((key, size),) = found.items()
    stored = evidence.put_table("f", "large", LARGE)
    assert (stored.key, stored.size) == (key, size)
    assert evidence.get_table(stored.key, stored.sha256).equals(LARGE)


def test_an_object_of_the_wrong_size_is_put_again(object_store: ObjectStore) -> None:
    """Whatever store let half an object appear: the next try doesn't take it for the whole."""
    bucket = object_store.new_bucket()
    evidence = EvidenceStore(object_store.url(bucket))
    stored = evidence.put_table("f", "t", TABLE)
    object_store.write(f"{bucket}/{stored.key}", b"")
    assert evidence.put_table("f", "t", TABLE) == stored
    assert evidence.get_table(stored.key, stored.sha256).equals(TABLE)


@pytest.mark.postgres
def test_a_month_has_the_same_evidence_as_in_a_folder(
    object_store: ObjectStore, platform_db: str, warehouse_db: Any, tmp_path: Path
) -> None:
    """The same month with its evidence in a bucket and in a folder: the same bytes, and the second changes nothing.

    Its mail is kept in the bucket as the mail server got it.
    """
    platform = Platform(platform_db)
    for account in ("a", "b"):
        platform.plain_account(account)
        for charger in range(20):
            platform.station(f"{account}-c{charger}", account, connectors=1 + charger % 3)
    platform.save()
    settle_terms(warehouse_db.writer_url, terms("a"), terms("b"))
    bucket = object_store.new_bucket()
    on_s3 = Services(platform_db, warehouse_db.writer_url, object_store.url(f"{bucket}/evidence"))
    in_folder = replace(on_s3, evidence_url=str(tmp_path))

    first = bill(on_s3, shard_rows=10)
    assert first.issued["statements"] == 2
    issued = published(warehouse_db.admin_url)
    second = bill(in_folder, shard_rows=10)
    assert second.issued["outcome"] == "unchanged"
    assert published(warehouse_db.admin_url) == issued

    evidence = """select shard, inventory_sha256, extracted_rows from billing.run_shard where run_id = %s order by 1"""
    accounts = "select accounts_sha256 from billing.run where run_id = %s"
    assert len(first.shards) == 8
    assert rows(warehouse_db.admin_url, evidence, first.run_id) == rows(warehouse_db.admin_url, evidence, second.run_id)
    assert one(warehouse_db.admin_url, accounts, first.run_id) == one(warehouse_db.admin_url, accounts, second.run_id)
    kept = {key.partition(f"run-{first.run_id}/")[2]: size for key, size in object_store.objects(bucket).items()}
    folder = tmp_path / "2026-11" / f"run-{second.run_id}"
    # The page of the validation names its run.
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if not path.name.startswith("validation")}
    assert {name: size for name, size in kept.items() if not name.startswith("validation")} == sizes

    with post_office() as office:
        assert deliver(on_s3, office.settings())["sent"] == 2
    files = rows(warehouse_db.admin_url, "select file from finance.mail_documents order by mail_id")
    assert [object_store.read(f"{bucket}/evidence/{file}") for (file,) in files] == office.raw


@pytest.mark.postgres
def test_a_month_without_its_bucket_stops_and_says_so(
    object_store: ObjectStore, platform_db: str, warehouse_db: Any
) -> None:
    """The run's record names the bucket that is missing, and nothing secret; made, the same month is billed."""
    platform = Platform(platform_db)
    platform.plain_account("a", connectors=3)
    platform.save()
    settle_terms(warehouse_db.writer_url, terms("a"))
    services = Services(platform_db, warehouse_db.writer_url, object_store.url("not-made-yet/evidence"))
    with pytest.raises(NotReady, match="there is no bucket not-made-yet"):
        bill(services)
    failure = one(warehouse_db.admin_url, "select failure from billing.run")
    assert "there is no bucket not-made-yet" in failure
    assert object_store.secret not in failure
    assert object_store.key not in failure
    object_store.files().create_dir("not-made-yet")
    assert bill(services).issued["statements"] == 1
