"""Is the warehouse at the schema that this code was written for?"""

from __future__ import annotations

from typing import Any

import psycopg

from evbilling.errors import NotReady
from evbilling.warehouse.query import SQL_ROOT


def newest_revision() -> str:
    """The number of the newest migration that lies in the sources, for example `0002`."""
    return max(path.name[:4] for path in (SQL_ROOT / "migrations").glob("[0-9][0-9][0-9][0-9]_*.sql"))


def require_newest_schema(connection: psycopg.Connection[Any]) -> None:
    """Raise `NotReady` if the warehouse was never migrated, or to another revision than the newest."""
    present = connection.execute("select to_regclass('public.schema_version') is not null").fetchone()
    found = (
        connection.execute("select version_num from public.schema_version").fetchone()
        if present and present[0]
        else None
    )
    if found is None or found[0] != newest_revision():
        raise NotReady(
            f"its schema is at {found[0] if found else 'nothing'}, this code needs {newest_revision()}",
            where="warehouse",
            fix="run `evbilling migrate`",
        )
