"""Roles, databases and tables on the warehouse's server: made once, brought up to date at every start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from evbilling.errors import NotReady
from evbilling.warehouse.connect import connected
from evbilling.warehouse.migrate import migrate
from evbilling_local.containers.files import FIX
from evbilling_local.stack.databases import make_platform_tables

# The made-up charging platform lives beside the warehouse, in a database of its own.
PLATFORM = "platform"
_PLATFORM_ROLES = (PLATFORM, "platform_reader")
_WAREHOUSE_ROLES = ("evbilling_writer", "finance_reader")


def prepare_databases(admin_url: str, platform_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Make or upgrade all that the product needs on the server; returns what was done, one thing each.

    `admin_url` logs a superuser in to the warehouse, `platform_url` the role `platform` to the platform's database;
    `passwords` are those of the roles. Safe to repeat. Raises `TransientError` if the server can't be reached,
    `NotReady` if a password is missing.
    """
    if missing := [role for role in (*_PLATFORM_ROLES, *_WAREHOUSE_ROLES) if role not in passwords]:
        raise NotReady(
            f"there is no password for {', '.join(missing)}",
            where="the service file with the logins",
            fix=FIX,
        )
    done = _prepare_platform(admin_url, passwords)
    make_platform_tables(platform_url)
    done += [f"migrated the warehouse: {name}" for name in migrate(admin_url)]
    with connected(admin_url, what="warehouse") as connection:
        _set_passwords(connection, {role: passwords[role] for role in _WAREHOUSE_ROLES})
    return done


def _prepare_platform(admin_url: str, passwords: Mapping[str, str]) -> list[str]:
    done = []
    # A database can't be made inside a transaction.
    with connected(admin_url, what="warehouse", autocommit=True) as connection:
        there = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role in _PLATFORM_ROLES:
            if role not in there:
                connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
                done.append(f"made the role {role}")
        _set_passwords(connection, {role: passwords[role] for role in _PLATFORM_ROLES})
        name = sql.Identifier(PLATFORM)
        if not connection.execute("select 1 from pg_database where datname = %s", (PLATFORM,)).fetchone():
            connection.execute(sql.SQL("create database {0} owner {0}").format(name))
            done.append(f"made the database {PLATFORM}")
        connection.execute(sql.SQL("revoke connect on database {} from public").format(name))
        connection.execute(sql.SQL("grant connect on database {} to platform_reader").format(name))
    return done


def _set_passwords(connection: psycopg.Connection[Any], passwords: Mapping[str, str]) -> None:
    for role, password in passwords.items():
        statement = sql.SQL("alter role {} login password {}")
        connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
