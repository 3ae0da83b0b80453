"""Archives a period: copies its decisions, reads them back, records them and, on request, drops them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow.compute as pc

from evbilling.archive.copy import copy_decisions
from evbilling.archive.record import ArchivedFile, Sums, as_json, is_dropped, record_archive
from evbilling.errors import BadInput, Mismatch
from evbilling.evidence import EvidenceStore
from evbilling.period import Period
from evbilling.progress import Progress
from evbilling.warehouse import connected, require_newest_schema, select_row, select_value

# The months that stay in the warehouse by default, the current one among them: a year, and the month to compare with.
KEEP_MONTHS = 13


@dataclass(frozen=True, slots=True)
class Archived:
    """The period's files, their totals, whether they were recorded now, and the rows dropped."""

    files: list[ArchivedFile]
    sums: Sums
    is_new: bool
    dropped: int = 0


def archive_period(
    owner_url: str, period: Period, store: EvidenceStore, *, actor: str, progress: Progress | None = None
) -> Archived:
    """Copy the period's decisions into files, read them back, and record them. The same again records nothing.

    `progress` counts the decisions.

    Raises `BadInput` if the login isn't the owner's, the period has no decisions or a file of the store was changed,
    `Mismatch` if the files don't hold what the table does.
    """
    name = str(period)
    with connected(owner_url, what="warehouse") as connection:
        _require_owner(connection)
        if is_dropped(connection, name):
            raise BadInput(
                f"the decisions of {name} were archived and dropped before",
                where="period",
                fix="nothing is left to do; billing.archived_period has the location of the files",
            )
    progress = progress or Progress()
    files, sums = copy_decisions(owner_url, name, store, progress)
    check_files(store, files, sums, progress)
    with connected(owner_url, what="warehouse") as connection:
        return Archived(files, sums, record_archive(connection, name, _place(store), files, sums, actor))


def drop_period(
    owner_url: str,
    period: Period,
    store: EvidenceStore,
    *,
    actor: str,
    today: date,
    keep_months: int = KEEP_MONTHS,
    progress: Progress | None = None,
) -> Archived:
    """Archive the period and drop its decisions from the warehouse, in one transaction.

    Raises `BadInput` as `archive_period` does, and if the period is among the last `keep_months` months, has an
    unfinished run, or changed while it was copied; then nothing is dropped.
    """
    _require_old(period, keep_months, today)
    archived = archive_period(owner_url, period, store, actor=actor, progress=progress)
    reason = f"archived in {len(archived.files)} files, {_place(store)}"
    with connected(owner_url, what="warehouse") as connection:
        drop = "select billing.drop_archived(%s, %s, %s, %s)"
        dropped = select_value(connection, drop, str(period), as_json(archived.files), actor, reason)
    return replace(archived, dropped=dropped)


def _require_old(period: Period, keep_months: int, today: date) -> None:
    """Raise `BadInput` if the period is among the `keep_months` months that end with today's."""
    if period.shifted(keep_months) > Period(today.year, today.month):
        youngest = Period(today.year, today.month).shifted(-keep_months)
        raise BadInput(
            f"{period} is among the {keep_months} months that stay in the warehouse",
            where="period",
            fix=f"drop {youngest} or older, or keep fewer with --keep-months",
        )


def check_files(
    store: EvidenceStore, files: Sequence[ArchivedFile], sums: Sums, progress: Progress | None = None
) -> None:
    """Read every file back.

    Raises `BadInput` if one has changed, `NotReady` if one is gone, `Mismatch` if they don't add up to `sums`.
    """
    rows, billed, price = 0, 0, Decimal(0)
    progress = progress or Progress()
    progress.begin("decisions read back", sums.decisions)
    for file in files:
        table = store.get_table(file.key, file.sha256, columns=["rule_id", "unit_price_minor"])
        rows += table.num_rows
        progress.advance(table.num_rows)
        billed += table.column("rule_id").null_count
        price += Decimal(pc.sum(table.column("unit_price_minor")).as_py() or 0)
    if (rows, billed, price) != (sums.decisions, sums.billed, sums.unit_price_minor):
        raise Mismatch(
            f"the files hold {rows:,} decisions, {billed:,} billed, at {price:,} minor units in all; the table holds"
            f" {sums.decisions:,}, {sums.billed:,} and {sums.unit_price_minor:,}",
            where=store.name,
            fix="archive again; nothing was recorded",
        )


def _place(store: EvidenceStore) -> str:
    return store.name.removeprefix("evidence store ")


def _require_owner(connection: psycopg.Connection[Any]) -> None:
    require_newest_schema(connection)
    query = "select has_function_privilege('billing.drop_archived(text, jsonb, text, text)', 'execute'), current_user"
    may_drop, user = select_row(connection, query)
    if not may_drop:
        raise BadInput(
            f"{user} may not archive", where="warehouse", fix="give --url a login that is its owner, as for migrate"
        )
