"""Roles and databases on the Postgres of the stack or of the containers: made once, upgraded at each start."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from evbilling.errors import NotReady
from evbilling.warehouse import connected, load_sql, migrate

# The made-up charging platform is beside the warehouse, in a database of its own.
_PLATFORM_ROLES = ("platform", "platform_reader")
_WAREHOUSE_ROLES = ("evbilling_writer", "finance_reader")

_READER_RIGHTS = (
    "grant usage on schema platform to platform_reader",
    "grant select on all tables in schema platform to platform_reader",
    "alter default privileges in schema platform grant select on tables to platform_reader",
)


def make_databases(admin_url: str, passwords: Mapping[str, str], owners: Mapping[str, str]) -> list[str]:
    """Make what is missing of the platform's roles, and of the databases with their owners; returns the new databases.

    `admin_url` logs a superuser in to any database, `passwords` are those of all roles. Raises `TransientError` if the
    server can't be reached, `NotReady` if a password is missing.
    """
    roles = {*_PLATFORM_ROLES, *owners.values()} - {"postgres"}
    if missing := sorted({*roles, *_WAREHOUSE_ROLES} - passwords.keys()):
        raise NotReady(f"there is no password for {', '.join(missing)}")
    # A database can't be made inside a transaction.
    with connected(admin_url, what="Postgres", autocommit=True) as connection:
        existing = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role in sorted(roles - existing):
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
        _set_passwords(connection, {role: passwords[role] for role in roles})
        existing = {name for (name,) in connection.execute("select datname from pg_database")}
        new = [name for name in owners if name not in existing]
        for name in new:
            names = (sql.Identifier(name), sql.Identifier(owners[name]))
            connection.execute(sql.SQL("create database {} owner {}").format(*names))
            if owners[name] != "postgres":
                connection.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(name)))
        connection.execute("grant connect on database platform to platform_reader")
    return new


def make_platform_tables(owner_url: str) -> None:
    """Make the platform's five tables as their owner, readable by the pipeline; no-op if they exist."""
    with connected(owner_url, what="platform database") as connection:
        # The file's own notices (`if not exists`) are of no use to anybody.
        connection.execute("set client_min_messages = warning")
        connection.execute(load_sql("scripts/local/platform.sql").encode())
        for statement in _READER_RIGHTS:
            connection.execute(statement.encode())


def migrate_warehouse(admin_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Bring the warehouse to its newest revision and let its roles log in; returns the revisions applied."""
    applied = migrate(admin_url)
    with connected(admin_url, what="warehouse") as connection:
        _set_passwords(connection, {role: passwords[role] for role in _WAREHOUSE_ROLES})
    return applied


def _set_passwords(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    for role, password in passwords.items():
        statement = sql.SQL("alter role {} login password {}")
        connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
