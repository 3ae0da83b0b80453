"""Connections to Postgres, whose failures say what to do."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from evbilling.errors import BadInput, TransientError
from evbilling.warehouse.database_errors import explained

# How libpq's message begins. Where it was is said apart: pages show what is wrong, and no host.
_PLACE = re.compile(r"(?:connection failed: )?connection to server .*? failed: ")


def shown(url: str) -> str:
    """`url` without user name, password and options, for messages and logs."""
    parts = urlsplit(url)
    host = (parts.hostname or "local socket") + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{host}{parts.path}"


@contextmanager
def connected(
    url: str, *, what: str, autocommit: bool = False, foreign: bool = False
) -> Generator[psycopg.Connection[Any], None, None]:
    """A connection that commits at the end of the block and rolls back on an exception. `foreign`: as `explained`.

    Raises `TransientError` if `what` (as messages call it) can't be reached or goes away, `StaleTry` if a newer try has
    taken over the step, and else as `explained`.
    """
    try:
        # Airflow and SQLAlchemy name the driver in their URLs; libpq doesn't know it.
        libpq_url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        connection = psycopg.connect(
            libpq_url,
            autocommit=autocommit,
            connect_timeout=10,
            application_name="evbilling",
            client_encoding="utf8",  # whatever the database's own is
        )
    except psycopg.ProgrammingError as error:
        raise BadInput(
            f"not a database URL: {str(error).strip()}",
            where=what,
            fix="write postgresql://user:password@host:port/database",
        ) from None
    except psycopg.OperationalError as error:
        raise TransientError(
            f"can't connect: {_PLACE.sub('', str(error)).strip()}",
            where=f"{what} ({shown(url)})",
            fix="check that it runs, and the host, user and password of its connection",
        ) from None
    with explained(f"{what} ({shown(url)})", foreign=foreign), connection:
        yield connection


@contextmanager
def snapshot(url: str, *, what: str, exported: str | None = None, foreign: bool = False) -> Generator[Any, None, None]:
    """A cursor of the bulk driver whose queries all see one snapshot: a new one, or one that was exported.

    Times are as in UTC. Raises `TransientError` if `what` (as messages call it) doesn't answer, and else, as for a
    `foreign` database, as `explained`.
    """
    from adbc_driver_postgresql import dbapi

    place = explained(f"{what} ({shown(url)})", foreign=foreign)
    utf8 = make_conninfo(url, client_encoding="utf8")  # whatever the database's own, or the environment's, is
    with place, dbapi.connect(utf8) as connection, connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        if exported:
            cursor.execute(sql.SQL("set transaction snapshot {}").format(exported).as_string(None))
        cursor.execute("set local time zone 'UTC'")
        yield cursor


def record_batches(cursor: Any) -> Any:
    """The batches of a bulk driver's result. The driver's own `fetch_record_batch` loses the SQLSTATE of an error."""
    from adbc_driver_manager._reader import AdbcRecordBatchReader

    stream = cursor.fetch_arrow()
    return AdbcRecordBatchReader._import_from_c(stream.address)
