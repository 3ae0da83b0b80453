"""The five platform tables as files: found, checked, read as Arrow batches, or copied into Postgres."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from psycopg import sql

from evbilling.errors import BadInput
from evbilling.platform.contract import TABLES, Table
from evbilling.platform.files.csv_file import CsvFile
from evbilling.platform.files.folders import Folder, GuardedFile, open_folder
from evbilling.platform.files.parquet_file import ParquetFile
from evbilling.problems import Problem, Problems
from evbilling.progress import Progress
from evbilling.storage import public_name

_SUFFIXES = (".csv", ".csv.gz", ".parquet")


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

        Raises `BadInput` with file, line, column and reason of every problem (the first 20 are described),
        maybe after some batches: keep nothing until the iterator has ended. Raises `TransientError` if a
        transfer breaks.
        """
        return self.content.batches()

    def rows_with(self, key: str, values: Collection[str]) -> list[tuple[Any, ...]]:
        """The rows whose column `key` is one of `values`, in the file's order; all columns in contract order."""
        wanted = pa.array(values, pa.string())
        found = [rows_among(batch, key, wanted) for batch in self.batches()]
        return [tuple(row.values()) for batch in found for row in batch.to_pylist()]


def open_table(folder_url: str, table: Table) -> TableFile:
    """The file `<table>.csv`, `.csv.gz` or `.parquet` in a local folder or at a file, s3, gs, http(s) URL.

    Raises `BadInput` if there is none or more than one, or no such folder; `TransientError` if the
    network fails.
    """
    return _find(open_folder(folder_url), table)


def _find(folder: Folder, table: Table) -> TableFile:
    names = [f"{table.name}{suffix}" for suffix in _SUFFIXES]
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
        return ParquetFile(name, table, lambda: folder.open(name, seekable=True))
    if name.endswith(".gz"):
        return CsvFile(name, table, lambda: _unpacked(folder.open(name), name))
    return CsvFile(name, table, lambda: folder.open(name))


def _unpacked(packed: IO[bytes], name: str) -> IO[bytes]:
    def explain(error: Exception) -> BadInput:
        is_cut = isinstance(error, EOFError)
        problems = Problems()
        problems.add(
            Problem(name, "ends in the middle: it was cut off" if is_cut else f"is not a good gzip file: {error}")
        )
        return problems.error()

    content = gzip.GzipFile(fileobj=packed)
    return GuardedFile(content, (EOFError, gzip.BadGzipFile, zlib.error), explain, beneath=packed)  # type: ignore[arg-type,return-value]


def open_tables(folder_url: str) -> dict[str, TableFile]:
    """The files of all five tables by table name; raises `BadInput` that says everything missing at once."""
    folder = open_folder(folder_url)
    problems = Problems()
    files: dict[str, TableFile] = {}
    for table in TABLES:
        with problems.collecting():
            files[table.name] = _find(folder, table)
    problems.raise_any(public_name(folder_url))
    return files


def rows_among(rows: Any, column: str, values: Any) -> Any:
    """The rows of an Arrow table or batch whose text `column` is one of `values`; none of those without a value."""
    wanted = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    return rows.filter(pc.is_in(rows.column(column), value_set=wanted, skip_nulls=True))


def check_files(folder_url: str, progress: Progress | None = None) -> dict[str, TableFile]:
    """`open_tables`, every row of them read and checked; raises `BadInput` with all problems of all files.

    `progress` counts the rows.
    """
    progress = progress or Progress()
    files = open_tables(folder_url)
    problems = Problems()
    for file in files.values():
        with problems.collecting():
            for batch in file.batches():
                progress.advance(batch.num_rows)
    problems.raise_any(public_name(folder_url))
    return files


def copy_into(
    connection: psycopg.Connection, folder_url: str, schema: str, progress: Progress | None = None
) -> dict[str, int]:
    """COPY the five files of a folder into the existing tables `<schema>.<table>`; returns rows by table.

    All or nothing within the caller's transaction. Each file is read once, checked as it flows; on `BadInput`
    (which names the problems of all files) nothing of it stays. Raises `TransientError` for network trouble.
    """
    files = open_tables(folder_url)
    try:
        with connection.transaction():
            return {
                name: copy_batches(connection, schema, file.table, file.batches(), progress)
                for name, file in files.items()
            }
    except BadInput as first:
        check_files(folder_url)  # names the other files' problems too
        raise first


def copy_batches(
    connection: psycopg.Connection,
    schema: str,
    table: Table,
    batches: Iterable[pa.RecordBatch],
    progress: Progress | None = None,
) -> int:
    """COPY batches in contract types into `<schema>.<table>`; returns how many rows. Nulls stay null."""
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        sql.Identifier(schema, table.name),
        sql.SQL(", ").join(sql.Identifier(name) for name in table.column_names),
    )
    rows = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in batches:
            copy.write(csv_bytes(batch))
            rows += batch.num_rows
            if progress:
                progress.advance(batch.num_rows)
    return rows


def csv_bytes(batch: pa.RecordBatch, *, header: bool = False) -> memoryview:
    """`batch` as CSV: every text quoted, null an empty unquoted field, as COPY reads it."""
    buffer = io.BytesIO()
    arrow_csv.write_csv(batch, buffer, arrow_csv.WriteOptions(include_header=header))
    return buffer.getbuffer()
