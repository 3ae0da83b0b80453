"""The platform's tables as its database has them, read as the contract has them."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from evbilling.errors import BadInput
from evbilling.platform.accepted import ACCEPTED, Form
from evbilling.platform.contract import TABLES, Column, Table
from evbilling.warehouse import connected, fetch_all, shown

SCHEMA = "platform"
# The database as messages call it.
WHAT = "charging platform"

_FIX = "give it the tables of the input contract (docs/contract.md), as views if need be"
# Text of these isn't hashed as in the warehouse, so a shard would be in the wrong partition.
_UNREADABLE_ENCODINGS = {"EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "MULE_INTERNAL"}
_DEFAULT_COLLATION = sql.SQL('({}) collate pg_catalog."default"')


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column of a relation as the catalogue has it: see queries/platform/columns.sql."""

    name: str
    kind: str
    shown: str
    is_collated: bool
    is_readable: bool


@dataclass(frozen=True, slots=True)
class PlatformTable:
    """A table of the contract in a database of an `encoding`: `relation` as it is there, in `forms` how it is read."""

    table: Table
    encoding: str | None
    relation: sql.Identifier
    found: dict[str, FoundColumn]
    forms: dict[str, Form]

    def source(self) -> sql.Composable:
        """What a query reads from, under an alias: the relation itself if all of its columns can be read as they are.

        Otherwise a subquery that has the contract's columns in the contract's types. Postgres merges it into the query.
        """
        columns = {column.name: self.expression(column) for column in self.table.columns}
        if all(reading == sql.Identifier(name) for name, reading in columns.items()):
            return self.relation
        listed = (sql.SQL("{} as {}").format(reading, sql.Identifier(name)) for name, reading in columns.items())
        return sql.SQL("(select {} from {} as t)").format(sql.SQL(", ").join(listed), self.relation)

    def expression(self, column: Column) -> sql.Composable:
        """The expression that reads a column in its contract type."""
        if column.name not in self.found:
            return sql.SQL("null::text")
        name = sql.Identifier(column.name)
        template = self.forms[column.name].sql
        read = sql.SQL(template).format(column=name) if template else name
        # Texts of different collations can't be compared with each other, and some collations ignore case.
        collates = column.type == "text" and self.found[column.name].is_collated
        return _DEFAULT_COLLATION.format(read) if collates else read


def relations(schema: str = SCHEMA, prefix: str = "") -> dict[str, sql.Identifier]:
    """The platform's tables by name, as they are in the database; `prefix` comes before a table's own name."""
    return {table.name: sql.Identifier(schema, prefix + table.name) for table in TABLES}


def find_tables(
    connection: psycopg.Connection[Any],
    tables: Iterable[Table],
    named: dict[str, sql.Identifier] | None = None,
    *,
    label: str,
) -> dict[str, PlatformTable]:
    """How each of the `tables` is read, by its name, from the catalogue alone.

    Raises `BadInput` that names every relation that isn't there, and every column that is missing, that this user may
    not read, or whose type isn't accepted, with the types that are.
    """
    found: dict[str, PlatformTable] = {}
    faults: list[str] = []
    encoding = connection.info.parameter_status("server_encoding")
    if encoding in _UNREADABLE_ENCODINGS:
        faults.append(f"the database has the encoding {encoding}; accepted are UTF8, SQL_ASCII and those of one byte")
    for table in tables:
        relation = (named or relations())[table.name]
        rows = fetch_all(connection, "platform/columns", relation=relation.as_string(connection))
        columns = {row[0]: FoundColumn(*row) for row in rows}
        if not columns:
            faults.append(f"there is no table {relation_name(relation)} that this user may see")
            continue
        forms: dict[str, Form] = {}
        for column in table.columns:
            fault = _fault(column, columns.get(column.name), forms)
            if fault:
                faults.append(f"{relation_name(relation)}.{column.name} {fault.format(user=connection.info.user)}")
        found[table.name] = PlatformTable(table, encoding, relation, columns, forms)
    _refuse(faults, label)
    return found


def check_values(connection: psycopg.Connection[Any], tables: Iterable[PlatformTable], *, label: str) -> None:
    """Raise `BadInput` that names the values that their columns' readings don't know, where those refuse any."""
    faults = []
    for table in tables:
        for column in table.table.columns:
            accepted = ACCEPTED[column.type]["Postgres"]
            if not accepted.fault or column.name not in table.found or not table.forms[column.name].sql:
                continue
            unread = fetch_all(
                connection,
                "platform/unread_values",
                found=sql.Identifier(column.name),
                relation=table.relation,
                reading=table.expression(column),
            )
            if unread:
                values = ", ".join(starmap(repr, unread))
                faults.append(f"{relation_name(table.relation)}.{column.name} has {values}, which {accepted.fault}")
    _refuse(faults, label)


def _refuse(faults: Sequence[str], label: str) -> None:
    if faults:
        heading = f"{len(faults)} problems of the platform's tables:\n  " if len(faults) > 1 else ""
        raise BadInput(heading + "\n  ".join(faults), where=label, fix=_FIX)


def relation_name(relation: sql.Identifier) -> str:
    """`relation` as messages write it."""
    return relation.as_string(None).replace('"', "")


def _fault(column: Column, found: FoundColumn | None, forms: dict[str, Form]) -> str | None:
    """What is wrong with a column, if anything; else its form is put into `forms`."""
    accepted = ACCEPTED[column.type]["Postgres"]
    if found is None:
        return None if column.optional else f"is missing ({column.type}: {', '.join(accepted.types)})"
    form = next((form for form in accepted.forms if found.kind in form.types), None)
    if form is None:
        return f"is of type {found.shown}; accepted are {', '.join(accepted.types)}: {accepted.fix}"
    if not found.is_readable:
        return "can't be read by {user}; grant it select on the table"
    forms[column.name] = form
    return None


@contextmanager
def reading(
    url: str, *, isolation: psycopg.IsolationLevel | None = None
) -> Generator[psycopg.Connection[Any], None, None]:
    """A connection that only reads the platform, in one transaction.

    Raises `TransientError` if the platform doesn't answer, and `BadInput` if it refuses a query.
    """
    with connected(url, what=WHAT, foreign=True) as connection:
        connection.isolation_level = isolation
        connection.read_only = True
        fetch_all(connection, "platform/session")
        yield connection


def select(table: PlatformTable, rest: LiteralString = "") -> sql.Composed:
    """All columns of a table in contract order, with `rest` after it."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.table.column_names))
    return sql.SQL("select {} from {} as t {}").format(columns, table.source(), sql.SQL(rest))


def read_rows(url: str, table: Table, key: LiteralString, ids: Collection[str]) -> list[tuple[Any, ...]]:
    """The rows of a table whose column `key` is one of `ids`: all columns in contract order, rows in no order."""
    with reading(url) as connection:
        found = find_tables(connection, [table], label=f"{shown(url)} schema {SCHEMA}")[table.name]
        return connection.execute(select(found, f"where {key} = any(%s)"), (sorted(ids),)).fetchall()
