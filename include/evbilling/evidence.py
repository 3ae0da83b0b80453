"""Keeps what a run saw and decided as immutable, content-hashed files on a local or object-store URL."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from evbilling.errors import BadInput, NotReady
from evbilling.storage import open_place


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a piece of evidence lies (relative to the store) and the SHA-256 of its bytes."""

    key: str
    sha256: str
    size: int


class EvidenceStore:
    """A folder or object-store URL. A name holds its content's hash, so a file is never overwritten by another.

    Whatever the store: `BadInput` if it refuses the key, `NotReady` if its bucket isn't there, `TransientError` if it
    doesn't answer.
    """

    def __init__(self, url: str) -> None:
        self._place = open_place(url, "evidence store")
        self.name = self._place.name

    def put_table(self, folder: str, name: str, table: pa.Table) -> Stored:
        """Store `table` as `<folder>/<name>-<hash>.parquet`."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", compression_level=1)
        return self._put(folder, name, "parquet", sink.getvalue())

    def put_text(self, folder: str, name: str, suffix: str, text: str) -> Stored:
        """Store `text` in UTF-8 as `<folder>/<name>-<hash>.<suffix>`."""
        return self._put(folder, name, suffix, pa.py_buffer(text.encode()))

    def _put(self, folder: str, name: str, suffix: str, data: pa.Buffer) -> Stored:
        digest = hashlib.sha256(data).hexdigest()
        key = f"{folder}/{name}-{digest[:16]}.{suffix}"
        path = self._place.path(key)
        try:
            if not self._holds(path, data.size):
                self._write(path, data)
        except OSError as error:
            raise self._place.trouble(error, "written") from error
        return Stored(key, digest, data.size)

    def _holds(self, path: str, size: int) -> bool:
        # Its name says what it holds; another size tells that somebody was broken off while writing it.
        info = self._place.files.get_file_info(path)
        return bool(info.type == pa.fs.FileType.File and info.size == size)

    def _write(self, path: str, data: pa.Buffer) -> None:
        files = self._place.files
        if self._place.bucket:
            # An object appears when its stream is closed, and dropping the stream closes it, however much was written.
            # So it is written where no signal of Airflow's (a timeout, a stop) can raise an exception half-way.
            with ThreadPoolExecutor(1) as undisturbed:
                undisturbed.submit(self._send, path, data).result()
            return
        # A local file appears by its rename; two tries at once each have a file of their own until then.
        part = f"{path}.{secrets.token_hex(4)}.part"
        files.create_dir(path.rpartition("/")[0], recursive=True)
        try:
            with files.open_output_stream(part, compression=None) as stream:
                stream.write(data)
            files.move(part, path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def _send(self, path: str, data: pa.Buffer) -> None:
        with self._place.files.open_output_stream(path, compression=None) as stream:
            stream.write(data)

    def get_table(self, key: str, sha256: str, columns: list[str] | None = None) -> pa.Table:
        """The table stored under `key`; raises `BadInput` if its bytes are no longer those that were stored."""
        return pq.read_table(pa.BufferReader(self._get(key, sha256)), columns=columns)

    def get_text(self, key: str, sha256: str) -> str:
        """The text stored under `key`, its hash checked."""
        return bytes(self._get(key, sha256)).decode()

    def _get(self, key: str, sha256: str) -> Any:
        try:
            with self._place.files.open_input_stream(self._place.path(key), compression=None) as stream:
                data = stream.read_buffer()
        except FileNotFoundError:
            self._place.require_bucket()
            raise NotReady(
                f"{key} is not there",
                where=self.name,
                fix="restore it, or run the period again from the start",
            ) from None
        except OSError as error:
            raise self._place.trouble(error, "read") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BadInput(
                f"{key} has changed since it was stored",
                where=self.name,
                fix="evidence is immutable: restore the file from a backup",
            )
        return data
