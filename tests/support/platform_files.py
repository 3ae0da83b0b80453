"""The platform's tables as files."""

from __future__ import annotations

from pathlib import Path

import psycopg

from evbilling.platform import TABLES
from evbilling.platform.files import open_tables
from evbilling.platform.files.checks import arrow_schema


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


def as_parquet(folder: str) -> str:
    """The CSV files of a folder turned into Parquet files, in place; returns the folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, file in open_tables(folder).items():
        batches = list(file.batches())
        schema = batches[0].schema if batches else arrow_schema(file.table)
        pq.write_table(pa.Table.from_batches(batches, schema=schema), Path(folder) / f"{name}.parquet")
        (Path(folder) / f"{name}.csv").unlink()
    return folder
