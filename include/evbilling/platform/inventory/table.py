"""The inventory as an Arrow table: its columns, and the one order in which the same truth is the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ENCODED = pa.dictionary(pa.int32(), pa.string())
Codes = np.ndarray[tuple[int], np.dtype[np.int32]]
INVENTORY_SCHEMA = pa.schema({
    "account_id": ENCODED,
    "charger_id": ENCODED,
    "connector_id": pa.int32(),
    "power_type": ENCODED,
    "status": ENCODED,
    "scope_status": ENCODED,
})
_ENCODED_COLUMNS = [field.name for field in INVENTORY_SCHEMA if field.type == ENCODED]

# A connector without a number is its account's fault, found by the rules; a null would turn the column to float.
_NO_NUMBER = -1


def one_chunk(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The rows of `batches` as one table of one chunk, each text once in its column's dictionary."""
    return pa.Table.from_batches(batches, schema=schema).unify_dictionaries().combine_chunks()


def sort_inventory(table: pa.Table) -> pa.Table:
    """The rows of `table` (of `INVENTORY_SCHEMA`, one chunk) by account, charger and connector.

    Dictionaries have only the texts that occur, in order of their bytes, so codes compare as the texts do. Sources
    give rows in any order; keys are built faster, and evidence compresses better, from sorted ones.
    """
    table = table.set_column(2, "connector_id", table.column("connector_id").fill_null(_NO_NUMBER))
    for name in _ENCODED_COLUMNS:
        table = table.set_column(table.column_names.index(name), name, _with_sorted_values(table.column(name)))
    account, charger = column_codes(table, "account_id"), column_codes(table, "charger_id")
    place = (account.astype(np.int64) << 32) | charger.astype(np.int64) & 0xFFFFFFFF
    connector = table.column("connector_id").to_numpy()
    if _ascends(place, connector):
        return table
    # Rows alike in all three are a fault; their other columns decide, so that even faults have one order.
    rest = [column_codes(table, name) for name in ("scope_status", "status", "power_type")]
    return table.take(np.lexsort((*rest, connector, place)))


def column_codes(table: pa.Table, name: str) -> Codes:
    """The codes of a dictionary column of one chunk; -1 for null."""
    indices = _chunk(table.column(name)).indices
    filled = indices.fill_null(-1) if indices.null_count else indices
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int32)


def column_values(table: pa.Table, name: str) -> pa.Array:
    """The dictionary of a column of one chunk."""
    return _chunk(table.column(name)).dictionary


def _ascends(
    place: np.ndarray[tuple[int], np.dtype[np.int64]], connector: np.ndarray[tuple[int], np.dtype[np.int32]]
) -> bool:
    """True if each row comes after the one before; rows alike don't count as ordered."""
    after = place[1:] > place[:-1]
    return bool((after | ((place[1:] == place[:-1]) & (connector[1:] > connector[:-1]))).all())


def _with_sorted_values(column: pa.ChunkedArray) -> pa.DictionaryArray:
    chunk = _chunk(column)
    indices, found = chunk.indices, chunk.dictionary
    if not len(found):
        return chunk
    is_null = indices.is_null().to_numpy(zero_copy_only=False) if indices.null_count else None
    code = indices.fill_null(0).to_numpy(zero_copy_only=False)
    occurs = np.zeros(len(found), dtype=bool)
    occurs[code if is_null is None else code[~is_null]] = True
    used = np.flatnonzero(occurs)
    order = used[pc.sort_indices(found.take(used)).to_numpy()]
    rank = np.zeros(len(found), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(rank.take(code), mask=is_null), found.take(order))


def _chunk(column: pa.ChunkedArray) -> pa.DictionaryArray:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
