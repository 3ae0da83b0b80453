"""Copies a period's decisions into Parquet files, shard by shard, from one snapshot."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
from psycopg import sql

from evbilling.archive.record import ArchivedFile, Sums
from evbilling.errors import BadInput
from evbilling.evidence import EvidenceStore
from evbilling.progress import Progress
from evbilling.warehouse import compose, record_batches, snapshot

log = logging.getLogger(__name__)

# A file's rows are in memory together, about 100 bytes each. Slightly more than a shard usually has.
_FILE_ROWS = 1_200_000


def copy_decisions(url: str, period: str, store: EvidenceStore, progress: Progress) -> tuple[list[ArchivedFile], Sums]:
    """Store the decisions of `period` as files below `<period>/archive`; returns the files and the totals of the table.

    The same decisions give the same files. Raises `BadInput` if the warehouse has none of the period.
    """
    files = []
    with snapshot(url, what="warehouse") as cursor:
        shards, sums = _shards(cursor, period), _sums(cursor, period)
        progress.begin("decisions copied", sums.decisions)
        for number, shard in enumerate(shards):
            for piece, table in enumerate(_pieces(_rows(cursor, shard))):
                stored = store.put_table(f"{period}/archive", f"decisions-{number:03d}-{piece:02d}", table)
                files.append(ArchivedFile(stored.key, stored.sha256, table.num_rows))
                progress.advance(table.num_rows)
                log.info("%s: %s rows, %s bytes", stored.key, table.num_rows, stored.size)
        return files, sums


def _shards(cursor: Any, period: str) -> list[sql.Identifier]:
    """The tables that hold the period's decisions."""
    table = f"billing.connector_decision_{period.replace('-', '_')}"
    cursor.execute(_query("shards", table=table))
    names = [name for (name,) in cursor.fetchall()]
    if not names:
        raise BadInput(f"there are no decisions of {period}", where=f"warehouse ({table})", fix="name a billed period")
    return [sql.Identifier("billing", name) for name in names]


def _rows(cursor: Any, shard: sql.Identifier) -> Iterator[pa.RecordBatch]:
    cursor.execute(_query("decisions", shard=shard))
    yield from record_batches(cursor)


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows as tables of at most `_FILE_ROWS`."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        rest = batch
        while rest.num_rows:
            room = _FILE_ROWS - sum(b.num_rows for b in waiting)
            waiting.append(rest.slice(0, room))
            rest = rest.slice(room)
            if sum(b.num_rows for b in waiting) == _FILE_ROWS:
                yield pa.Table.from_batches(waiting)
                waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _sums(cursor: Any, period: str) -> Sums:
    cursor.execute(_query("sums", period=period))
    decisions, billed, price, digest = cursor.fetchone()
    return Sums(decisions, billed, Decimal(price), Decimal(digest))


def _query(name: str, **params: object) -> str:
    return compose(f"archive/{name}", **params).as_string(None)
