"""One Parquet file of the contract. It has no lines, so problems name the row, counted from 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from evbilling.platform.accepted import ACCEPTED
from evbilling.platform.contract import Column, Table
from evbilling.platform.files.checks import check_rows
from evbilling.problems import Problem, Problems

_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file named `name` in messages; `open_bytes` gives a seekable file."""

    name: str
    table: Table
    open_bytes: Callable[[], IO[bytes]]

    def ignored_columns(self) -> tuple[str, ...]:
        """The file's columns that the contract doesn't know."""
        with self.open_bytes() as source:
            names = self._open(source).schema_arrow.names
        return tuple(name for name in names if name not in self.table.column_names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in contract types, in order; raises `BadInput` with every problem at the end."""
        with self.open_bytes() as source:
            parquet = self._open(source)
            self._check_columns(parquet.schema_arrow)
            problems = Problems()
            start = 1
            there = [name for name in self.table.column_names if name in parquet.schema_arrow.names]
            try:
                for batch in parquet.iter_batches(_ROWS, columns=there):
                    checked = check_rows(self.table, self._plain(batch))
                    problems.add_many(
                        (
                            Problem(self.name, fault.reason, f"row {start + fault.row}", fault.column)
                            for fault in checked.faults
                        ),
                        checked.fault_count,
                    )
                    start += batch.num_rows
                    if not problems.count:
                        yield checked.batch
            except (pa.ArrowInvalid, OSError) as error:
                problems.add(Problem(self.name, f"is damaged: {error}"))
            problems.raise_any()

    def _open(self, source: IO[bytes]) -> Any:
        try:
            return pq.ParquetFile(source)
        except (pa.ArrowInvalid, OSError) as error:
            problems = Problems()
            problems.add(Problem(self.name, f"is not a Parquet file: {error}"))
            raise problems.error() from None

    def _check_columns(self, schema: pa.Schema) -> None:
        problems = Problems()
        for column in self.table.columns:
            if schema.names.count(column.name) != 1:
                if column.name in schema.names:
                    problems.add(Problem(self.name, "is there twice", column=column.name))
                elif not column.optional:
                    problems.add(Problem(self.name, "is missing", column=column.name))
            elif not _is_accepted(column, schema.field(column.name).type):
                found = schema.field(column.name).type
                reason = f"is of type {found}; {ACCEPTED[column.type]['Parquet'].fix}"
                problems.add(Problem(self.name, reason, column=column.name))
        problems.raise_any()

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with all columns, its texts as plain strings, whatever encoding the file keeps them in."""
        nothing = pa.nulls(batch.num_rows, pa.string())
        names = self.table.column_names
        return pa.record_batch(
            [_plain_array(batch.column(name)) if name in batch.schema.names else nothing for name in names],
            names=list(names),
        )


def _is_accepted(column: Column, found: pa.DataType) -> bool:
    kind = found.value_type if pa.types.is_dictionary(found) else found
    name = next((name for name, is_one in _FAMILIES.items() if is_one(kind)), str(kind))
    return name in ACCEPTED[column.type]["Parquet"].types


# Types with parameters, as the declaration calls them.
_FAMILIES = {"decimal": pa.types.is_decimal, "timestamp": pa.types.is_timestamp}


def _plain_array(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    types = pa.types
    if types.is_large_string(values.type) or types.is_string_view(values.type) or types.is_null(values.type):
        values = values.cast(pa.string())
    return values
