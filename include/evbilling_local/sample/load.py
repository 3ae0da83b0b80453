"""Fills the demo platform database from a folder of files: checked first, then in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from evbilling.errors import NotReady
from evbilling.platform import TABLES
from evbilling.platform.files import check_files, copy_into
from evbilling.progress import Progress
from evbilling.warehouse import connected

SCHEMA = "platform"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded: rows by table, and the columns left out by file."""

    rows: dict[str, int]
    ignored: dict[str, tuple[str, ...]]


def load_folder(database_url: str, folder_url: str, progress: Progress | None = None) -> Loaded:
    """Replace all five tables of the platform database by those of `folder_url`: all or nothing.

    Raises `BadInput` with every problem before anything is written, `NotReady` if the tables aren't there,
    `TransientError` if the database or the folder's network doesn't answer.
    """
    progress = progress or Progress()
    progress.begin("rows checked")
    files = check_files(folder_url, progress)
    progress.begin("rows loaded", progress.done)
    with connected(database_url, what="platform database") as connection:
        truncate(connection)
        rows = copy_into(connection, folder_url, SCHEMA, progress)
        analyze(connection)
    ignored = {file.name: file.ignored_columns() for file in files.values()}
    return Loaded(rows, {name: columns for name, columns in ignored.items() if columns})


def truncate(connection: psycopg.Connection) -> None:
    """Empty the five tables in the caller's transaction; raises `NotReady` if they aren't there."""
    names = sql.SQL(", ").join(sql.Identifier(SCHEMA, table.name) for table in TABLES)
    try:
        connection.execute(sql.SQL("truncate {}").format(names))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NotReady(
            f"the platform database lacks its tables: {error.diag.message_primary}",
            fix="apply sql/scripts/local/platform.sql, as `evbilling up` does",
        ) from None


def analyze(connection: psycopg.Connection) -> None:
    """Update the planner's statistics, in the caller's transaction."""
    names = sql.SQL(", ").join(sql.Identifier(SCHEMA, table.name) for table in TABLES)
    connection.execute(sql.SQL("analyze {}").format(names))
