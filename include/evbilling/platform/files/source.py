"""Files as a source: copied once per run into the warehouse's staging schema, then read as any Postgres source.

One reader means one meaning of history, whatever form the inventory comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from evbilling.platform.contract import Table
from evbilling.platform.files.tables import TableFile, copy_batches, open_tables
from evbilling.platform.postgres import PostgresSource
from evbilling.platform.source import INVENTORY_TABLES
from evbilling.storage import public_name
from evbilling.warehouse import connected, select_value

_TYPES = {
    "text": "text",
    "boolean": "boolean",
    "integer": "integer",
    "timestamp": "timestamptz",
    "amount": "numeric",
}


def copied_source(
    folder_url: str,
    warehouse_url: str,
    run_id: int,
    tables: Sequence[Table] = INVENTORY_TABLES,
) -> PostgresSource:
    """The files of `folder_url` as copied for this run; copies those of `tables` that weren't copied yet.

    Raises `BadInput` that names file, line, column and reason if a file breaks the contract, `TransientError` if the
    folder's server doesn't answer.
    """
    prefix = f"platform_{run_id}_"
    with connected(warehouse_url, what="warehouse") as connection:
        files: dict[str, TableFile] = {}
        for table in tables:
            if _open_copy(connection, run_id, table):
                files = files or open_tables(folder_url)
                copy = replace(table, name=prefix + table.name)
                copy_batches(connection, "staging", copy, files[table.name].batches())
                connection.execute("select billing.close_copy(%s, %s)", (run_id, table.name))
    return PostgresSource(warehouse_url, schema="staging", prefix=prefix, label=public_name(folder_url), tables=tables)


def _open_copy(connection: psycopg.Connection[Any], run_id: int, table: Table) -> bool:
    """Make the empty copy of a table; False if it was copied before, by another part of the run, say."""
    types = [_TYPES[column.type] for column in table.columns]
    call = "select billing.open_copy(%s, %s, %s, %s)"
    return bool(select_value(connection, call, run_id, table.name, list(table.column_names), types))
