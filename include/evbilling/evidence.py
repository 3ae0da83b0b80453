"""Stores what a run read and decided, and mail as it was sent, as immutable, content-hashed files.

The store is a local folder or an object store's URL.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from evbilling.errors import BadInput, NotReady
from evbilling.storage import open_storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """The key of a piece of evidence (its path in the store), the SHA-256 of its bytes, and their number."""

    key: str
    sha256: str
    size: int


class EvidenceStore:
    """A folder or object-store URL. A name holds its content's hash, so a file is never overwritten by another.

    Any method raises `BadInput` if the store refuses the key, `NotReady` if its bucket doesn't exist, `TransientError`
    if it doesn't answer.
    """

    def __init__(self, url: str) -> None:
        self._folder = open_storage(url, "evidence store")
        self.name = self._folder.name

    def put_table(self, folder: str, name: str, table: pa.Table) -> Stored:
        """Store `table` as `<folder>/<name>-<hash>.parquet`."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", compression_level=1)
        return self._put(folder, name, "parquet", sink.getvalue())

    def put_text(self, folder: str, name: str, suffix: str, text: str) -> Stored:
        """Store `text` in UTF-8 as `<folder>/<name>-<hash>.<suffix>`."""
        return self._put(folder, name, suffix, pa.py_buffer(text.encode()))

    def put_bytes(self, folder: str, suffix: str, data: bytes) -> Stored:
        """Store `data` under its hash alone, as `<folder>/<its first two digits>/<hash>.<suffix>`.

        It is written without a look whether it is there: that would take a request, and content under its own hash can
        only be replaced by itself.
        """
        digest = hashlib.sha256(data).hexdigest()
        key = f"{folder}/{digest[:2]}/{digest}.{suffix}"
        try:
            self._write(self._folder.path(key), pa.py_buffer(data))
        except OSError as error:
            raise self._folder.explain(error, "written") from error
        return Stored(key, digest, len(data))

    def _put(self, folder: str, name: str, suffix: str, data: pa.Buffer) -> Stored:
        digest = hashlib.sha256(data).hexdigest()
        key = f"{folder}/{name}-{digest[:16]}.{suffix}"
        path = self._folder.path(key)
        try:
            if not self._has(path, data.size, digest):
                self._write(path, data)
        except OSError as error:
            raise self._folder.explain(error, "written") from error
        return Stored(key, digest, data.size)

    def _has(self, path: str, size: int, digest: str) -> bool:
        """True if the very bytes are there. Others under their name are a write cut short, or were changed since."""
        info = self._folder.files.get_file_info(path)
        if info.type != pa.fs.FileType.File:
            return False
        if info.size == size:
            with self._folder.files.open_input_stream(path, compression=None) as stream:
                if hashlib.sha256(stream.read_buffer()).hexdigest() == digest:
                    return True
        log.warning("%s: %s had other bytes than its name says, and is written again", self.name, path)
        return False

    def _write(self, path: str, data: pa.Buffer) -> None:
        if not self._folder.bucket:
            _write_file(Path(path), data)
            return
        # An object appears when its stream is closed, and dropping the stream closes it, even when half written.
        # A thread writes it: there, no signal of Airflow (a timeout, a stop) can raise an exception half-way.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._send, path, data).result()

    def _send(self, path: str, data: pa.Buffer) -> None:
        with self._folder.files.open_output_stream(path, compression=None) as stream:
            stream.write(data)

    def get_table(self, key: str, sha256: str, columns: list[str] | None = None) -> pa.Table:
        """The table stored under `key`; raises `BadInput` if its bytes are no longer those that were stored."""
        return pq.read_table(pa.BufferReader(self._get(key, sha256)), columns=columns)

    def get_text(self, key: str, sha256: str) -> str:
        """The text stored under `key`, its hash checked."""
        return bytes(self._get(key, sha256)).decode()

    def get_bytes(self, key: str, sha256: str) -> bytes:
        """The bytes stored under `key`, their hash checked."""
        return bytes(self._get(key, sha256, "restore it from a backup"))

    def _get(self, key: str, sha256: str, fix: str = "restore it, or run the period again from the start") -> Any:
        try:
            with self._folder.files.open_input_stream(self._folder.path(key), compression=None) as stream:
                data = stream.read_buffer()
        except FileNotFoundError:
            self._folder.require_bucket()
            raise NotReady(f"{key} is not there", where=self.name, fix=fix) from None
        except OSError as error:
            raise self._folder.explain(error, "read") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BadInput(
                f"{key} has changed since it was stored",
                where=self.name,
                fix="evidence is immutable: restore the file from a backup",
            )
        return data


def _write_file(path: Path, data: pa.Buffer) -> None:
    """Write a file that appears whole or not at all, and is on the disk before anything is recorded about it."""
    _make_folder(path.parent)
    # It appears when it is renamed; until then, each of two simultaneous tries has its own file.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """A new name in a folder survives a power cut only once the folder itself is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
