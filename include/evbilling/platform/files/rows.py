"""The rules a row must keep to be loadable; what it *means* is judged when it is billed."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.contract import Column, Table
from evbilling.platform.files.values import ARROW_TYPES, EXPECTED, TIMESTAMP, parse, within_calendar


@dataclass(frozen=True, slots=True)
class Fault:
    """One value that breaks a rule: its row in the batch (from 0), its column and the reason."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch in contract types (rows as given), the first faults in it, and how many there are."""

    batch: pa.RecordBatch
    faults: tuple[Fault, ...] = ()
    fault_count: int = 0


def arrow_schema(table: Table) -> pa.Schema:
    """The arrow schema of `table` in contract order."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in table.columns])


def check_rows(table: Table, batch: pa.RecordBatch, limit: int) -> Checked:
    """`batch`, which has all columns of `table` as text or already typed, checked and in contract types.

    At most `limit` faults a rule and column are described, in the order of the rows; all are counted.
    """
    faults: list[Fault] = []
    count = 0
    typed: list[pa.Array] = []
    for column in table.columns:
        given = batch.column(column.name)
        values, unread = convert(column, given)
        typed.append(values)
        absent = _absent(column, values, unread)
        if unread is not None:
            count += pc.sum(unread).as_py()
            faults += (
                Fault(row, column.name, f"{_quoted(given[row])} {EXPECTED[column.type]}")
                for row in _first(unread, limit)
            )
        if absent is not None:
            count += pc.sum(absent).as_py()
            faults += (Fault(row, column.name, "is empty, but is required") for row in _first(absent, limit))
    result = pa.record_batch(typed, schema=arrow_schema(table))
    backwards = _backwards(result)
    if backwards is not None:
        count += pc.sum(backwards).as_py()
        faults += (Fault(row, "valid_to", _span(result, row)) for row in _first(backwards, limit))
    faults.sort(key=lambda fault: fault.row)
    return Checked(result, tuple(faults), count)


def convert(column: Column, given: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """`given` in the column's contract type, and the mask of values that have none (None: all have)."""
    if pa.types.is_string(given.type):
        return parse(column.type, given)
    if column.type == "timestamp":
        return within_calendar(given.cast(TIMESTAMP, safe=False), given)
    if column.type in {"integer", "amount"}:
        # As text and back: one rule for range and decimals, whatever the width of the file's own type.
        return parse(column.type, given.cast(pa.string()))
    return given.cast(ARROW_TYPES[column.type]), None


def _absent(column: Column, values: pa.Array, unread: pa.Array | None) -> pa.Array | None:
    if not column.required or values.null_count == 0:
        return None
    absent = pc.is_null(values)
    if unread is not None:
        absent = pc.and_(absent, pc.invert(unread))
    return absent if pc.any(absent).as_py() else None


def _backwards(batch: pa.RecordBatch) -> pa.Array | None:
    if "valid_to" not in batch.schema.names or batch.column("valid_to").null_count == batch.num_rows:
        return None
    mask = pc.fill_null(pc.less_equal(batch.column("valid_to"), batch.column("valid_from")), False)
    return mask if pc.any(mask).as_py() else None


def _span(batch: pa.RecordBatch, row: int) -> str:
    start, end = batch.column("valid_from")[row].as_py(), batch.column("valid_to")[row].as_py()
    return f"{end:%Y-%m-%dT%H:%M:%SZ} is not after valid_from, {start:%Y-%m-%dT%H:%M:%SZ}"


def _first(mask: pa.Array, limit: int) -> list[int]:
    rows: list[int] = pc.indices_nonzero(mask).slice(0, limit).to_pylist()
    return rows


def _quoted(value: pa.Scalar) -> str:
    text = str(value.as_py())
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
