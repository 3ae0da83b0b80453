"""A small pool of read-only connections to Postgres, for pages."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from evbilling.errors import TransientError
from evbilling.warehouse.connect import shown
from evbilling.warehouse.database_errors import explain

# Nobody waits longer for a page: the server cancels a query that takes longer.
_LONGEST_SECONDS = 20
_CONNECT_SECONDS = 10.0
_MOST = 8


class ReadingPool:
    """Read-only connections to the database at `url`, opened when they are needed. Thread-safe."""

    def __init__(self, url: str, *, what: str) -> None:
        self._where = f"{what} ({shown(url)})"
        self._pool = ConnectionPool(
            url.replace("postgresql+psycopg://", "postgresql://", 1),
            kwargs={"connect_timeout": int(_CONNECT_SECONDS), "application_name": "evbilling pages"},
            min_size=0,
            max_size=_MOST,
            timeout=_CONNECT_SECONDS,
            max_idle=60,
            configure=_configure,
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def connection(self) -> Generator[psycopg.Connection[Any]]:
        """A connection in a read-only transaction, whose queries all see one snapshot.

        Raises `TransientError` if none is free in time, or if the server cancels a query that takes too long.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, PoolClosed) as error:
            raise TransientError(
                "doesn't answer", where=self._where, fix="check that it runs, and its Airflow connection"
            ) from error
        except psycopg.errors.QueryCanceled as error:
            raise TransientError(
                f"a query took longer than {_LONGEST_SECONDS} s",
                where=self._where,
                fix="narrow it down, for example to one period",
            ) from error
        except psycopg.DataError:
            # A value of an address that no column can hold: pages have their own words for it.
            raise
        except psycopg.Error as error:
            if (ours := explain(error, self._where)) is None:
                raise
            raise ours from error

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute(f"set statement_timeout = '{_LONGEST_SECONDS}s'")
    connection.commit()
