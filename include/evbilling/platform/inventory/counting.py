"""Counts an inventory as of each account's own instant: which connector was at which account then.

Chargers and connectors come as the source has them around the count; they are put together here, by codes instead of
texts, so that the source only has to read its tables once and in their own order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.inventory.names import charger_names
from evbilling.platform.inventory.table import (
    ENCODED,
    INVENTORY_SCHEMA,
    Codes,
    column_codes,
    column_values,
    sort_inventory,
)

_INSTANT = pa.timestamp("us", "UTC")

# Rows of history around the count. `began` and `ended` are null where the row was valid before the first and
# after the last count, as nearly all were.
CHARGER_HISTORY = pa.schema({
    "charger_id": ENCODED,
    "account_id": ENCODED,
    "name": pa.string(),
    "site": pa.string(),
    "scope_status": ENCODED,
    "began": _INSTANT,
    "ended": _INSTANT,
})
CONNECTOR_HISTORY = pa.schema({
    "charger_id": ENCODED,
    "connector_id": pa.int32(),
    "standard": ENCODED,
    "power_type": ENCODED,
    "status": ENCODED,
    "began": _INSTANT,
    "ended": _INSTANT,
})

_Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
_Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class CountInstants:
    """When each account's connectors are counted: `instants` (microseconds since 1970) of `account_ids`."""

    account_ids: pa.Array
    instants: _Rows

    @classmethod
    def of(cls, account_ids: Sequence[str], instants: Sequence[datetime]) -> CountInstants:
        """From Python's own values."""
        times = pa.array(instants, type=_INSTANT).cast(pa.int64()).to_numpy(zero_copy_only=False)
        return cls(pa.array(account_ids, type=pa.string()), times)


class Counted(NamedTuple):
    """An inventory of `INVENTORY_SCHEMA`, and what its chargers are called, of `CHARGER_NAMES`; both in order."""

    inventory: pa.Table
    names: pa.Table


def count_inventory(chargers: pa.Table, connectors: pa.Table, at: CountInstants) -> Counted:
    """A row per connector and account at that account's instant, and a row per charger and account of these.

    `chargers` and `connectors` are of `CHARGER_HISTORY` and `CONNECTOR_HISTORY`, of one chunk, in any order. A charger
    that is at two accounts at their instants is there twice, and so is a connector with two rows at once.
    """
    account = _positions(column_values(chargers, "account_id"), at.account_ids)[column_codes(chargers, "account_id")]
    instant = at.instants[account]
    has_id = column_codes(chargers, "charger_id") >= 0
    valid_rows = np.flatnonzero((account >= 0) & has_id & _is_valid(chargers, instant))
    charger_row, connector_row = _matches(chargers, connectors, valid_rows)
    still = _is_valid(connectors.select(["began", "ended"]).take(connector_row), instant[charger_row])
    if not still.all():
        charger_row, connector_row = charger_row[still], connector_row[still]
    here, there = chargers.take(charger_row), connectors.take(connector_row)
    columns = {"account_id": here, "charger_id": here, "scope_status": here}
    rows = [columns.get(name, there).column(name) for name in INVENTORY_SCHEMA.names]
    counted = pa.table(rows, schema=INVENTORY_SCHEMA)
    counted = counted.append_column("standard", there.column("standard")).append_column("row", pa.array(charger_row))
    counted = sort_inventory(counted)
    return Counted(counted.select(INVENTORY_SCHEMA.names), charger_names(counted, chargers))


def count_strays(chargers: pa.Table, connectors: pa.Table) -> int:
    """The number of rows of `connectors` whose charger isn't in `chargers`, both of one shard."""
    is_there = _positions(column_values(connectors, "charger_id"), column_values(chargers, "charger_id"))
    return int((is_there[column_codes(connectors, "charger_id")] < 0).sum())


def repeated_chargers(chargers: pa.Table) -> list[str]:
    """The ids that have more than one row around the count: moved chargers, changed ones, and contradictions."""
    code = column_codes(chargers, "charger_id")
    often = np.flatnonzero(np.bincount(code[code >= 0]) > 1)
    found: list[str] = column_values(chargers, "charger_id").take(often).to_pylist()
    return found


def _positions(found: pa.Array, of: pa.Array) -> Codes:
    """The position of each text of `found` in `of`, -1 if it isn't there; one more -1 at the end, for a code of -1."""
    place = pc.index_in(found, value_set=of).fill_null(-1).to_numpy(zero_copy_only=False)
    return np.append(place, -1).astype(np.int32)


def _is_valid(history: pa.Table, instant: _Rows) -> _Flags:
    """True for each row of `history` that is valid at the instant in the same position."""
    is_valid = np.ones(history.num_rows, dtype=bool)
    for name, is_right in (("began", np.less_equal), ("ended", np.greater)):
        column = history.column(name).combine_chunks()
        if column.null_count < len(column):
            bounded = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            times = column.take(pa.array(bounded)).cast(pa.int64()).to_numpy(zero_copy_only=False)
            is_valid[bounded] &= is_right(times, instant[bounded])
    return is_valid


def _matches(chargers: pa.Table, connectors: pa.Table, valid_rows: _Rows) -> tuple[_Rows, _Rows]:
    """Rows of `chargers` (of those in `valid_rows`) and of `connectors` that name the same charger, each pair once."""
    ids = column_values(chargers, "charger_id")
    code = column_codes(chargers, "charger_id")[valid_rows]
    by_code = valid_rows[np.argsort(code, kind="stable")]
    how_many = np.append(np.bincount(code, minlength=len(ids)), 0)
    first = np.cumsum(how_many) - how_many
    named = _positions(column_values(connectors, "charger_id"), ids)[column_codes(connectors, "charger_id")]
    times = how_many[named]
    connector_row = np.repeat(np.arange(connectors.num_rows), times)
    # The first, second, … charger of a connector's matches.
    nth = np.arange(len(connector_row)) - np.repeat(np.cumsum(times) - times, times)
    return by_code[first[named][connector_row] + nth], connector_row
