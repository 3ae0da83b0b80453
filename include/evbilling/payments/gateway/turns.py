"""Turns at the gateway reserved in the warehouse, so that all tasks and workers together keep to one rate."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import psycopg

from evbilling.errors import TransientError
from evbilling.warehouse import connected


class WarehouseTurns(AbstractContextManager["WarehouseTurns"]):
    """Called with a number of turns: reserves so many and returns in how many seconds the first may be taken.

    Holds one connection while its block runs; safe across threads. Raises `TransientError` if the warehouse is away.
    """

    def __init__(self, warehouse_url: str, rate: float, gateway: str = "payment_gateway") -> None:
        self._url = warehouse_url
        self._rate = rate
        self._gateway = gateway
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._connection: psycopg.Connection[Any] | None = None

    def __call__(self, turns: int) -> float:
        with self._lock:
            if self._connection is None:
                opened = connected(self._url, what="warehouse", autocommit=True)
                self._connection = self._stack.enter_context(opened)
                # A turn lost in a crash of the server is no harm; waiting for the disk at each would be.
                self._connection.execute("set synchronous_commit = off")
            try:
                row = self._connection.execute(
                    "select billing.take_turns(%s, %s, %s)", (self._gateway, turns, self._rate)
                ).fetchone()
            except psycopg.Error as error:
                raise TransientError(
                    f"no turn at the gateway could be reserved: {error}", where="warehouse", fix="try again"
                ) from error
        return float(row[0]) if row else 0.0

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._connection = None
            self._stack.close()
