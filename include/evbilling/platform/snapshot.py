"""Reading a source's database in bulk, all queries as of one moment."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from evbilling.errors import TransientError
from evbilling.warehouse.connect import shown


@contextmanager
def snapshot(url: str, moment: str | None = None) -> Generator[Any, None, None]:
    """A bulk-driver cursor whose queries all see the database at one moment: this one, or one that another exported.

    Raises `TransientError` if the database doesn't answer.
    """
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            if moment:
                cursor.execute(sql.SQL("set transaction snapshot {}").format(moment).as_string(None))
            yield cursor
    except Error as error:
        raise TransientError(
            str(error).strip(), where=f"charging platform ({shown(url)})", fix="check that it answers"
        ) from error
