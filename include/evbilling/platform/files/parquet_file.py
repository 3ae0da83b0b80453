"""One Parquet file of the contract. It has no lines, so problems name the row, counted from 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evbilling.platform.accepted import ACCEPTED
from evbilling.platform.contract import Table
from evbilling.platform.files.checks import check_names, check_rows
from evbilling.problems import Problem, Problems

_ROWS = 65_536
# What Arrow raises for a file that isn't as it should be; a name that isn't UTF-8 is Python's error.
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file named `name` in messages; `open_bytes` gives a seekable file."""

    name: str
    table: Table
    open_bytes: Callable[[], IO[bytes]]

    def ignored_columns(self) -> tuple[str, ...]:
        """The file's columns that the contract doesn't know."""
        with self.open_bytes() as source:
            _, names = self._open(source)
        return tuple(name for name in names if name not in self.table.column_names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in contract types, in order; raises `BadInput` with every problem at the end."""
        with self.open_bytes() as source:
            parquet, names = self._open(source)
            self._check_columns(names, parquet.schema_arrow)
            there = [name for name in self.table.column_names if name in names]
            problems = Problems()
            rows = 0
            try:
                self._check_old_times(source, parquet)
                for batch in parquet.iter_batches(_ROWS, columns=there):
                    checked = check_rows(self.table, self._plain(batch), "Parquet")
                    problems.add_many(
                        (
                            Problem(self.name, fault.reason, f"row {1 + rows + fault.row}", fault.column)
                            for fault in checked.faults
                        ),
                        checked.fault_count,
                    )
                    rows += batch.num_rows
                    if not problems.count:
                        yield checked.batch
                if rows != parquet.metadata.num_rows:
                    reason = f"is damaged: it has {rows} rows where its footer says {parquet.metadata.num_rows}"
                    problems.add(Problem(self.name, reason))
            except _DAMAGE as error:
                problems.add(Problem(self.name, _explained(error, "is damaged, or in a form that Arrow can't read")))
            problems.raise_any()

    def _check_old_times(self, source: IO[bytes], parquet: Any) -> None:
        """Raise `BadInput` if a time in INT96 is beyond what Arrow can hold in microseconds: it wraps them silently."""
        leaves = map(parquet.schema.column, range(len(parquet.schema)))
        names = [leaf.name for leaf in leaves if leaf.physical_type == "INT96" and leaf.path in self.table.column_names]
        if not names:
            return
        problems = Problems()
        rows = 0
        seconds = _opened(source, "s")  # which nothing in INT96 exceeds
        for exact, known in zip(*(file.iter_batches(_ROWS, columns=names) for file in (parquet, seconds)), strict=True):
            for name in names:
                found = pc.floor_temporal(exact.column(name), unit="second").cast(pa.timestamp("s"))
                wrapped = pc.indices_nonzero(pc.not_equal(found, known.column(name)))
                reason = f"is beyond the years 1 to 9999; {ACCEPTED['timestamp']['Parquet'].fix}"
                located = (Problem(self.name, reason, f"row {1 + rows + row}", name) for row in wrapped.to_pylist())
                problems.add_many(located, len(wrapped))
            rows += exact.num_rows
        problems.raise_any()

    def _open(self, source: IO[bytes]) -> tuple[Any, list[str]]:
        """The open file, and the names of its columns."""
        try:
            parquet = _opened(source, "us")
            names = parquet.schema_arrow.names
        except _DAMAGE as error:
            problems = Problems()
            problems.add(Problem(self.name, _explained(error, "is not a Parquet file")))
            raise problems.error() from None
        return parquet, names

    def _check_columns(self, names: list[str], schema: pa.Schema) -> None:
        problems = Problems()
        for name, reason in check_names(self.table, names):
            problems.add(Problem(self.name, reason, column=name))
        for column in self.table.columns:
            if names.count(column.name) == 1:
                found = schema.field(column.name).type
                if _type_name(found) not in ACCEPTED[column.type]["Parquet"].types:
                    reason = f"is of type {found}; {ACCEPTED[column.type]['Parquet'].fix}"
                    problems.add(Problem(self.name, reason, column=column.name))
        problems.raise_any()

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with all columns, its texts as the bytes that they are in the file."""
        nothing = pa.nulls(batch.num_rows, pa.binary())
        names = self.table.column_names
        return pa.record_batch(
            [_plain_array(batch.column(name)) if name in batch.schema.names else nothing for name in names],
            names=list(names),
        )


def _opened(source: IO[bytes], int96_unit: str) -> Any:
    return pq.ParquetFile(source, coerce_int96_timestamp_unit=int96_unit, page_checksum_verification=True)


def _explained(error: Exception, what: str) -> str:
    if "ncrypt" in str(error) or "ecrypt" in str(error):
        return f"is encrypted: {error}; write it without encryption"
    return f"{what}: {error}"


def _type_name(found: pa.DataType) -> str:
    """The type as the declaration of what is accepted calls it."""
    types = pa.types
    if types.is_dictionary(found):
        return _type_name(found.value_type)
    if types.is_decimal(found):
        return "decimal(n,0)" if found.scale == 0 else "decimal"
    if types.is_timestamp(found):
        return "timestamp"
    return "uuid" if found == pa.uuid() else str(found)


def _plain_array(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type == pa.uuid():
        return _uuid_texts(values.storage)
    kind = _type_name(values.type)
    # Nobody has checked yet that texts are UTF-8.
    return values.cast(pa.binary()) if kind in _TEXT_TYPES else values


_TEXT_TYPES = ("binary", "string", "large_string", "string_view", "large_binary", "binary_view", "null")


def _uuid_texts(values: pa.Array) -> pa.Array:
    plain = pc.fill_null(values, bytes(16))
    start = plain.offset * 16
    digits = plain.buffers()[1].to_pybytes()[start : start + len(plain) * 16].hex()
    texts = pa.array(np.frombuffer(digits.encode(), "S32")).cast(pa.string())
    parts = [pc.utf8_slice_codeunits(texts, *place) for place in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))]
    return pc.if_else(pc.is_valid(values), pc.binary_join_element_wise(*parts, "-"), None)
