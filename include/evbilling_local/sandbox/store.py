"""The sandbox's state in one SQLite file: objects by kind and id, and the answers given for idempotency keys.

A change and the answer for its key are written in one transaction, so a process killed at any moment leaves both or
neither.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evbilling.errors import BadInput
from evbilling_local.sandbox.replies import Json

_VERSION = 1
_SCHEMA = f"""
begin;
create table objects (
    seq integer primary key autoincrement,
    kind text not null,
    id text not null,
    created integer not null,
    customer text,
    body text not null,
    unique (kind, id)
);
create index objects_newest on objects (kind, created, seq);
create index objects_of_customer on objects (kind, customer, created, seq) where customer is not null;
create table answers (
    key text primary key,
    fingerprint text not null,
    status integer not null,
    body text not null,
    created real not null
) without rowid;
pragma user_version = {_VERSION};
commit;
"""


@dataclass(frozen=True)
class Window:
    """Selects objects of a kind: a page next to a cursor, within bounds of `created`, both inclusive."""

    limit: int
    customer: str | None = None
    earliest: int | None = None
    latest: int | None = None
    starting_after: str | None = None
    ending_before: str | None = None


class Store:
    """The state file, open. Used by one thread at a time; changes are made inside `transaction`."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises `BadInput` if it can't be used."""
        self.path = path
        try:
            self._db = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        try:
            # Which keys are executing is known to this process alone, so a second one must stay out.
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            # Written without waiting for the disk: it survives the process's death, not a power cut.
            self._db.execute("pragma synchronous = normal")
            (version,) = self._db.execute("pragma user_version").fetchone()
            (tables,) = self._db.execute("select count(*) from sqlite_master").fetchone()
            if version == 0 and tables == 0:
                self._db.executescript(_SCHEMA)
            elif version != _VERSION:
                raise BadInput(
                    f"isn't the state of this version of the sandbox ({version} instead of {_VERSION})",
                    where=str(path),
                    fix="give another --state FILE, or delete this one",
                )
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.Error):
                raise _unusable(path, error) from error
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Changes made inside are committed at the end, or rolled back if the block raises."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def get(self, kind: str, object_id: str) -> Json | None:
        """An object, or None."""
        row = self._db.execute("select body from objects where kind = ? and id = ?", (kind, object_id)).fetchone()
        return None if row is None else _decoded(row[0])

    def put(self, kind: str, body: Json) -> None:
        """Add an object, or replace the one of its id, keeping its place in lists if `created` stays."""
        self._db.execute(
            "insert into objects (kind, id, created, customer, body) values (?, ?, ?, ?, ?)"
            " on conflict (kind, id) do update set"
            " created = excluded.created, customer = excluded.customer, body = excluded.body",
            (kind, body["id"], body.get("created", 0), body.get("customer"), json.dumps(body)),
        )

    def delete(self, kind: str, object_id: str) -> bool:
        """Delete an object; False if there was none."""
        return self._db.execute("delete from objects where kind = ? and id = ?", (kind, object_id)).rowcount > 0

    def count(self, kind: str) -> int:
        """How many objects of a kind there are."""
        return int(self._db.execute("select count(*) from objects where kind = ?", (kind,)).fetchone()[0])

    def page(self, kind: str, window: Window) -> tuple[list[Json], bool] | None:
        """Objects newest first, and whether there are more further on; None if the cursor's object doesn't exist."""
        conditions: list[str] = ["kind = ?"]
        values: list[Any] = [kind]
        for condition, value in (
            ("customer = ?", window.customer),
            ("created >= ?", window.earliest),
            ("created <= ?", window.latest),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        cursor = window.starting_after or window.ending_before
        if cursor is not None:
            place = self._db.execute(
                "select created, seq from objects where kind = ? and id = ?", (kind, cursor)
            ).fetchone()
            if place is None:
                return None
            conditions.append(f"(created, seq) {'<' if window.starting_after else '>'} (?, ?)")
            values += place
        backwards = window.ending_before is not None
        order = "created, seq" if backwards else "created desc, seq desc"
        # Every piece of the statement is one of the constants above.
        sql = f"select body from objects where {' and '.join(conditions)} order by {order} limit ?"  # ruff: ignore[hardcoded-sql-expression]
        rows = self._db.execute(sql, (*values, window.limit + 1)).fetchall()
        found = [_decoded(row[0]) for row in rows[: window.limit]]
        return (found[::-1] if backwards else found), len(rows) > window.limit

    def answer_for(self, key: str, since: float) -> tuple[str, int, str] | None:
        """Fingerprint, status and body of the answer for a key at `since` or later; None if there is none."""
        found: tuple[str, int, str] | None = self._db.execute(
            "select fingerprint, status, body from answers where key = ? and created >= ?", (key, since)
        ).fetchone()
        return found

    def keep_answer(self, key: str, fingerprint: str, status: int, body: str, now: float) -> None:
        """Keep the answer for a key, in place of an expired one."""
        self._db.execute("insert or replace into answers values (?, ?, ?, ?, ?)", (key, fingerprint, status, body, now))

    def forget_answers(self, before: float) -> None:
        """Delete the answers from before a moment."""
        self._db.execute("delete from answers where created < ?", (before,))


def _decoded(body: str) -> Json:
    decoded: Json = json.loads(body)
    return decoded


def _unusable(path: Path, error: sqlite3.Error) -> BadInput:
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        return BadInput("another process uses this state file", where=str(path), fix="stop it, or give another --state")
    return BadInput(f"can't be used as a state file: {error}", where=str(path), fix="give another --state FILE")
