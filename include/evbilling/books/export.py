"""Exports of the journal: what is left of the ledger, as files that are kept, each posting once.

The files are stored before the export is recorded. Cut off in between, they are files that nothing names, and the next
export has the same postings. Postings never change, so what was read to make the files is what is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import psycopg

from evbilling.books.chart import Chart, parse_chart
from evbilling.books.formats import FORMATS, Batch
from evbilling.books.posting import Posting
from evbilling.books.store import chart_in_force
from evbilling.errors import BadInput, NotReady
from evbilling.evidence import EvidenceStore
from evbilling.money import from_minor, minor_unit
from evbilling.period import Period
from evbilling.typed_text import require_text
from evbilling.warehouse import connected, fetch_all, fetch_as, fetch_dicts, read_clock, select_value

_FOLDER = "journal"


@dataclass(frozen=True, slots=True)
class Sum:
    """Postings between two accounts of the ledger in one currency: how many, their sum, the first and last day."""

    currency: str
    debit_account: str
    credit_account: str
    postings: int
    amount: Decimal
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Left:
    """What an export of `period` would have: all that was posted before `before` and is in none yet."""

    period: Period
    before: datetime
    time_zone: str
    is_over: bool
    sums: Sequence[Sum]

    @property
    def postings(self) -> int:
        """How many postings it would have."""
        return sum(one.postings for one in self.sums)

    @property
    def by_account(self) -> list[tuple[str, str, Decimal, Decimal]]:
        """Currency, account, debits and credits, in this order."""
        sides: dict[tuple[str, str], list[Decimal]] = {}
        for one in self.sums:
            nothing = Decimal(0).quantize(one.amount)
            sides.setdefault((one.currency, one.debit_account), [nothing, nothing])[0] += one.amount
            sides.setdefault((one.currency, one.credit_account), [nothing, nothing])[1] += one.amount
        return [(*key, debits, credits_) for key, (debits, credits_) in sorted(sides.items())]


@dataclass(frozen=True, slots=True)
class File:
    """A file of an export: its key in the evidence store, the SHA-256 of its bytes, and their number."""

    format: str
    name: str
    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Export:
    """An export on record. `chart_id` None: by the default chart."""

    export_id: int
    period: str
    booked_before: datetime
    postings: int
    chart_id: int | None
    made_at: datetime
    made_by: str
    reason: str
    files: tuple[File, ...]

    def file(self, name: str) -> File | None:
        """Its file in a format."""
        return next((one for one in self.files if one.format == name), None)


def left_to_export(connection: psycopg.Connection[Any], period: Period) -> Left:
    """What an export of the period would have now; raises `BadInput` for a month that hasn't begun."""
    chart = parse_chart(chart_in_force(connection)[1])
    before, is_over = _booked_before(connection, period, chart)
    rows = fetch_all(connection, "books/sums", before=before, time_zone=chart.time_zone)
    sums = [
        Sum(currency, debit, credit, count, from_minor(minor, minor_unit(currency) or 0), first, last)
        for currency, debit, credit, count, minor, first, last in rows
    ]
    return Left(period, before, chart.time_zone, is_over, sums)


def export_journal(
    warehouse_url: str, store: EvidenceStore, period: Period, *, actor: str, reason: str
) -> Export | None:
    """Export what is left of the period and of what came before it, in every format; None if nothing is left.

    Raises `BadInput`, and records nothing: without who and why, for a month that hasn't begun, for an account that the
    chart doesn't have, and if another export has taken the postings meanwhile.
    """
    if not actor.strip():
        raise BadInput("an export is recorded with who and why", fix="say who makes it")
    require_text("reason", reason, "journal", missing="say why it is made")
    with connected(warehouse_url, what="warehouse") as connection:
        chart_id, text = chart_in_force(connection)
        chart = parse_chart(text)
        before, _ = _booked_before(connection, period, chart)
        made_at = read_clock(connection)
        postings = fetch_as(connection, Posting, "books/postings", before=before, time_zone=chart.time_zone)
    if not postings:
        return None
    files = _store(store, Batch(str(period), made_at, postings, chart))
    with connected(warehouse_url, what="warehouse") as connection:
        export_id = select_value(
            connection,
            "select billing.record_journal_export(%s, %s, %s, %s::text::int8multirange, %s, %s, %s, %s)",
            str(period),
            before,
            chart_id,
            _ranges([one.transfer_id for one in postings]),
            json.dumps([asdict(file) for file in files]),
            made_at,
            actor,
            reason.strip(),
        )
        return one_export(connection, export_id)


def exports(connection: psycopg.Connection[Any], *, below: int | None = None, most: int = 50) -> list[Export]:
    """Exports on record, the newest first, with a number below `below`."""
    return _read(connection, export_id=None, below=below, most=most)


def one_export(connection: psycopg.Connection[Any], export_id: int) -> Export:
    """The export of this number; raises `NotReady` if there is none."""
    found = _read(connection, export_id=export_id, below=None, most=1)
    if not found:
        raise NotReady(f"there is no export {export_id}", where="journal", fix="see evbilling journal list")
    return found[0]


def stored_file(store: EvidenceStore, export: Export, format_name: str) -> tuple[File, bytes]:
    """The file of an export in a format, as it was made, and its bytes; their hash is checked."""
    file = export.file(format_name)
    if file is None:
        raise NotReady(
            f"export {export.export_id} has no file in the format {format_name}",
            where="journal",
            fix=f"it has {', '.join(one.format for one in export.files)}",
        )
    return file, store.get_bytes(file.key, file.sha256)


def _booked_before(connection: psycopg.Connection[Any], period: Period, chart: Chart) -> tuple[datetime, bool]:
    now = read_clock(connection)
    if period.count_instant(chart.time_zone) > now:
        raise BadInput(f"{period} hasn't begun", where="journal", fix="give a month that has")
    end = period.shifted(1).count_instant(chart.time_zone)
    return min(end, now), end <= now


def _store(store: EvidenceStore, batch: Batch) -> list[File]:
    files = []
    for name, format_ in FORMATS.items():
        if name == "datev" and batch.chart.datev is None:
            continue
        stored = store.put_bytes(_FOLDER, format_.suffix.rpartition(".")[2], format_.render(batch))
        file_name = f"journal-{batch.period}-{batch.postings[0].transfer_id}.{format_.suffix}"
        files.append(File(name, file_name, stored.key, stored.sha256, stored.size))
    return files


def _ranges(ids: Sequence[int]) -> str:
    """The ids, which ascend, as the text of an int8multirange."""
    runs = []
    for _, run in groupby(enumerate(ids), key=lambda item: item[1] - item[0]):
        found = [number for _, number in run]
        runs.append(f"[{found[0]},{found[-1]}]")
    return f"{{{','.join(runs)}}}"


def _read(connection: psycopg.Connection[Any], **values: Any) -> list[Export]:
    rows = fetch_dicts(connection, "books/exports", **values)
    return [Export(**{**row, "files": tuple(File(**file) for file in row["files"])}) for row in rows]
