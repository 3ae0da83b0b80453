"""Connections to Postgres, whose failures say what to do; our own error codes."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import errors, sql

from evbilling.errors import BadInput, EvbillingError, NotReady, StaleTry, TransientError

_NOT_MIGRATED = (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName)

_MAY_COME_BACK = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)

# Classes of SQLSTATE in which a query fails each time: its data, its rights, its relations, or an error raised there.
_REFUSALS = {"0A", "21", "22", "2F", "42", "P0"}

# How libpq's message begins. Where it was is said apart: pages show what is wrong, and no host.
_PLACE = re.compile(r"(?:connection failed: )?connection to server .*? failed: ")

# Raised by the functions in sql/functions.
_OUR_ERRORS: dict[str, type[EvbillingError]] = {
    "EV001": StaleTry,
    "EV003": TransientError,
    "EV004": BadInput,
    "EV005": NotReady,
}


def shown(url: str) -> str:
    """`url` without user name, password and options, for messages and logs."""
    parts = urlsplit(url)
    host = (parts.hostname or "local socket") + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{host}{parts.path}"


@contextmanager
def connected(url: str, *, what: str, autocommit: bool = False) -> Generator[psycopg.Connection[Any], None, None]:
    """A connection that commits at the end of the block and rolls back on an exception.

    Raises `TransientError` if `what` (as messages call it) can't be reached or goes away, `StaleTry` if a newer try has
    taken over the step.
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
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        raise explained(error, f"{what} ({shown(url)})") from error


@contextmanager
def snapshot(url: str, *, what: str, exported: str | None = None) -> Generator[Any, None, None]:
    """A cursor of the bulk driver whose queries all see one snapshot: a new one, or one that was exported.

    Times are as in UTC. Raises `TransientError` if `what` (as messages call it) doesn't answer, `BadInput` if it
    refuses a query.
    """
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            if exported:
                cursor.execute(sql.SQL("set transaction snapshot {}").format(exported).as_string(None))
            cursor.execute("set local time zone 'UTC'")
            yield cursor
    except Error as error:
        where = f"{what} ({shown(url)})"
        if (error.sqlstate or "")[:2] in _REFUSALS:
            raise refused(str(error), where) from error
        raise TransientError(str(error).strip(), where=where, fix="check that it answers") from error


def refused(message: str, where: str) -> BadInput:
    """The error of a database, not our own, that refuses a query: the next try would have the same answer."""
    return BadInput(
        message.strip(),
        where=where,
        fix="correct the value, the column's type or the user's rights there; docs/contract.md says what is accepted",
    )


def explained(error: psycopg.Error, where: str) -> Exception:
    """`error` as one of our own errors with what to do; `error` itself if it is a bug."""
    message = (error.diag.message_primary or str(error)).strip()
    if error.sqlstate in _OUR_ERRORS:
        return _OUR_ERRORS[error.sqlstate](message, where=where, fix=error.diag.message_hint)
    if isinstance(error, _NOT_MIGRATED) and "billing" in message:
        return NotReady(message, where=where, fix="run `evbilling migrate`")
    if isinstance(error, errors.LockNotAvailable):
        return TransientError(
            "another session has kept a lock that this step needs for too long",
            where=where,
            fix="look for a long transaction in pg_stat_activity, end it with pg_terminate_backend, and try again",
        )
    if isinstance(error, errors.ProgramLimitExceeded):
        return BadInput(f"a value is too long: {message}", where=where, fix="shorten it where it comes from")
    if isinstance(error, _MAY_COME_BACK):
        return TransientError(message, where=where, fix="try again; if it stays, look at the server's log")
    return error
