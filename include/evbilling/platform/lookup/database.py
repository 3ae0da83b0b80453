"""Looking things up at a platform that is a Postgres database."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import starmap
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from evbilling.platform import contract
from evbilling.platform.inventory.one_account import CHARGER_ROWS, CONNECTOR_ROWS, AccountHistory
from evbilling.platform.lookup.directory import MOST_USERS, PAGE_SIZE, AccountPage, AccountRow, AppUser
from evbilling.platform.snapshot import snapshot
from evbilling.platform.source import CountWindow
from evbilling.warehouse.connect import connected
from evbilling.warehouse.query import compose, fetch_all

# Nobody waits longer for a page.
_LONGEST_SECONDS = 20
_RELATIONS = {table.name: sql.Identifier("platform", table.name) for table in contract.TABLES}


class DatabaseLookup:
    """The tables of schema `platform` in the database at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find_accounts(
        self, text: str = "", *, after: str | None = None, before: str | None = None, size: int = PAGE_SIZE
    ) -> AccountPage:
        backwards = before is not None
        beyond, direction = ("<", "desc") if backwards else (">", "asc")
        with self._reading() as connection:
            rows = fetch_all(
                connection,
                "platform/account_page",
                **_RELATIONS,
                beyond=sql.SQL(beyond),
                direction=sql.SQL(direction),
                pattern=f"%{_escaped(text)}%" if text else None,
                edge=before if backwards else after,
                size=size + 1,
            )
        found = list(starmap(AccountRow, rows[:size]))
        is_more = len(rows) > size
        if backwards:
            return AccountPage(tuple(reversed(found)), is_more, True)
        return AccountPage(tuple(found), after is not None, is_more)

    def account_rows(self, account_ids: Sequence[str]) -> list[AccountRow]:
        query = sql.SQL(
            "select account_id, name, country, time_zone, currency from {account} where account_id = any(%(ids)s)"
        ).format(**_RELATIONS)
        return list(starmap(AccountRow, self._rows(query, {"ids": list(account_ids)})))

    def active_users(self, account_id: str, limit: int = MOST_USERS) -> list[AppUser]:
        query = _users("account_id = %(account_id)s and active order by full_name, user_id limit %(limit)s")
        return list(starmap(_user, self._rows(query, {"account_id": account_id, "limit": limit})))

    def users(self, user_ids: Sequence[str]) -> list[AppUser]:
        query = _users("user_id = any(%(ids)s) order by full_name, user_id")
        return list(starmap(_user, self._rows(query, {"ids": list(user_ids)})))

    def history_of(self, account_id: str, window: CountWindow) -> AccountHistory:
        with snapshot(self._url) as cursor:
            found: list[pa.Table] = []
            for name, schema in (("account_chargers", CHARGER_ROWS), ("account_connectors", CONNECTOR_ROWS)):
                query = compose(
                    f"platform/{name}", **_RELATIONS, account_id=account_id, first=window.first, last=window.last
                )
                cursor.execute(query.as_string(None))
                found.append(cursor.fetch_arrow_table().cast(schema))
        return AccountHistory(*found)

    def _rows(self, query: sql.Composed, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def _reading(self) -> Generator[psycopg.Connection[Any]]:
        with connected(self._url, what="charging platform") as connection:
            connection.read_only = True
            connection.execute(f"set statement_timeout = '{_LONGEST_SECONDS}s'".encode())
            yield connection


def _users(which: str) -> sql.Composed:
    query = "select user_id, account_id, full_name, email, active from {app_user} where user_id is not null and "
    return sql.SQL(query + which).format(**_RELATIONS)


def _user(user_id: str, account_id: str | None, name: str | None, email: str | None, active: bool | None) -> AppUser:
    return AppUser(user_id, account_id, name, email, bool(active))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
