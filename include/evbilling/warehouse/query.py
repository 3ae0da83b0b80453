"""Runs the SQL files: every statement of three lines or more is in one, named after what it returns or does.

`sql/queries/<package>/<name>.sql` only reads, `sql/scripts/<package>/<name>.sql` writes or creates tables; <package> is
the Python package (or root module) that runs it. Functions here take the name as `<package>/<name>`. In every file

- `%(name)s` is a value. Postgres binds it; where it can't (COPY, another driver), it becomes a quoted literal.
- `{name}` is a table, a column or another part of the statement, passed as a psycopg `sql.Composable`.
- `%%`, `{{` and `}}` are the characters themselves.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from evbilling.errors import NotReady

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_PACKAGE = Path(__file__).resolve().parents[1]
# The wheel has the folder within the package; a checkout has it beside `include/`.
SQL_ROOT = next((folder for folder in (_PACKAGE / "sql", _PACKAGE.parents[1] / "sql") if folder.is_dir()), _PACKAGE)

# Rows per block of CSV: large enough to be quick, small enough to keep memory flat.
_BLOCK_ROWS = 65_536
_VALUE = re.compile(r"%\((\w+)\)s|%%")

Connection = psycopg.Connection[Any]
Row = tuple[Any, ...]
T = TypeVar("T")


@cache
def load_sql(path: str) -> str:
    """The text of `sql/<path>`, such as `queries/payments/debts.sql`; raises `NotReady` if there is none."""
    try:
        return (SQL_ROOT / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotReady(
            f"there is no SQL file {path}",
            where=str(SQL_ROOT),
            fix="install evbilling again: its wheel brings the SQL",
        ) from None


# Reading -------------------------------------------------------------------------------------------------------------


def fetch_all(connection: Connection, name: str, /, **params: object) -> list[Row]:
    """All rows of a query, as tuples."""
    return _execute(connection.cursor(), "queries", name, params).fetchall()


def fetch_one(connection: Connection, name: str, /, **params: object) -> Row:
    """The only row of a query that always has one, as a tuple."""
    (row,) = fetch_all(connection, name, **params)
    return row


def fetch_value(connection: Connection, name: str, /, **params: object) -> Any:
    """The first column of a query's first row; None if it has no row."""
    row = _execute(connection.cursor(), "queries", name, params).fetchone()
    return None if row is None else row[0]


def fetch_dicts(connection: Connection, name: str, /, **params: object) -> list[dict[str, Any]]:
    """All rows of a query, as dictionaries by column name."""
    return _execute(connection.cursor(row_factory=dict_row), "queries", name, params).fetchall()


def fetch_as(connection: Connection, row: type[T], name: str, /, **params: object) -> list[T]:
    """All rows of a query as objects of class `row`, whose fields are named like the columns."""
    return _execute(connection.cursor(row_factory=class_row(row)), "queries", name, params).fetchall()


def select_row(connection: Connection, query: LiteralString | sql.Composed, *values: object) -> Row:
    """The only row of a query of one line that always has one, such as a call of an owner's function."""
    row: Row
    (row,) = connection.execute(query, values).fetchall()
    return row


def select_value(connection: Connection, query: LiteralString | sql.Composed, *values: object) -> Any:
    """The first column of the first row of a query of one line; None if it has no row."""
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]


def fetch_frame(
    connection: Connection, name: str, types: Mapping[str, pa.DataType], /, **params: object
) -> pd.DataFrame:
    """As `fetch_table`, as a frame. A null text is missing (NaN). A number column with nulls turns into floats."""
    frame: pd.DataFrame = fetch_table(connection, name, types, **params).to_pandas()
    return frame


def fetch_table(connection: Connection, name: str, types: Mapping[str, pa.DataType], /, **params: object) -> pa.Table:
    """The rows of a query of a hundred thousand rows and more, by COPY. `types` names the columns that aren't text."""
    import pyarrow as pa
    from pyarrow import csv

    block = io.BytesIO()
    statement = sql.SQL("copy (\n{}\n) to stdout (format csv, header)").format(compose(name, **params))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for part in copy:
            block.write(part)
    # Types are given, never guessed: an account's id may look like a number.
    names = block.getvalue().split(b"\n", 1)[0].decode().split(",")
    options = csv.ConvertOptions(
        column_types={column: types.get(column, pa.string()) for column in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    block.seek(0)
    return csv.read_csv(block, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=options)


def compose(name: str, /, **params: object) -> sql.Composed:
    """A query with its values filled in as literals: for COPY, for cursors on the server and for other drivers.

    Literals also let the planner leave out partitions. `.as_string(None)` is the text.
    """
    text = _VALUE.sub(lambda found: f"{{{found[1]}}}" if found[1] else "%", _text("queries", name))
    return sql.SQL(text).format(**params)


# Writing -------------------------------------------------------------------------------------------------------------


def execute(connection: Connection, name: str, /, **params: object) -> psycopg.Cursor[Row]:
    """Run a script of one statement; the cursor has the rows that it returns, and how many it changed."""
    return _execute(connection.cursor(), "scripts", name, params)


def execute_many(connection: Connection, name: str, rows: Iterable[Mapping[str, object]], /) -> None:
    """Run a script of one statement for each of a few rows of values."""
    with connection.cursor() as cursor:
        cursor.executemany(_text("scripts", name).encode(), rows)


def copy_frame(
    connection: Connection, table: sql.Identifier, frame: pd.DataFrame | pa.Table, *, frozen: bool = False
) -> int:
    """COPY a frame into the columns of the same names; returns the number of rows. Missing values become null.

    `frozen` rows are quicker to index and read; the table must have been created in this transaction.
    """
    import pyarrow as pa
    from pyarrow import csv

    arrow = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    statement = sql.SQL("copy {} ({}) from stdin ({})").format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, arrow.column_names)),
        sql.SQL("format csv, freeze" if frozen else "format csv"),
    )
    plain = pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in arrow.schema])
    options = csv.WriteOptions(include_header=False)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in arrow.to_batches(max_chunksize=_BLOCK_ROWS):
            block = io.BytesIO()
            csv.write_csv(pa.Table.from_batches([batch]).cast(plain), block, options)
            copy.write(block.getbuffer())
    return int(arrow.num_rows)


# Placeholders --------------------------------------------------------------------------------------------------------


def _execute(cursor: psycopg.Cursor[T], folder: str, name: str, params: Mapping[str, object]) -> psycopg.Cursor[T]:
    parts: dict[str, sql.SQL] = {}
    for key, value in params.items():
        if isinstance(value, sql.Composable):
            parts[key] = sql.SQL(value.as_string(cursor).replace("%", "%%"))
    query = sql.SQL(_text(folder, name)).format(**parts)
    return cursor.execute(query, {key: params[key] for key in params.keys() - parts.keys()})


def _text(folder: str, name: str) -> str:
    return load_sql(f"{folder}/{name}.sql").rstrip().removesuffix(";")
