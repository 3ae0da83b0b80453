"""The server of a test session: databases are made, copied and dropped on it."""

from __future__ import annotations

from typing import Self

import psycopg
from psycopg import sql

from evbilling_local.ports import LOOPBACK
from evbilling_local.stack import EmbeddedPostgres
from tests.support.kept_connections import kept


class PostgresServer(EmbeddedPostgres):
    """An embedded server, with what tests and benchmarks do on it."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, user: str = "postgres", database: str = "postgres", password: str | None = None) -> str:
        """The `postgresql://` URL of `database` for `user`; all but the superuser need `password`."""
        secret = password or (self.password if user == "postgres" else None)
        login = f"{user}:{secret}" if secret else user
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a database, a copy of `template`; returns the superuser's URL of it."""
        kept.end(template)
        # Copied by the kernel, file by file, where no file has to reach the disk.
        strategy = sql.SQL("wal_log" if self.durable else "file_copy")
        statement = sql.SQL("create database {} template {} strategy {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template), strategy))
        return self.url(database=name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the sessions that use it; no-op if there is none."""
        kept.end(name)
        self._execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def set_password(self, role: str, password: str) -> None:
        """Let the existing `role` log in with `password`."""
        statement = sql.SQL("alter role {} login password {}")
        self._execute(statement.format(sql.Identifier(role), sql.Literal(password)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)
