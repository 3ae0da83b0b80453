"""The platform's tables as files."""

from __future__ import annotations

from pathlib import Path

import psycopg

from evbilling.platform import TABLES


def as_files(platform_url: str, folder: Path) -> str:
    """The platform's five tables as CSV files; returns their folder."""
    folder.mkdir()
    with psycopg.connect(platform_url) as connection:
        connection.execute("set time zone 'UTC'")
        for table in TABLES:
            columns = ", ".join(table.column_names)
            query = f"copy (select {columns} from platform.{table.name}) to stdout (format csv, header)"
            with connection.cursor().copy(query.encode()) as copy, (folder / f"{table.name}.csv").open("wb") as file:
                for block in copy:
                    file.write(block)
    return str(folder)
