"""The evidence store: content-hashed, never overwritten, and anything but what was stored is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from evbilling.errors import BadInput, NotReady, TransientError
from evbilling.evidence import EvidenceStore

TABLE = pa.table({"charger_id": ["a", "b"], "connector_id": pa.array([1, 2], pa.int32())})


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_table_comes_back_as_it_was_stored(tmp_path: Path, form: str) -> None:
    """A folder by path or by URL gives back the very table, or the columns asked for."""
    store = EvidenceStore(form.format(tmp_path))
    stored = store.put_table("2026-11/run-1", "inventory-000", TABLE)
    assert store.get_table(stored.key, stored.sha256).equals(TABLE)
    assert store.get_table(stored.key, stored.sha256, columns=["charger_id"]).column_names == ["charger_id"]
    assert (tmp_path / stored.key).stat().st_size == stored.size


def test_text_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    """A page keeps every letter."""
    store = EvidenceStore(str(tmp_path))
    stored = store.put_text("2026-11", "page", "html", "Müller & Söhne €")
    assert store.get_text(stored.key, stored.sha256) == "Müller & Söhne €"


def test_bytes_are_stored_under_their_hash(tmp_path: Path) -> None:
    """Spread over folders by its first two digits; once, however often they are put, and put right if they changed."""
    store = EvidenceStore(str(tmp_path))
    stored = store.put_bytes("mail/2026-11", "eml", b"Hello")
    assert stored.key == f"mail/2026-11/{stored.sha256[:2]}/{stored.sha256}.eml"
    assert store.get_bytes(stored.key, stored.sha256) == b"Hello"
    (tmp_path / stored.key).write_bytes(b"Hullo")
    with pytest.raises(BadInput, match="has changed since it was stored"):
        store.get_bytes(stored.key, stored.sha256)
    assert store.put_bytes("mail/2026-11", "eml", b"Hello") == stored
    assert [path.name for path in (tmp_path / stored.key).parent.iterdir()] == [f"{stored.sha256}.eml"]
    assert store.get_bytes(stored.key, stored.sha256) == b"Hello"


def test_the_same_content_is_stored_once_and_other_content_beside_it(tmp_path: Path) -> None:
    """A name holds the content's hash, so nothing is ever overwritten, and no half-written file stays."""
    store = EvidenceStore(str(tmp_path))
    first, again = store.put_table("f", "t", TABLE), store.put_table("f", "t", TABLE)
    other = store.put_table("f", "t", TABLE.slice(1))
    assert first == again
    assert other.key != first.key
    assert sorted(f"f/{p.name}" for p in (tmp_path / "f").iterdir()) == sorted([first.key, other.key])
    assert store.get_table(first.key, first.sha256).equals(TABLE)


def test_changed_evidence_is_refused_by_name(tmp_path: Path) -> None:
    """One changed byte and the file no longer counts."""
    store = EvidenceStore(str(tmp_path))
    stored = store.put_table("f", "t", TABLE)
    data = bytearray((tmp_path / stored.key).read_bytes())
    data[10] ^= 1
    (tmp_path / stored.key).write_bytes(data)
    with pytest.raises(BadInput, match="has changed since it was stored") as refused:
        store.get_table(stored.key, stored.sha256)
    assert stored.key in str(refused.value)


def cut_off(whole: bytes) -> bytes:
    return whole[: len(whole) - 7]


def one_bit_flipped(whole: bytes) -> bytes:
    return whole[:10] + bytes([whole[10] ^ 1]) + whole[11:]


@pytest.mark.parametrize("damage", [cut_off, one_bit_flipped])
def test_a_file_with_other_bytes_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    """Its name says what it holds: one that was cut off, or of the right size with one changed bit, doesn't count."""
    store = EvidenceStore(str(tmp_path))
    stored = store.put_table("f", "t", TABLE)
    whole = (tmp_path / stored.key).read_bytes()
    (tmp_path / stored.key).write_bytes(damage(whole))
    assert store.put_table("f", "t", TABLE) == stored
    assert (tmp_path / stored.key).read_bytes() == whole
    assert "other bytes than its name says" in caplog.text


def test_a_file_and_its_folders_are_on_the_disk_before_it_counts_as_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are synced before the file has its name; the name, and those of new folders, before `put` returns."""
    synced: list[Path] = []
    sync = os.fsync

    def recording(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    stored = EvidenceStore(str(tmp_path)).put_table("2026-11/run-1", "t", TABLE)
    period, run = tmp_path / "2026-11", tmp_path / "2026-11" / "run-1"
    *folders, part, last = synced
    assert folders == [tmp_path, period]
    assert part.name.startswith(f"{Path(stored.key).name}.")
    assert part.suffix == ".part"
    assert last == run


def test_missing_evidence_is_named(tmp_path: Path) -> None:
    """A file that is gone is named, with what to do."""
    store = EvidenceStore(str(tmp_path))
    with pytest.raises(NotReady, match=r"gone\.parquet is not there"):
        store.get_table("f/gone.parquet", "0" * 64)


def test_a_store_of_an_unknown_kind_is_refused() -> None:
    """A URL that no file system answers to is refused when the store is opened."""
    with pytest.raises(BadInput, match="evidence store nosuch://bucket"):
        EvidenceStore("nosuch://bucket")


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Where a file stands in the folder's place, the store says that it can't be written."""
    (tmp_path / "f").write_text("in the way", encoding="utf-8")
    with pytest.raises(TransientError, match="evidence store"):
        EvidenceStore(str(tmp_path)).put_table("f", "t", TABLE)
