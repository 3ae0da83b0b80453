"""The staging tables of a run of account statements: made, filled by named queries, dropped."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from evbilling.errors import NotReady
from evbilling.warehouse import query
from evbilling.warehouse.runs import Run

# What a person would look for in schema staging: account_run_12 and its parts. The owner's function publishes the
# accounts, items and withheld accounts.
_PARTS = {
    "account": "",
    "item": "_item",
    "withheld": "_withheld",
    "charge": "_charge",
    "candidate": "_candidate",
    "counted": "_counted",
    "judged": "_judged",
    "figure": "_figure",
    "repeated": "_repeated",
    "since": "_since",
}


def relations(run_id: int) -> dict[str, sql.Identifier]:
    """The staging tables of a run by what lies in them, as query parts."""
    return {part: sql.Identifier("staging", f"account_run_{run_id}{suffix}") for part, suffix in _PARTS.items()}


def run_script(connection: psycopg.Connection[Any], name: str, run_id: int, **values: object) -> None:
    """Run a script on a run's staging tables."""
    query.run_script(connection, f"account_statements/{name}", **relations(run_id), **values)


def fetch_staged(connection: psycopg.Connection[Any], name: str, run_id: int) -> list[tuple[Any, ...]]:
    """The rows of a query on a run's staging tables."""
    return query.fetch_all(connection, f"account_statements/{name}", **relations(run_id))


def drop_stage(connection: psycopg.Connection[Any], *run_ids: int) -> None:
    """Drop what these runs left in staging, with their copies of files."""
    # One at a time: runs of one period drop the same abandoned tables.
    connection.execute("select pg_advisory_xact_lock(hashtext('evbilling stage'))")
    for run_id in run_ids:
        tables = sql.SQL(", ").join(relations(run_id).values())
        connection.execute(sql.SQL("drop table if exists {}").format(tables))
        connection.execute("select billing.drop_stage(%s)", (run_id,))


def give_room(connection: psycopg.Connection[Any]) -> None:
    """For this transaction: memory enough to join and sum up a large operator's month without spilling to disk."""
    connection.execute("set local work_mem = '128MB'")


def moment(connection: psycopg.Connection[Any]) -> str:
    """The moment of the record that this transaction sees, for other sessions to share while it lasts."""
    row = connection.execute("select pg_export_snapshot()").fetchone()
    return str(row[0]) if row else ""


def share(connection: psycopg.Connection[Any], moment: str) -> None:
    """See the record as another session's transaction does; must come first in this one."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute(sql.SQL("set transaction snapshot {}").format(moment))


def require_stage(connection: psycopg.Connection[Any], run: Run) -> None:
    """Raise `NotReady` unless the run's statements lie assembled, not yet dropped, and no crash has emptied them."""
    again = "clear the task assemble too"
    # This table appears with all that its transaction staged, after what other sessions staged beside it.
    item = f"staging.account_run_{run.run_id}_item"
    row = connection.execute("select to_regclass(%s) is not null", (item,)).fetchone()
    if not (row and row[0]):
        raise NotReady(f"the account statements of run {run.run_id} are not staged", fix=again)
    candidates = connection.execute(
        sql.SQL("select count(*) from {candidate}").format(**relations(run.run_id))
    ).fetchone()
    if candidates != (run.facts["candidates"],):
        raise NotReady(f"what run {run.run_id} has staged was lost in a crash of the database", fix=again)
