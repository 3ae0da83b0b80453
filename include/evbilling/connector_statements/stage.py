"""The staging tables of a run of connector statements: filled, and read back as they are."""

from __future__ import annotations

from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql

from evbilling.warehouse import copy_frame, fetch_table, fetch_value


def stage_name(run_id: int) -> str:
    """Name of a run's table of staged decisions, in schema staging."""
    return f"run_{run_id}"


def has_stage(connection: psycopg.Connection[Any], run_id: int, shards: int) -> bool:
    """True if all shards of the run are staged, and neither published nor dropped yet."""
    return bool(fetch_value(connection, "connector_statements/staged_shards", run_id=run_id) == shards)


def staged_counts(connection: psycopg.Connection[Any], run_id: int) -> pd.DataFrame:
    """A row per account, rule (`billed` for none), power type and price with its number of staged connectors."""
    types = {"unit_price_minor": pa.int64(), "connectors": pa.int64()}
    counts = fetch_table(connection, "connector_statements/staged_counts", types, **relations(run_id))
    frame: pd.DataFrame = counts.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.astype({"connectors": "int64"})


def fill_drafts(
    connection: psycopg.Connection[Any], run_id: int, statements: pd.DataFrame, unbilled: pd.DataFrame
) -> None:
    """Put the drafts of a run's statements and unbilled accounts into staging, instead of an earlier try's."""
    for suffix, frame in (("_statement", statements), ("_unbilled", unbilled)):
        table = sql.Identifier("staging", stage_name(run_id) + suffix)
        connection.execute(sql.SQL("delete from {}").format(table))
        copy_frame(connection, table, frame)


def relations(run_id: int) -> dict[str, sql.Identifier]:
    """The staging tables of a run as query parts: stage, draft."""
    return {
        "stage": sql.Identifier("staging", stage_name(run_id)),
        "draft": sql.Identifier("staging", stage_name(run_id) + "_statement"),
    }
