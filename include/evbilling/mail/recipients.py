"""To whom the mail goes: the financial admins' addresses and the accounts' countries, as the platform has them now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evbilling.mail.addresses import Address, parse_address
from evbilling.platform import contract
from evbilling.warehouse.connect import connected

if TYPE_CHECKING:
    from evbilling.platform.contract import Table


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the platform: name and address, as far as there are any."""

    user_id: str
    full_name: str | None
    email: str | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class Directory:
    """Users and the countries of accounts by id; who or what the platform doesn't know is missing."""

    people: dict[str, Person]
    countries: dict[str, str | None]

    def address_of(self, user_id: str) -> Address | str:
        """The user's address, or in plain words why there is none."""
        person = self.people.get(user_id)
        if person is None:
            return f"the platform has no user {user_id} any more; choose another financial admin"
        if not person.active:
            return f"the user {user_id} is inactive; choose another financial admin or activate the user"
        if not (person.email or "").strip():
            return f"the platform has no e-mail address of {user_id}; enter one there"
        return parse_address(person.email) or (
            f"what the platform has as e-mail address of {user_id} isn't one; correct it there"
        )

    def name_of(self, user_id: str) -> str | None:
        """The user's name, if the platform has one."""
        person = self.people.get(user_id)
        return person.full_name if person else None


def read_directory(platform_url: str, user_ids: Collection[str], account_ids: Collection[str]) -> Directory:
    """The users and accounts named, read at once.

    Raises `BadInput` if the platform breaks the contract, `TransientError` if it doesn't answer.
    """
    read = _from_database if urlsplit(platform_url).scheme in {"postgresql", "postgres"} else _from_files
    people = read(platform_url, contract.APP_USER, "user_id", ("full_name", "email", "active"), set(user_ids))
    accounts = read(platform_url, contract.ACCOUNT, "account_id", ("country",), set(account_ids))
    return Directory(
        {row[0]: Person(*row) for row in people},
        {account_id: country for account_id, country in accounts},
    )


def _from_database(
    url: str, table: Table, key: str, columns: tuple[str, ...], wanted: set[str]
) -> Iterator[tuple[Any, ...]]:
    from psycopg import sql

    query = sql.SQL("select {columns} from platform.{table} where {key} = any(%s)").format(
        columns=sql.SQL(", ").join(map(sql.Identifier, (key, *columns))),
        table=sql.Identifier(table.name),
        key=sql.Identifier(key),
    )
    with connected(url, what="charging platform") as connection:
        yield from connection.execute(query, (sorted(wanted),)).fetchall()


def _from_files(
    url: str, table: Table, key: str, columns: tuple[str, ...], wanted: set[str]
) -> Iterator[tuple[Any, ...]]:
    from evbilling.platform.files.tables import open_table

    for batch in open_table(url, table).batches():
        for row in batch.select((key, *columns)).to_pylist():
            if row[key] in wanted:
                yield tuple(row[name] for name in (key, *columns))
