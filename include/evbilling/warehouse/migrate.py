"""Brings a warehouse to the newest schema: roles, then Alembic's revisions, then the finance views."""

from __future__ import annotations

from pathlib import Path

from evbilling.errors import TransientError
from evbilling.warehouse.scripts import run_script

VIEW_FILES = ("views/finance.sql",)


def migrate(admin_url: str) -> list[str]:
    """Apply what is missing and return the names of the revisions applied, oldest first; [] if up to date.

    `admin_url` is a libpq URL of a login that may create roles and schemas. All in one transaction: a failing revision
    leaves the warehouse as it was. Raises `TransientError` if the server can't be reached.
    """
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    url = sqlalchemy.make_url(admin_url).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    try:
        with engine.begin() as connection:
            # Two migrations at once take turns; the lock goes with the transaction.
            connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('evbilling migrate'))")
            run_script(connection, "migrations/0000_roles.sql")
            connection.exec_driver_sql("grant create on schema public to evbilling_owner")
            connection.exec_driver_sql("set local role evbilling_owner")
            before = _current(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql("grant select on public.schema_version to evbilling_writer")
            for name in VIEW_FILES:
                run_script(connection, name)
    except sqlalchemy.exc.OperationalError as error:
        raise TransientError(
            f"can't migrate: {str(error.orig).strip()}",
            where=f"warehouse ({url.host}:{url.port}/{url.database})",
            fix="check that the server runs, and the host, user and password",
        ) from error
    finally:
        engine.dispose()
    script = ScriptDirectory.from_config(config)
    applied = list(script.iterate_revisions("head", before or "base"))
    return [Path(revision.module.__file__ or revision.revision).stem for revision in reversed(applied)]


def _current(connection: object) -> str | None:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    assert isinstance(connection, Connection)  # ruff: ignore[assert]  # for the type checker; migrate() made it
    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": "public"}
    )
    return context.get_current_revision()
