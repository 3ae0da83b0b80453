"""The staging tables of a run of account statements: the owner's functions make, fill and drop them."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from evbilling.errors import NotReady
from evbilling.warehouse import query
from evbilling.warehouse.runs import Run

_PARTS = ("item", "withheld", "charge", "candidate", "counted", "judged", "figure")


def staging_tables(run_id: int) -> dict[str, sql.Identifier]:
    """The staging tables of a run as query parts: account_run_12, account_run_12_item, …"""
    account = f"account_run_{run_id}"
    return {
        "account": sql.Identifier("staging", account),
        **{part: sql.Identifier("staging", f"{account}_{part}") for part in _PARTS},
    }


def fetch_staged(connection: psycopg.Connection[Any], name: str, run_id: int) -> list[tuple[Any, ...]]:
    """The rows of a query on a run's staging tables."""
    return query.fetch_all(connection, f"account_statements/{name}", **staging_tables(run_id))


def drop_stage(connection: psycopg.Connection[Any], run_id: int) -> None:
    """Drop the staging tables of a run, and its copies of files."""
    connection.execute("select billing.drop_stage(%s)", (run_id,))


def sweep_stages(connection: psycopg.Connection[Any], run_id: int) -> None:
    """Drop the staging tables of other runs that nobody comes back for, unless somebody works on them."""
    connection.execute("select billing.sweep_stages(%s)", (run_id,))


def set_work_mem(connection: psycopg.Connection[Any]) -> None:
    """Give this transaction enough memory to join and add up a large month without spilling to disk."""
    connection.execute("set local work_mem = '128MB'")


def export_snapshot(connection: psycopg.Connection[Any]) -> str:
    """The id of this transaction's snapshot; other sessions can use it until the transaction ends."""
    return str(query.select_value(connection, "select pg_export_snapshot()"))


def use_snapshot(connection: psycopg.Connection[Any], snapshot: str) -> None:
    """Read with another session's snapshot; must be the first statement of this transaction."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute(sql.SQL("set transaction snapshot {}").format(snapshot))


def require_stage(connection: psycopg.Connection[Any], run: Run) -> None:
    """Raise `NotReady` unless the run's staging tables are complete: not dropped, not emptied by a crash."""
    again = "clear the task assemble too"
    # The item table is created last, so its existence means that staging is complete.
    item = f"staging.account_run_{run.run_id}_item"
    if not query.select_value(connection, "select to_regclass(%s) is not null", item):
        raise NotReady(f"the account statements of run {run.run_id} are not staged", fix=again)
    candidates = sql.SQL("select count(*) from {candidate}").format(**staging_tables(run.run_id))
    if query.select_value(connection, candidates) != run.facts["candidates"]:
        raise NotReady(f"the staging tables of run {run.run_id} were emptied by a crash of the database", fix=again)
