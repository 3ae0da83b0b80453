"""Is the warehouse at the schema that this code was written for?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from evbilling.errors import NotReady


def newest_revision() -> str:
    """The number of the newest revision that this code brings, for example `0016`."""
    return max(path.name[:4] for path in (Path(__file__).parent / "alembic" / "versions").glob("[0-9]*_*.py"))


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
