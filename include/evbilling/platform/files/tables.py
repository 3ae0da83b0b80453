"""The five platform tables as files: found, checked, and as Arrow batches or straight in Postgres."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import psycopg
import pyarrow as pa

from evbilling.errors import BadInput
from evbilling.platform.contract import TABLES, Table
from evbilling.platform.files.copy import copy_batches
from evbilling.platform.files.csv_file import CsvFile
from evbilling.platform.files.folders import Folder, open_folder
from evbilling.platform.files.parquet_file import ParquetFile
from evbilling.problems import BadFiles, Problem, Problems
from evbilling.storage import public_name

SUFFIXES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class TableFile:
    """The file of one table: its name, and its rows in contract types."""

    table: Table
    name: str
    content: CsvFile | ParquetFile

    def ignored_columns(self) -> tuple[str, ...]:
        """Columns of the file that the contract doesn't know and that are left out, in the file's order."""
        return self.content.ignored_columns()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches of rows in the file's order: text as string, integer as int32, boolean as bool, timestamp
        as timestamp('us', 'UTC'), amount as decimal128(18, 6); empty is null.

        Raises `BadInput` with file, line, column and reason of every problem (the first 20 are spelt out),
        maybe after some batches: keep nothing until the iterator has ended. Raises `TransientError` if a
        transfer breaks.
        """
        return self.content.batches()


def open_table(folder_url: str, table: Table) -> TableFile:
    """The file `<table>.csv`, `.csv.gz` or `.parquet` in a local folder or at a file, s3, gs, http(s) URL.

    Raises `BadInput` if there is none or more than one, or no such folder; `TransientError` if the
    network fails.
    """
    return _find(open_folder(folder_url), table)


def _find(folder: Folder, table: Table) -> TableFile:
    names = [f"{table.name}{suffix}" for suffix in SUFFIXES]
    found = folder.existing(names)
    if len(found) == 1:
        return TableFile(table, found[0], _content(folder, found[0], table))
    problems = Problems()
    if found:
        problems.add(Problem(found[0], f"is there beside {' and '.join(found[1:])}; keep one file a table"))
    else:
        problems.add(Problem(names[0], f"is missing ({' or '.join(names[1:])} would also do)"))
    raise problems.error(public_name(folder.url))


def _content(folder: Folder, name: str, table: Table) -> CsvFile | ParquetFile:
    if name.endswith(".parquet"):
        return ParquetFile(name, table, lambda: folder.open_seekable(name))
    if name.endswith(".gz"):
        return CsvFile(name, table, lambda: _Unpacked(folder.open_stream(name), name))  # type: ignore[arg-type,return-value]
    return CsvFile(name, table, lambda: folder.open_stream(name))


class _Unpacked(io.RawIOBase):
    """The content of a gzip file; damage is a refusal that names the file."""

    def __init__(self, packed: IO[bytes], name: str) -> None:
        super().__init__()
        self._packed = packed
        self._name = name
        self._content = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return self._content.read(size)
        except EOFError:
            reason = "ends in the middle: it was cut off"
        except (gzip.BadGzipFile, zlib.error) as error:
            reason = f"is not a good gzip file: {error}"
        problems = Problems()
        problems.add(Problem(self._name, reason))
        raise problems.error()

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._content.close()
            self._packed.close()
        super().close()


def open_tables(folder_url: str) -> dict[str, TableFile]:
    """The files of all five tables by table name; raises `BadInput` that says everything missing at once."""
    folder = open_folder(folder_url)
    problems = Problems()
    files: dict[str, TableFile] = {}
    for table in TABLES:
        try:
            files[table.name] = _find(folder, table)
        except BadFiles as error:
            problems.merge(error.problems)
    if problems.count:
        raise problems.error(public_name(folder_url))
    return files


def check_files(folder_url: str) -> dict[str, TableFile]:
    """`open_tables`, every row of them read and checked; raises `BadInput` with all problems of all files."""
    files = open_tables(folder_url)
    problems = Problems()
    for file in files.values():
        try:
            for _ in file.batches():
                pass
        except BadFiles as error:
            problems.merge(error.problems)
    if problems.count:
        raise problems.error(public_name(folder_url))
    return files


def copy_into(connection: psycopg.Connection, folder_url: str, schema: str) -> dict[str, int]:
    """COPY the five files of a folder into the existing tables `<schema>.<table>`; returns rows by table.

    All or nothing within the caller's transaction. Each file is read once, checked as it flows; on `BadInput`
    (which names the problems of all files) nothing of it stays. Raises `TransientError` for network trouble.
    """
    files = open_tables(folder_url)
    try:
        with connection.transaction():
            return {name: copy_batches(connection, schema, file.table, file.batches()) for name, file in files.items()}
    except BadInput as first:
        check_files(folder_url)  # names the other files' problems too
        raise first
