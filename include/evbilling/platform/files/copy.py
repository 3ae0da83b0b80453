"""Arrow batches into Postgres tables by COPY: a few MB at a time, as CSV that Arrow writes."""

from __future__ import annotations

import io
from collections.abc import Iterable

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

from evbilling.platform.contract import Table


def copy_batches(connection: psycopg.Connection, schema: str, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
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
    return rows


def csv_bytes(batch: pa.RecordBatch, *, header: bool = False) -> memoryview:
    """`batch` as CSV: every text quoted, null an empty unquoted field, as COPY reads it."""
    buffer = io.BytesIO()
    arrow_csv.write_csv(batch, buffer, arrow_csv.WriteOptions(include_header=header))
    return buffer.getbuffer()
