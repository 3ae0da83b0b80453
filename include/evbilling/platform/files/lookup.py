"""The platform in a folder of files, as pages read it: the files are read through, and kept for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evbilling.errors import TransientError
from evbilling.paging import Page, make_page
from evbilling.platform.contract import ACCOUNT, APP_USER, CHARGER, CONNECTOR, Table
from evbilling.platform.files.checks import arrow_schema
from evbilling.platform.files.tables import open_table, rows_among
from evbilling.platform.inventory import CHARGER_ROWS, CONNECTOR_ROWS, AccountHistory
from evbilling.platform.lookup import MOST_USERS, PAGE_SIZE, AccountRow, AppUser, Users
from evbilling.platform.source import CountWindow
from evbilling.storage import public_name

# A file has no index: a page waits until all of it is read, but no longer than this.
TIMEOUT_SECONDS = 10.0
KEPT_SECONDS = 60.0
_KEPT_ENTRIES = 6


class _Cache:
    """Recent results by key. One read at a time: several at once would each take as long as all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[Any, ...], tuple[float, Any]] = {}

    def get(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """What `read` returned for this key less than a minute ago, or returns now; an error isn't kept."""
        with self._lock:
            now = time.monotonic()
            self._entries = {k: entry for k, entry in self._entries.items() if now - entry[0] < KEPT_SECONDS}
            if key not in self._entries:
                value = read()
                while len(self._entries) >= _KEPT_ENTRIES:
                    del self._entries[next(iter(self._entries))]
                self._entries[key] = (time.monotonic(), value)
            return self._entries[key][1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()
clear_cache = _cache.clear


class FileLookup:
    """The five tables' files in the folder at `url`."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._timeout = timeout_seconds

    def find_accounts(
        self, text: str = "", *, after: str | None = None, before: str | None = None, size: int = PAGE_SIZE
    ) -> Page[AccountRow]:
        rows = self._whole(ACCOUNT)
        ids = rows.column("account_id")
        matches = pc.is_valid(ids)
        if text:
            hits = [pc.match_substring(rows.column(name), text, ignore_case=True) for name in ("account_id", "name")]
            matches = pc.and_(matches, pc.or_(*(pc.fill_null(hit, False) for hit in hits)))
        if before is not None:
            matches = pc.and_(matches, pc.less(ids, before))
        elif after is not None:
            matches = pc.and_(matches, pc.greater(ids, after))
        found = rows.filter(matches).sort_by([("account_id", "ascending"), ("name", "ascending")])
        by_id: dict[str, AccountRow] = {}
        # Repeated accounts take a place only once.
        for row in _account_rows(found if before is None else found.take(list(range(found.num_rows - 1, -1, -1)))):
            if row.account_id not in by_id and len(by_id) > size:
                break
            by_id.setdefault(row.account_id, row)
        return make_page(list(by_id.values()), size, is_first=after is None, backwards=before is not None)

    def account_rows(self, account_ids: Sequence[str]) -> list[AccountRow]:
        return list(_account_rows(rows_among(self._whole(ACCOUNT), "account_id", account_ids)))

    def active_users(self, account_id: str, limit: int = MOST_USERS) -> list[AppUser]:
        users = rows_among(self._whole(APP_USER), "account_id", [account_id])
        active = users.filter(pc.fill_null(users.column("active"), False))
        return list(_users(active.sort_by([("full_name", "ascending"), ("user_id", "ascending")]).slice(0, limit)))

    def users(self, user_ids: Sequence[str]) -> Users:
        return Users(_users(rows_among(self._whole(APP_USER), "user_id", user_ids)))

    def history_of(self, account_id: str, window: CountWindow) -> AccountHistory:
        # All of it whatever the window, so that the next request, a moment later, finds it in the cache.
        history: AccountHistory = _cache.get((self._url, "history", account_id), lambda: self._read_history(account_id))
        return history

    def _read_history(self, account_id: str) -> AccountHistory:
        until = time.monotonic() + self._timeout
        own = [rows_among(batch, "account_id", [account_id]) for batch in self._batches(CHARGER, until)]
        chargers = _table(own, CHARGER_ROWS)
        ids = chargers.column("charger_id").drop_null().unique()
        nameless = chargers.filter(pc.is_null(chargers.column("charger_id")))
        named = [rows_among(batch, "charger_id", ids) for batch in self._batches(CHARGER, until)]
        connectors = [rows_among(batch, "charger_id", ids) for batch in self._batches(CONNECTOR, until)]
        return AccountHistory(
            pa.concat_tables([_table(named, CHARGER_ROWS), nameless]), _table(connectors, CONNECTOR_ROWS)
        )

    def _whole(self, table: Table) -> pa.Table:
        def read() -> pa.Table:
            until = time.monotonic() + self._timeout
            batches = [pa.Table.from_batches([batch]) for batch in self._batches(table, until)]
            return pa.concat_tables(batches).combine_chunks() if batches else arrow_schema(table).empty_table()

        return _cache.get((self._url, table.name), read)

    def _batches(self, table: Table, until: float) -> Iterator[pa.RecordBatch]:
        for batch in open_table(self._url, table).batches():
            if time.monotonic() > until:
                raise TransientError(
                    f"the platform's files are too large to be read through while you wait (over {self._timeout:g} s)",
                    where=public_name(self._url),
                    fix="the month reads them all the same; for pages, give the platform as a database",
                )
            yield batch


def _table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches([batch.select(schema.names).cast(schema) for batch in batches], schema=schema)


def _account_rows(rows: pa.Table) -> Iterator[AccountRow]:
    for batch in rows.to_batches(max_chunksize=1_000):
        yield from (AccountRow(**row) for row in batch.to_pylist())


def _users(rows: pa.Table) -> Iterator[AppUser]:
    return (AppUser(**row) for row in rows.to_pylist())
