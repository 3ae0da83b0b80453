"""The warehouse's schema: bringing it to the newest revision, and requiring it."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from evbilling.errors import NotReady
from evbilling.warehouse.database_errors import explained
from evbilling.warehouse.query import SQL_ROOT, load_sql, select_value

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

_ALEMBIC = Path(__file__).parent / "alembic"

# The oldest revision that a warehouse can be upgraded from.
BASELINE = "0015"

# Whoever reads a view keeps it from being replaced, and others queue behind a migration that waits for it.
_LONGEST_WAIT = "10s"

_REQUIRES = re.compile(r"^-- requires: (\S+)$", re.MULTILINE)


def migrate(admin_url: str) -> list[str]:
    """Apply what is missing and return the names of the revisions applied, oldest first; [] if there were none.

    Roles come first, then Alembic's revisions (tables), then all functions, views and grants, which are always brought
    to what their files say. `admin_url` is a libpq URL of a login that may create roles and schemas. All in one
    transaction: if anything fails, the warehouse stays as it was.
    Raises `TransientError` if the server can't be reached, `NotReady` if the warehouse is at a revision that this
    version can't upgrade.
    """
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    url = sqlalchemy.make_url(admin_url).set(drivername="postgresql+psycopg")
    where = f"warehouse ({url.host}:{url.port}/{url.database})"
    engine = sqlalchemy.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(_ALEMBIC))
    script = ScriptDirectory.from_config(config)
    try:
        with explained(where), engine.begin() as connection:
            _driver_connection(connection).add_notice_handler(_log_warning)
            connection.exec_driver_sql(f"set local lock_timeout = '{_LONGEST_WAIT}'")
            # Two migrations at once take turns: the second waits at this name until the first has ended.
            connection.exec_driver_sql("create schema evbilling_migration")
            connection.exec_driver_sql("drop schema evbilling_migration")
            apply_files(connection, "access/roles.sql")
            connection.exec_driver_sql("set local role evbilling_owner")
            before = _current(connection)
            _require_known(before, script, where)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            apply_files(connection, *_repeatable("functions"), *_repeatable("views"), "access/grants.sql")
    finally:
        engine.dispose()
    applied = list(script.iterate_revisions("head", before or "base"))
    return [Path(revision.module.__file__ or revision.revision).stem for revision in reversed(applied)]


def newest_revision() -> str:
    """The number of the newest revision that this code brings, for example `0016`."""
    return max(path.name[:4] for path in (_ALEMBIC / "versions").glob("[0-9]*_*.py"))


def require_newest_schema(connection: psycopg.Connection[Any]) -> None:
    """Raise `NotReady` if the warehouse was never migrated, or to another revision than the newest."""
    is_migrated = select_value(connection, "select to_regclass('public.schema_version') is not null")
    found = select_value(connection, "select version_num from public.schema_version") if is_migrated else None
    if found != newest_revision():
        raise NotReady(
            f"its schema is at {found or 'nothing'}, this code needs {newest_revision()}",
            where="warehouse",
            fix="run `evbilling migrate`",
        )


def apply_files(connection: Connection, *names: str) -> None:
    """Execute files below `sql/`, each once, after the files that it names in lines `-- requires: folder/name.sql`."""
    driver_connection = _driver_connection(connection)
    done: set[str] = set()

    def apply(name: str) -> None:
        if name in done:
            return
        done.add(name)
        text = load_sql(name)
        for required in _REQUIRES.findall(text):
            apply(required)
        driver_connection.execute(text.encode())

    for name in names:
        apply(name)


def _driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    driver_connection: psycopg.Connection[Any] | None = connection.connection.driver_connection
    if driver_connection is None:
        raise RuntimeError("the connection is closed")
    return driver_connection


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":
        log.warning(notice.message_primary)


def _repeatable(folder: str) -> list[str]:
    return sorted(path.relative_to(SQL_ROOT).as_posix() for path in (SQL_ROOT / folder).rglob("*.sql"))


def _current(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": "public"}
    )
    return context.get_current_revision()


def _require_known(revision: str | None, script: ScriptDirectory, where: str) -> None:
    if revision is None or revision in {known.revision for known in script.walk_revisions()}:
        return
    if revision < BASELINE:
        raise NotReady(
            f"its schema is at revision {revision}; this version upgrades from {BASELINE} on",
            where=where,
            fix=f"migrate it with the last version that has sql/migrations/{BASELINE}_*.sql first",
        )
    raise NotReady(
        f"its schema is at revision {revision}, which this version doesn't know",
        where=where,
        fix="install the version of evbilling that migrated it, or a later one",
    )
