"""The platform in a Postgres database, as pages read it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import starmap
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
from psycopg import sql

from evbilling.paging import Page, make_page
from evbilling.platform.contract import ACCOUNT, APP_USER, CHARGER, CONNECTOR, Table
from evbilling.platform.inventory import CHARGER_ROWS, CONNECTOR_ROWS, AccountHistory
from evbilling.platform.lookup import MOST_USERS, PAGE_SIZE, AccountRow, AppUser, Users
from evbilling.platform.postgres.queries import SCHEMA, WHAT, PlatformTable, find_tables, reading, select
from evbilling.platform.source import CountWindow
from evbilling.warehouse import compose, fetch_all, shown, snapshot

# How long a page waits for a query.
_TIMEOUT_SECONDS = 20


class PostgresLookup:
    """The tables of schema `platform` in the database at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find_accounts(
        self, text: str = "", *, after: str | None = None, before: str | None = None, size: int = PAGE_SIZE
    ) -> Page[AccountRow]:
        backwards = before is not None
        beyond, direction = ("<", "desc") if backwards else (">", "asc")
        with self._connection(ACCOUNT) as (connection, tables):
            rows = fetch_all(
                connection,
                "platform/account_page",
                **_sources(tables),
                beyond=sql.SQL(beyond),
                direction=sql.SQL(direction),
                pattern=f"%{_escaped(text)}%" if text else None,
                edge=before if backwards else after,
                size=size + 1,
            )
        found = list(starmap(AccountRow, rows))
        return make_page(found, size, is_first=after is None, backwards=backwards)

    def account_rows(self, account_ids: Sequence[str]) -> list[AccountRow]:
        return list(
            starmap(AccountRow, self._select(ACCOUNT, "where account_id = any(%(ids)s)", ids=list(account_ids)))
        )

    def active_users(self, account_id: str, limit: int = MOST_USERS) -> list[AppUser]:
        rest = """where user_id is not null and account_id = %(account_id)s and active
                  order by full_name, user_id limit %(limit)s"""
        return list(starmap(AppUser, self._select(APP_USER, rest, account_id=account_id, limit=limit)))

    def users(self, user_ids: Sequence[str]) -> Users:
        rest = "where user_id = any(%(ids)s) order by full_name, user_id"
        return Users(starmap(AppUser, self._select(APP_USER, rest, ids=list(user_ids))))

    def history_of(self, account_id: str, window: CountWindow) -> AccountHistory:
        with self._connection(CHARGER, CONNECTOR) as (_, tables):
            values = {**_sources(tables), "account_id": account_id, "first": window.first, "last": window.last}
        with snapshot(self._url, what=WHAT, foreign=True) as cursor:
            found: list[pa.Table] = []
            for name, schema in (("account_chargers", CHARGER_ROWS), ("account_connectors", CONNECTOR_ROWS)):
                cursor.execute(compose(f"platform/{name}", **values).as_string(None))
                found.append(cursor.fetch_arrow_table().cast(schema))
        return AccountHistory(*found)

    def _select(self, table: Table, rest: LiteralString, **values: object) -> list[tuple[Any, ...]]:
        with self._connection(table) as (connection, tables):
            return connection.execute(select(tables[table.name], rest), values).fetchall()

    @contextmanager
    def _connection(
        self, *tables: Table
    ) -> Generator[tuple[psycopg.Connection[Any], dict[str, PlatformTable]], None, None]:
        """A connection, and how these tables are read there."""
        with reading(self._url) as connection:
            connection.execute(f"set local statement_timeout = '{_TIMEOUT_SECONDS}s'".encode())
            yield connection, find_tables(connection, tables, label=f"{shown(self._url)} schema {SCHEMA}")


def _sources(tables: dict[str, PlatformTable]) -> dict[str, sql.Composable]:
    return {name: table.source() for name, table in tables.items()}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
