"""Sessions of Postgres that tests use again: to begin one and fill its caches takes longer than most of our steps."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import generators
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn

# How many that are alike wait for their next use.
_MOST = 4


class KeptConnections:
    """In place of ending a session that is at rest, Postgres discards all that belongs to it, and the next one has it.

    Each user gets a new `psycopg.Connection`. A forked process has none of its parent's sessions.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of = os.getpid()
        self._idle: defaultdict[str, list[PGconn]] = defaultdict(list)
        self._paused = False
        # What a closed `Connection` has from then on.
        self._ended = psycopg.pq.PGconn.connect_start(b"host=127.0.0.1 port=9")
        self._ended.finish()

    def take(self, conninfo: str) -> PGconn | None:
        """A session that still answers, if one is kept for exactly this."""
        while os.getpid() == self._of and not self._paused:
            with self._lock:
                if not self._idle[conninfo]:
                    break
                session = self._idle[conninfo].pop()
            if session.exec_(b"").status == ExecStatus.EMPTY_QUERY and session.status == ConnStatus.OK:
                return session
            session.finish()
        return None

    def keep(self, conninfo: str, connection: psycopg.Connection[Any]) -> bool:
        """Keep the session of a connection that is being closed; False if it has to end."""
        session = connection.pgconn
        if (
            os.getpid() != self._of
            or self._paused
            or session.status != ConnStatus.OK
            or session.transaction_status != TransactionStatus.IDLE
            or session.pipeline_status != PipelineStatus.OFF
            or session.exec_(b"discard all").status != ExecStatus.COMMAND_OK
        ):
            return False
        with self._lock:
            if len(self._idle[conninfo]) >= _MOST:
                return False
            self._idle[conninfo].append(session)
        connection.pgconn = self._ended
        return True

    @contextmanager
    def paused(self) -> Generator[None]:
        """While the block lasts, each session begins and ends as without us."""
        self.end()
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def end(self, database: str | None = None) -> None:
        """End the sessions kept for a database, which is to be copied or dropped, or all."""
        with self._lock:
            for conninfo in list(self._idle):
                if database in {None, conninfo_to_dict(conninfo).get("dbname")}:
                    for session in self._idle.pop(conninfo):
                        session.finish()


kept = KeptConnections()


@contextmanager
def connections_kept() -> Generator[None]:
    """While the block lasts, sessions that psycopg would end are kept."""
    close = psycopg.Connection.close

    def begin(cls: type[psycopg.Connection[Any]], conninfo: str = "") -> Generator[Any, Any, Any]:
        session = kept.take(conninfo) if cls is psycopg.Connection else None
        connection = cls(session or (yield from generators.connect(conninfo)))
        if cls is psycopg.Connection:
            connection._kept_for = conninfo  # type: ignore[attr-defined]
        return connection  # ruff: ignore[return-in-generator]  # as psycopg has it

    def end(self: psycopg.Connection[Any]) -> None:
        conninfo = getattr(self, "_kept_for", None)
        if self.closed or conninfo is None or not kept.keep(conninfo, self):
            close(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "_connect_gen", classmethod(begin))
        patch.setattr(psycopg.Connection, "close", end)
        yield
    kept.end()
