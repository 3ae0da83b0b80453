"""Looking things up at a platform that is a folder of files: they are read through, and kept for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evbilling.errors import TransientError
from evbilling.platform import contract
from evbilling.platform.files.tables import open_table
from evbilling.platform.inventory.one_account import CHARGER_ROWS, CONNECTOR_ROWS, AccountHistory
from evbilling.platform.lookup.directory import MOST_USERS, PAGE_SIZE, AccountPage, AccountRow, AppUser
from evbilling.platform.source import CountWindow
from evbilling.storage import public_name

# A file has no index: whoever looks at a page waits for all of it to be read, but not for longer than this.
LONGEST_SECONDS = 10.0
KEPT_SECONDS = 60.0
_KEPT = 6


class _Kept:
    """What was read lately, by key. One read at a time: several at once would each take as long as all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[Any, ...], tuple[float, Any]] = {}

    def get(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """What `read` gave for this key less than a minute ago, or gives now; an error isn't kept."""
        with self._lock:
            now = time.monotonic()
            self._found = {k: kept for k, kept in self._found.items() if now - kept[0] < KEPT_SECONDS}
            if key not in self._found:
                value = read()
                while len(self._found) >= _KEPT:
                    del self._found[next(iter(self._found))]
                self._found[key] = (time.monotonic(), value)
            return self._found[key][1]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._found.clear()


_kept = _Kept()
forget = _kept.clear


class FileLookup:
    """The five tables' files in the folder at `url`."""

    def __init__(self, url: str, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._url = url
        self._longest = longest_seconds

    def find_accounts(
        self, text: str = "", *, after: str | None = None, before: str | None = None, size: int = PAGE_SIZE
    ) -> AccountPage:
        rows = self._whole(contract.ACCOUNT)
        ids = rows.column("account_id")
        wanted = pc.is_valid(ids)
        if text:
            hits = [pc.match_substring(rows.column(name), text, ignore_case=True) for name in ("account_id", "name")]
            wanted = pc.and_(wanted, pc.or_(*(pc.fill_null(hit, False) for hit in hits)))
        if before is not None:
            wanted = pc.and_(wanted, pc.less(ids, before))
        elif after is not None:
            wanted = pc.and_(wanted, pc.greater(ids, after))
        found = rows.filter(wanted).sort_by([("account_id", "ascending"), ("name", "ascending")])
        by_id: dict[str, AccountRow] = {}
        # Repeated accounts take a place only once.
        for row in _account_rows(found if before is None else found.take(list(range(found.num_rows - 1, -1, -1)))):
            if row.account_id not in by_id and len(by_id) > size:
                break
            by_id.setdefault(row.account_id, row)
        listed = list(by_id.values())
        shown, is_more = listed[:size], len(listed) > size
        if before is not None:
            return AccountPage(tuple(reversed(shown)), is_more, True)
        return AccountPage(tuple(shown), after is not None, is_more)

    def account_rows(self, account_ids: Sequence[str]) -> list[AccountRow]:
        return list(_account_rows(_among(self._whole(contract.ACCOUNT), "account_id", account_ids)))

    def active_users(self, account_id: str, limit: int = MOST_USERS) -> list[AppUser]:
        users = _among(self._whole(contract.APP_USER), "account_id", [account_id])
        active = users.filter(pc.fill_null(users.column("active"), False))
        return list(_users(active.sort_by([("full_name", "ascending"), ("user_id", "ascending")]).slice(0, limit)))

    def users(self, user_ids: Sequence[str]) -> list[AppUser]:
        return list(_users(_among(self._whole(contract.APP_USER), "user_id", user_ids)))

    def history_of(self, account_id: str, window: CountWindow) -> AccountHistory:
        # All of it whatever the window, so that the next question, a moment later, finds it kept.
        history: AccountHistory = _kept.get((self._url, "history", account_id), lambda: self._read_history(account_id))
        return history

    def _read_history(self, account_id: str) -> AccountHistory:
        until = time.monotonic() + self._longest
        own = [_among(batch, "account_id", [account_id]) for batch in self._batches(contract.CHARGER, until)]
        chargers = _table(own, CHARGER_ROWS)
        ids = chargers.column("charger_id").drop_null().unique()
        nameless = chargers.filter(pc.is_null(chargers.column("charger_id")))
        named = [_among(batch, "charger_id", ids) for batch in self._batches(contract.CHARGER, until)]
        connectors = [_among(batch, "charger_id", ids) for batch in self._batches(contract.CONNECTOR, until)]
        return AccountHistory(
            pa.concat_tables([_table(named, CHARGER_ROWS), nameless]), _table(connectors, CONNECTOR_ROWS)
        )

    def _whole(self, table: contract.Table) -> pa.Table:
        def read() -> pa.Table:
            until = time.monotonic() + self._longest
            batches = [pa.Table.from_batches([batch]) for batch in self._batches(table, until)]
            return pa.concat_tables(batches).combine_chunks() if batches else _empty(table)

        return _kept.get((self._url, table.name), read)

    def _batches(self, table: contract.Table, until: float) -> Iterator[pa.RecordBatch]:
        for batch in open_table(self._url, table).batches():
            if time.monotonic() > until:
                raise TransientError(
                    f"the platform's files are too large to be read through while you wait (over {self._longest:g} s)",
                    where=public_name(self._url),
                    fix="the month reads them all the same; for pages, give the platform as a database",
                )
            yield batch


def _among(rows: Any, column: str, values: Any) -> Any:
    """The rows of a table or batch whose `column` is one of `values`; none of those without a value."""
    wanted = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    return rows.filter(pc.is_in(rows.column(column), value_set=wanted, skip_nulls=True))


def _table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches([batch.select(schema.names).cast(schema) for batch in batches], schema=schema)


def _empty(table: contract.Table) -> pa.Table:
    from evbilling.platform.files.checks import arrow_schema

    return arrow_schema(table).empty_table()


def _account_rows(rows: pa.Table) -> Iterator[AccountRow]:
    columns = ["account_id", "name", "country", "time_zone", "currency"]
    for batch in rows.select(columns).to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            yield AccountRow(**row)


def _users(rows: pa.Table) -> Iterator[AppUser]:
    for row in rows.select(["user_id", "account_id", "full_name", "email", "active"]).to_pylist():
        yield AppUser(**(row | {"active": bool(row["active"])}))
