"""The stack's roles and databases on its Postgres: made once, brought up to date at every `up`."""

from __future__ import annotations

from evbilling.errors import NotReady
from evbilling.warehouse.query import load_sql
from evbilling_local.stack.postgres import EmbeddedPostgres
from evbilling_local.stack.state import StackState

_OWNERS = {"airflow": "airflow", "platform": "platform", "warehouse": "postgres"}
_OWN_ROLES = ("airflow", "platform", "platform_reader")
_WAREHOUSE_ROLES = ("evbilling_writer", "finance_reader")

_READER_RIGHTS = (
    "grant usage on schema platform to platform_reader",
    "grant select on all tables in schema platform to platform_reader",
    "alter default privileges in schema platform grant select on tables to platform_reader",
)


def make_databases(server: EmbeddedPostgres, state: StackState) -> list[str]:
    """Make what is missing of the databases and of our own roles; returns the names of new databases."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.url(), autocommit=True) as connection:
        roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role in _OWN_ROLES:
            if role not in roles:
                connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
                server.set_password(role, state.role_passwords[role])
        there = {name for (name,) in connection.execute("select datname from pg_database")}
        new = [name for name in _OWNERS if name not in there]
        for name in new:
            server.create_database(name, owner=_OWNERS[name])
            if name != "warehouse":
                database = sql.Identifier(name)
                connection.execute(sql.SQL("revoke connect on database {} from public").format(database))
        connection.execute("grant connect on database platform to platform_reader")
    return new


def make_platform_tables(owner_url: str) -> None:
    """Make the platform's five tables as their owner, readable by the pipeline; no-op if they are there."""
    import psycopg

    with psycopg.connect(owner_url) as connection:
        # The file's own notices (`if not exists`) are of no use to anybody.
        connection.execute("set client_min_messages = warning")
        connection.execute(load_sql("scripts/local/platform.sql").encode())
        for statement in _READER_RIGHTS:
            connection.execute(statement.encode())


def migrate_warehouse(server: EmbeddedPostgres, state: StackState) -> list[str]:
    """Bring the warehouse to its newest revision and let its roles log in; returns the revisions applied."""
    import psycopg

    from evbilling.warehouse.migrate import migrate

    applied = migrate(state.url("warehouse_admin"))
    for role in _WAREHOUSE_ROLES:
        try:
            server.set_password(role, state.role_passwords[role])
        except psycopg.errors.UndefinedObject as error:
            raise NotReady(
                f"the warehouse migration didn't make the role {role}",
                where="sql/access/roles.sql",
                fix="create the role in that file",
            ) from error
    return applied


def airflow_is_migrated(state: StackState, version: str) -> bool:
    """True if this Airflow `version` has migrated the metadata database that is there now."""
    import psycopg

    if state.airflow_migrated != version:
        return False
    with psycopg.connect(state.role_url("airflow", "airflow")) as connection:
        found = connection.execute("select to_regclass('alembic_version')").fetchone()
    return found is not None and found[0] is not None
