"""Finds history rows that contradict each other: the same thing in two states at one time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.inventory.table import column_codes, column_values

_CONFLICTS = ("duplicate", "overlap")

_FROM_THE_START = pd.Timestamp("1700-01-01", tz="UTC")
_FOREVER = pd.Timestamp("2260-01-01", tz="UTC")


def overlapping(history: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The keys of `history` whose rows overlap in time, each once, with column `same_start`.

    `history` has the key columns, valid_from and valid_to (null: open). Touching rows, where one ends as the next
    begins, don't overlap. `same_start` separates duplicates (rows that begin together) from other overlaps.
    """
    rows = history[key].copy()
    rows["begin"] = pd.to_datetime(history["valid_from"], utc=True).fillna(_FROM_THE_START)
    rows["end"] = pd.to_datetime(history["valid_to"], utc=True).fillna(_FOREVER)
    # A row that ends where it begins, or before, was never valid: it contradicts nothing.
    rows = rows[rows["begin"] < rows["end"]]
    rows = rows.sort_values([*key, "begin", "end"], ignore_index=True)
    groups = rows.groupby(key, sort=False, dropna=False)
    # The latest end so far, not the previous row's: a long row may cover several short ones.
    latest_end = groups["end"].cummax().groupby([rows[k] for k in key], sort=False, dropna=False).shift()
    rows["same_start"] = groups["begin"].shift() == rows["begin"]
    clash = rows[latest_end > rows["begin"]]
    return clash.groupby(key, sort=False, dropna=False).agg(same_start=("same_start", "any")).reset_index()


def connector_keys(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """One integer per row for (charger_id, connector_id) within this table."""
    charger = column_codes(table, "charger_id").astype(np.int64)
    connector = table.column("connector_id").to_numpy().astype(np.int64)
    return np.asarray((charger << 32) | (connector & 0xFFFFFFFF))


def is_repeated(
    keys: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True for every row whose key occurs more than once."""
    return pd.Series(keys).duplicated(keep=False).to_numpy()


def with_conflicts(table: pa.Table, shared: pd.DataFrame, history: pd.DataFrame) -> pa.Table:
    """`table` with column `conflict`: null, or `duplicate` or `overlap` where history rows contradict each other.

    `shared` is the history of chargers, `history` that of connectors, each with more than one row around the count;
    only their rows are looked at one by one.
    """
    suspicious = pa.array(pd.concat([shared["charger_id"], history["charger_id"]]).unique(), type=pa.string())
    is_suspicious = pc.is_in(column_values(table, "charger_id"), suspicious).to_numpy(zero_copy_only=False)
    charger = column_codes(table, "charger_id")
    rows = np.flatnonzero(is_suspicious.take(charger)) if is_suspicious.any() else np.empty(0, dtype=np.int64)
    conflict = np.full(table.num_rows, -1, dtype=np.int8)
    if len(rows):
        # As plain texts: as categories, all chargers of the shard would come along.
        keys = pd.DataFrame({
            "charger_id": table.column("charger_id").take(rows).cast(pa.string()).to_pylist(),
            "connector_id": table.column("connector_id").take(rows).to_numpy(),
        })
        clashes = overlapping(history, ["charger_id", "connector_id"])
        keys = keys.merge(clashes, on=["charger_id", "connector_id"], how="left")
        kinds = keys["same_start"].map({True: "duplicate", False: "overlap"}).astype(object)
        shared_at_once = keys["charger_id"].isin(overlapping(shared, ["charger_id"])["charger_id"])
        kinds = kinds.where(kinds.notna() | ~shared_at_once, "overlap")
        conflict[rows] = kinds.map({word: code for code, word in enumerate(_CONFLICTS)}).fillna(-1).to_numpy(np.int8)
    column = pa.DictionaryArray.from_arrays(
        pa.array(conflict.astype(np.int32), mask=conflict < 0), pa.array(_CONFLICTS)
    )
    return table.append_column("conflict", column)
