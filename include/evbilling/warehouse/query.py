"""Reads query results of a hundred thousand rows and more by COPY, in the warehouse's own transaction."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

from evbilling.warehouse.sql_files import load_sql


def query_frame(
    connection: psycopg.Connection[Any], name: str, types: Mapping[str, pa.DataType], **parts: object
) -> pd.DataFrame:
    """As `query_table`, as a frame: a missing text is None, and numbers with gaps are floats, so money has none."""
    frame: pd.DataFrame = query_table(connection, name, types, **parts).to_pandas()
    return frame


def query_table(
    connection: psycopg.Connection[Any], name: str, types: Mapping[str, pa.DataType], **parts: object
) -> pa.Table:
    """The rows of a query file; `types` are those of the columns that aren't text.

    The file's {parts} are identifiers (given as such) or literals.
    """
    composed = {k: v if isinstance(v, sql.Composable) else sql.Literal(v) for k, v in parts.items()}
    query = sql.SQL(load_sql(f"queries/{name}.sql").rstrip().removesuffix(";")).format(**composed)
    block = io.BytesIO()
    statement = sql.SQL("copy (\n{}\n) to stdout (format csv, header)").format(query)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for part in copy:
            block.write(part)
    # Types are told, never guessed: an account's id may look like a number.
    names = block.getvalue().split(b"\n", 1)[0].decode().split(",")
    options = csv.ConvertOptions(
        column_types={column: types.get(column, pa.string()) for column in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    block.seek(0)
    return csv.read_csv(block, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=options)
