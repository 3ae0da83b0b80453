"""Named SQL files on a real server: values are bound or literals, parts are composed, frames go by COPY."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from evbilling.warehouse import query

AWKWARD = "O'Neil 100% {n} %(n)s \\ \n\"\tß"
TABLE = sql.Identifier("pg_temp", "a % {n}")
FILES = {
    "queries/a/row.sql": "select %(text)s::text as text, {part} as part, 'x%%' as percent, '{{}}'::text[] as empty;\n",
    "queries/a/none.sql": "select 1 where false",
    "queries/a/table.sql": "select * from {table} where text is distinct from %(not)s order by number;",
    "scripts/a/row.sql": "insert into {table} (text, number) values (%(text)s, %(number)s) returning number",
    "scripts/a/rows.sql": "insert into pg_temp.many values (%(number)s, '%%')",
}


@dataclass(frozen=True, slots=True)
class Found:
    text: str
    part: str
    percent: str
    empty: list[str]


@pytest.fixture
def connection(platform_db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    monkeypatch.setattr(query, "load_sql", FILES.__getitem__)
    with psycopg.connect(platform_db) as connection:
        yield connection


def test_rows_come_as_they_are_asked_for(connection: psycopg.Connection[Any]) -> None:
    asked = {"text": AWKWARD, "part": sql.Literal(AWKWARD)}
    row = (AWKWARD, AWKWARD, "x%", [])
    assert query.fetch_all(connection, "a/row", **asked) == [row]
    assert query.fetch_one(connection, "a/row", **asked) == row
    assert query.fetch_value(connection, "a/row", **asked) == AWKWARD
    assert query.fetch_dicts(connection, "a/row", **asked) == [dict(zip(Found.__slots__, row, strict=True))]
    assert query.fetch_as(connection, Found, "a/row", **asked) == [Found(*row)]
    assert connection.execute(query.compose("a/row", **asked)).fetchall() == [row]
    assert query.fetch_value(connection, "a/none") is None


def test_scripts_write_and_frames_go_and_come_by_copy(connection: psycopg.Connection[Any]) -> None:
    columns = sql.SQL("(text text, number int, flag bool, at timestamptz)")
    connection.execute(sql.SQL("create temporary table {} {}").format(TABLE, columns))
    query.execute(connection, "a/row", table=TABLE, text=AWKWARD, number=1)
    assert query.execute(connection, "a/row", table=TABLE, text=None, number=2).fetchall() == [(2,)]
    at = datetime(2026, 11, 1, tzinfo=UTC)
    frame = pd.DataFrame({"number": [3, 4], "text": [",", ""], "flag": [True, None], "at": [at, None]})
    assert query.copy_frame(connection, TABLE, frame) == 2
    types = {"number": pa.int64(), "flag": pa.bool_(), "at": pa.timestamp("us", "UTC")}
    found = query.fetch_table(connection, "a/table", types, table=TABLE, **{"not": "%"})
    assert found.to_pylist() == [
        {"text": AWKWARD, "number": 1, "flag": None, "at": None},
        {"text": None, "number": 2, "flag": None, "at": None},
        {"text": ",", "number": 3, "flag": True, "at": at},
        {"text": "", "number": 4, "flag": None, "at": None},
    ]
    as_frame = query.fetch_frame(connection, "a/table", types, table=TABLE, **{"not": AWKWARD})
    assert as_frame["number"].tolist() == [2, 3, 4]
    assert as_frame["text"].isna().tolist() == [True, False, False]


def test_a_script_runs_for_each_of_several_rows(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create temporary table many (number int, text text)")
    query.execute_many(connection, "a/rows", [{"number": 1}, {"number": 2}])
    assert connection.execute("select * from many").fetchall() == [(1, "%"), (2, "%")]
