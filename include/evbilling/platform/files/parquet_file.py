"""One Parquet file of the contract. It has no lines, so problems name the row, counted from 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

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
            try:
                for batch in parquet.iter_batches(_ROWS, columns=list(self.table.column_names)):
                    checked = check_rows(self.table, _plain(batch))
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
                reason = "is there twice" if column.name in schema.names else "is missing"
                problems.add(Problem(self.name, reason, column=column.name))
            elif not _usable(column, schema.field(column.name).type):
                found = schema.field(column.name).type
                reason = f"is of type {found}; {_WANTED[column.type]}"
                problems.add(Problem(self.name, reason, column=column.name))
        problems.raise_any()


_WANTED = {
    "text": "write it as string",
    "boolean": "write it as bool or string",
    "integer": "write it as an integer or string",
    "timestamp": "write it as timestamp (UTC) or string",
    "amount": "write it as decimal or string, as money is never a float",
}


def _usable(column: Column, found: pa.DataType) -> bool:
    kind = found.value_type if pa.types.is_dictionary(found) else found
    types = pa.types
    texts = (types.is_null, types.is_string, types.is_large_string, types.is_string_view)
    if any(is_text(kind) for is_text in texts):
        return True
    if column.type == "amount":
        return bool(types.is_decimal(kind) or types.is_integer(kind))
    fits = {"boolean": types.is_boolean, "integer": types.is_integer, "timestamp": types.is_timestamp}
    return column.type in fits and bool(fits[column.type](kind))


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its texts as plain strings, whatever encoding the file keeps them in."""
    return pa.record_batch([_plain_array(column) for column in batch.columns], names=batch.schema.names)


def _plain_array(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    types = pa.types
    if types.is_large_string(values.type) or types.is_string_view(values.type) or types.is_null(values.type):
        values = values.cast(pa.string())
    return values
