"""The warehouse for the pages: a pool of connections, and one read-only snapshot per page."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg

from evbilling.services import Services
from evbilling.warehouse import ReadingPool, read_clock
from evbilling_airflow import connections

_pools: dict[str, ReadingPool] = {}
_lock = threading.Lock()


def services(*, with_platform: bool = False) -> Services:
    """Where the warehouse and evidence are, and on request the platform, from Airflow's connections."""
    return connections.services(with_platform=with_platform)


@contextmanager
def reading() -> Generator[psycopg.Connection[Any]]:
    """A read-only transaction on the warehouse: everything that a page reads is from one moment.

    Raises `TransientError` if the warehouse doesn't answer or exceeds the time limit of a page.
    """
    with _pool(services().warehouse_url).connection() as connection:
        yield connection


def now() -> datetime:
    """The warehouse's time, by which pages show what is due and what today is."""
    with reading() as connection:
        return read_clock(connection)


def close() -> None:
    """Close all connections; the next page opens new ones."""
    with _lock:
        for pool in _pools.values():
            pool.close()
        _pools.clear()


def _pool(url: str) -> ReadingPool:
    with _lock:
        if url not in _pools:
            # After the connection was changed (a new password, say), the old pool is never used again.
            for outdated in _pools.values():
                outdated.close()
            _pools.clear()
            _pools[url] = ReadingPool(url, what="warehouse")
        return _pools[url]
