"""Runs a SQL file as it stands on a SQLAlchemy connection, in its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evbilling.warehouse.query import load_sql

if TYPE_CHECKING:
    from sqlalchemy import Connection


def run_script(connection: Connection, name: str) -> None:
    """Execute `sql/<name>`, all its statements, without looking for placeholders in it."""
    driver_connection = connection.connection.driver_connection
    if driver_connection is None:
        raise RuntimeError("the connection is closed")
    driver_connection.execute(load_sql(name).encode())
