"""The charging platform at a URL, which only here decides between a Postgres database and a folder of files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evbilling.platform.contract import ACCOUNT, APP_USER, Table
from evbilling.platform.lookup import AccountRow, AppUser, PlatformLookup, Users
from evbilling.platform.source import INVENTORY_TABLES

if TYPE_CHECKING:
    from evbilling.platform.source import InventorySource


def open_source(
    platform_url: str, warehouse_url: str, run_id: int, tables: Sequence[Table] = INVENTORY_TABLES
) -> InventorySource:
    """The platform's `tables` as run `run_id` reads them.

    Files are first copied beside the warehouse's staging tables; the copies are dropped when the run is closed.
    """
    if _is_database(platform_url):
        from evbilling.platform.postgres import PostgresSource

        return PostgresSource(platform_url, tables=tables)
    from evbilling.platform.files.source import copied_source

    return copied_source(platform_url, warehouse_url, run_id, tables)


def open_lookup(platform_url: str) -> PlatformLookup:
    """The platform as pages read it; nothing is read yet."""
    if _is_database(platform_url):
        from evbilling.platform.postgres import PostgresLookup

        return PostgresLookup(platform_url)
    from evbilling.platform.files.lookup import FileLookup

    return FileLookup(platform_url)


def read_users(platform_url: str, user_ids: Collection[str]) -> Users:
    """The users with these ids, as they are now.

    Raises `BadInput` if the platform breaks the contract, `TransientError` if it doesn't answer.
    """
    return Users(starmap(AppUser, _read_rows(platform_url, APP_USER, "user_id", user_ids)))


def read_accounts(platform_url: str, account_ids: Collection[str]) -> list[AccountRow]:
    """The account rows with these ids, in the platform's order; an id may have several or none.

    Raises what `read_users` raises.
    """
    return list(starmap(AccountRow, _read_rows(platform_url, ACCOUNT, "account_id", account_ids)))


def _read_rows(platform_url: str, table: Table, key: str, ids: Collection[str]) -> list[tuple[Any, ...]]:
    if _is_database(platform_url):
        from evbilling.platform.postgres import read_rows

        return read_rows(platform_url, table, key, ids)
    from evbilling.platform.files import open_table

    return open_table(platform_url, table).rows_with(key, ids)


def _is_database(url: str) -> bool:
    return urlsplit(url).scheme in {"postgresql", "postgres"}
