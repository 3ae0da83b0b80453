"""Queries of the platform's tables, and snapshots for reading in bulk."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Any, LiteralString

from psycopg import sql

from evbilling.errors import TransientError
from evbilling.platform.contract import TABLES, Table
from evbilling.warehouse import connected, shown

SCHEMA = "platform"


def relations(schema: str = SCHEMA, prefix: str = "") -> dict[str, sql.Identifier]:
    """The platform's tables by name, as the query files take them; `prefix` comes before a table's own name."""
    return {table.name: sql.Identifier(schema, prefix + table.name) for table in TABLES}


def select(table: Table, relation: sql.Identifier, rest: LiteralString = "") -> sql.Composed:
    """All columns of a table in contract order, from `relation`, with `rest` after it."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    return sql.SQL("select {} from {} {}").format(columns, relation, sql.SQL(rest))


def read_rows(url: str, table: Table, key: LiteralString, ids: Collection[str]) -> list[tuple[Any, ...]]:
    """The rows of a table whose column `key` is one of `ids`: all columns in contract order, rows in no order."""
    with connected(url, what="charging platform") as connection:
        query = select(table, relations()[table.name], f"where {key} = any(%s)")
        return connection.execute(query, (sorted(ids),)).fetchall()


@contextmanager
def snapshot(url: str, exported: str | None = None) -> Generator[Any, None, None]:
    """A bulk-driver cursor whose queries all see one snapshot of the database: a new one, or one that was exported.

    Raises `TransientError` if the database doesn't answer.
    """
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            if exported:
                cursor.execute(sql.SQL("set transaction snapshot {}").format(exported).as_string(None))
            yield cursor
    except Error as error:
        raise TransientError(
            str(error).strip(), where=f"charging platform ({shown(url)})", fix="check that it answers"
        ) from error
