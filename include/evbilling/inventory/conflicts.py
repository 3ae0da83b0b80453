"""Finds history rows that contradict each other: the same thing in two states at one time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

_ALWAYS = pd.Timestamp("1700-01-01", tz="UTC")
_FOR_EVER = pd.Timestamp("2260-01-01", tz="UTC")


def overlapping(history: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The keys of `history` of which rows overlap in time, each once, with column `same_start`.

    `history` has the key columns, valid_from and valid_to (null: open). Touching rows, where one ends as the next
    begins, don't overlap. `same_start` tells duplicates (rows that begin together) from other overlaps.
    """
    rows = history[key].copy()
    rows["begin"] = pd.to_datetime(history["valid_from"], utc=True).fillna(_ALWAYS)
    rows["end"] = pd.to_datetime(history["valid_to"], utc=True).fillna(_FOR_EVER)
    # A row that ends where it begins, or before, never held: it contradicts nothing.
    rows = rows[rows["begin"] < rows["end"]]
    rows = rows.sort_values([*key, "begin", "end"], ignore_index=True)
    groups = rows.groupby(key, sort=False, dropna=False)
    # The latest end so far, not the previous row's: a long row may cover several short ones.
    latest_end = groups["end"].cummax().groupby([rows[k] for k in key], sort=False, dropna=False).shift()
    rows["same_start"] = groups["begin"].shift() == rows["begin"]
    clash = rows[latest_end > rows["begin"]]
    return clash.groupby(key, sort=False, dropna=False).agg(same_start=("same_start", "any")).reset_index()


def connector_keys(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """One integer per row that stands for (charger_id, connector_id) within this table."""
    codes = table.column("charger_id").combine_chunks().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    connector = table.column("connector_id").to_numpy().astype(np.int64)
    return np.asarray((codes << 32) | (connector & 0xFFFFFFFF))


def is_repeated(
    keys: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True for every row whose key occurs more than once."""
    return pd.Series(keys).duplicated(keep=False).to_numpy()
