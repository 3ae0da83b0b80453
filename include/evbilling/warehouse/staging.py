"""Fills a run's staging tables and reads back what really lies in them."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

from evbilling.warehouse.query import query_table
from evbilling.warehouse.sql_files import load_sql

# Rows per block of CSV: large enough to be quick, small enough to keep memory flat.
_BLOCK = 65_536


def stage_name(run_id: int) -> str:
    """Name of a run's table of staged decisions, in schema staging."""
    return f"run_{run_id}"


def copy_frame(
    connection: psycopg.Connection[Any],
    table: sql.Identifier,
    frame: pd.DataFrame | pa.Table,
    *,
    frozen: bool = False,
) -> int:
    """COPY a frame into the columns of the same names; returns the rows written. Missing values become null.

    `frozen` rows are quicker to key and read; the table must then be of the same transaction.
    """
    arrow = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    columns = sql.SQL(", ").join(map(sql.Identifier, arrow.column_names))
    how = sql.SQL("format csv, freeze" if frozen else "format csv")
    statement = sql.SQL("copy {} ({}) from stdin ({})").format(table, columns, how)
    plain = pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in arrow.schema])
    options = csv.WriteOptions(include_header=False)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in arrow.to_batches(max_chunksize=_BLOCK):
            block = io.BytesIO()
            csv.write_csv(pa.Table.from_batches([batch]).cast(plain), block, options)
            copy.write(block.getbuffer())
    return int(arrow.num_rows)


def has_stage(connection: psycopg.Connection[Any], run_id: int, shards: int) -> bool:
    """True if all shards of the run lie staged and in place, not yet published or dropped."""
    row = connection.execute(
        """select count(*) from billing.run_shard rs
           join pg_class c on c.relname = rs.stage_table and c.relnamespace = 'staging'::regnamespace
           where rs.run_id = %s and c.relispartition""",
        (run_id,),
    ).fetchone()
    return bool(row and row[0] == shards)


def staged_counts(connection: psycopg.Connection[Any], run_id: int) -> pd.DataFrame:
    """A row per account, rule (`billed` for none), power type and price with its number of staged connectors."""
    types = {"unit_price_minor": pa.int64(), "connectors": pa.int64()}
    counts = query_table(connection, "staged_counts", types, stage=sql.Identifier("staging", stage_name(run_id)))
    frame: pd.DataFrame = counts.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.astype({"connectors": "int64"})


def fill_drafts(
    connection: psycopg.Connection[Any], run_id: int, statements: pd.DataFrame, unbilled: pd.DataFrame
) -> None:
    """Put the drafts of a run's statements and unbilled accounts into staging, instead of an earlier try's."""
    for suffix, frame in (("_statement", statements), ("_unbilled", unbilled)):
        table = sql.Identifier("staging", stage_name(run_id) + suffix)
        connection.execute(sql.SQL("delete from {}").format(table))
        copy_frame(connection, table, frame)


def query_rows(
    connection: psycopg.Connection[Any], name: str, **parts: object
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query file whose {parts} are identifiers (given as such) or literals."""
    composed = {k: v if isinstance(v, sql.Composable) else sql.Literal(v) for k, v in parts.items()}
    cursor = connection.execute(sql.SQL(load_sql(f"queries/{name}.sql")).format(**composed))
    return [column.name for column in cursor.description or ()], cursor.fetchall()


def relations(run_id: int) -> dict[str, sql.Identifier]:
    """The staging tables of a run as query parts: stage, draft."""
    return {
        "stage": sql.Identifier("staging", stage_name(run_id)),
        "draft": sql.Identifier("staging", stage_name(run_id) + "_statement"),
    }
