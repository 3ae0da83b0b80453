"""Queries of the platform's tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, LiteralString

from psycopg import sql

from evbilling.platform.contract import TABLES, Table
from evbilling.warehouse import connected

SCHEMA = "platform"
# The database as messages call it.
WHAT = "charging platform"


def relations(schema: str = SCHEMA, prefix: str = "") -> dict[str, sql.Identifier]:
    """The platform's tables by name, as the query files take them; `prefix` comes before a table's own name."""
    return {table.name: sql.Identifier(schema, prefix + table.name) for table in TABLES}


def select(table: Table, relation: sql.Identifier, rest: LiteralString = "") -> sql.Composed:
    """All columns of a table in contract order, from `relation`, with `rest` after it."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    return sql.SQL("select {} from {} {}").format(columns, relation, sql.SQL(rest))


def read_rows(url: str, table: Table, key: LiteralString, ids: Collection[str]) -> list[tuple[Any, ...]]:
    """The rows of a table whose column `key` is one of `ids`: all columns in contract order, rows in no order."""
    with connected(url, what=WHAT) as connection:
        query = select(table, relations()[table.name], f"where {key} = any(%s)")
        return connection.execute(query, (sorted(ids),)).fetchall()
