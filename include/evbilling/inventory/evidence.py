"""Keeps what a run saw and decided as immutable, content-hashed files on a local or object-store URL."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from evbilling.errors import BadInput, NotReady, TransientError


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a piece of evidence lies (relative to the store) and the SHA-256 of its bytes."""

    key: str
    sha256: str
    size: int


class EvidenceStore:
    """A folder or object-store URL. A name holds its content's hash, so a file is never overwritten by another."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            if "://" in url:
                self._files, self._root = pa.fs.FileSystem.from_uri(url)
            else:
                self._files, self._root = pa.fs.LocalFileSystem(), url
        except (pa.ArrowInvalid, OSError) as error:
            raise BadInput(
                str(error), where=f"evidence store {url}", fix="give a folder or an s3:// or gs:// URL"
            ) from None

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
        path = f"{self._root}/{key}"
        try:
            if self._files.get_file_info(path).type == pa.fs.FileType.NotFound:
                self._files.create_dir(f"{self._root}/{folder}", recursive=True)
                # An object store shows an object when it is whole; a local file appears by its rename.
                target = path if not isinstance(self._files, pa.fs.LocalFileSystem) else f"{path}.part"
                with self._files.open_output_stream(target, compression=None) as stream:
                    stream.write(data)
                if target != path:
                    self._files.move(target, path)
        except OSError as error:
            raise TransientError(
                str(error), where=f"evidence store {self.url}", fix="check that it can be written"
            ) from error
        return Stored(key, digest, data.size)

    def get_table(self, key: str, sha256: str, columns: list[str] | None = None) -> pa.Table:
        """The table stored under `key`; raises `BadInput` if its bytes are no longer those that were stored."""
        return pq.read_table(pa.BufferReader(self._get(key, sha256)), columns=columns)

    def get_text(self, key: str, sha256: str) -> str:
        """The text stored under `key`, its hash checked."""
        return bytes(self._get(key, sha256)).decode()

    def _get(self, key: str, sha256: str) -> Any:
        try:
            with self._files.open_input_stream(f"{self._root}/{key}", compression=None) as stream:
                data = stream.read_buffer()
        except FileNotFoundError:
            raise NotReady(
                f"{key} is not there",
                where=f"evidence store {self.url}",
                fix="restore it, or run the period again from the start",
            ) from None
        except OSError as error:
            raise TransientError(
                str(error), where=f"evidence store {self.url}", fix="check that it can be read"
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BadInput(
                f"{key} has changed since it was stored",
                where=f"evidence store {self.url}",
                fix="evidence is immutable: restore the file from a backup",
            )
        return data
