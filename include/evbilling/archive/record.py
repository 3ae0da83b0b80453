"""The record of archived periods, and whether a period's decisions are still in the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from evbilling.errors import BadInput
from evbilling.warehouse import select_value


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One file of an archive: its key in the store, the SHA-256 of its bytes, its rows."""

    key: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Sums:
    """The totals of a period's decisions; the digest is over whole rows, from `billing.decision_sums`."""

    decisions: int
    billed: int
    unit_price_minor: Decimal
    digest: Decimal


def record_archive(
    connection: psycopg.Connection[Any], period: str, store: str, files: Sequence[ArchivedFile], sums: Sums, actor: str
) -> bool:
    """Record where the period's decisions were copied to; False if the same was recorded before."""
    query = "select billing.record_archive(%s, %s, %s, %s, %s, %s, %s, %s)"
    totals = (sums.decisions, sums.billed, sums.unit_price_minor, sums.digest)
    return bool(select_value(connection, query, period, store, as_json(files), *totals, actor))


def as_json(files: Sequence[ArchivedFile]) -> Jsonb:
    """The files as the record has them."""
    return Jsonb([asdict(file) for file in files])


def is_dropped(connection: psycopg.Connection[Any], period: str) -> bool:
    """True if the period's decisions are only in files now."""
    query = "select exists (select from billing.archived_period where period = %s and dropped_at is not null)"
    return bool(select_value(connection, query, period))


def refuse_archived(connection: psycopg.Connection[Any], period: str) -> None:
    """Raise `BadInput` if the period's decisions are only in files: nothing new can be compared with them."""
    if is_dropped(connection, period):
        raise BadInput(
            f"{period} is archived: its decisions have left the warehouse, so it can't be billed or corrected anew",
            where="period",
            fix="correct it in a later period, or by hand (docs/runbooks/archiving.md)",
        )
