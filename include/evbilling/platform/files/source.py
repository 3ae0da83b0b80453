"""Files as a source: copied once per run into the warehouse's staging schema, then read as any Postgres source.

One reader means one meaning of history, whatever form the inventory comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from evbilling.platform.contract import CHARGER, CONNECTOR, Table
from evbilling.platform.files.tables import copy_batches, open_tables
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
        # Shards of one run ask at the same time: the first copies, the others wait for its commit.
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (prefix,))
        copied = "select to_regclass(%s) is not null"
        missing = [t for t in tables if not select_value(connection, copied, f"staging.{prefix}{t.name}")]
        if missing:
            _copy(connection, folder_url, prefix, missing)
    return PostgresSource(warehouse_url, schema="staging", prefix=prefix, label=public_name(folder_url), tables=tables)


def _copy(connection: psycopg.Connection[Any], folder_url: str, prefix: str, tables: Sequence[Table]) -> None:
    files = open_tables(folder_url)
    for file in (files[table.name] for table in tables):
        table = replace(file.table, name=prefix + file.table.name)
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(_TYPES[column.type]))
            for column in table.columns
        )
        # Unlogged: a copy of files that can be copied again; a database crash empties it and the row counts tell.
        connection.execute(
            sql.SQL("create unlogged table {} ({})").format(sql.Identifier("staging", table.name), columns)
        )
        copy_batches(connection, "staging", table, file.batches())
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("staging", table.name)))
        if file.table in (CHARGER, CONNECTOR):
            connection.execute(sql.SQL("create index on {} (charger_id)").format(sql.Identifier("staging", table.name)))
