"""A shard's inventory in a few figures: what the validation judges instead of millions of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evbilling.platform.contract import CONNECTOR_STATUSES, POWER_TYPES, SCOPE_STATUSES
from evbilling.platform.inventory.table import column_codes, column_values

KNOWN_VALUES: Mapping[str, Sequence[str]] = {
    "scope_status": SCOPE_STATUSES,
    "status": CONNECTOR_STATUSES,
    "power_type": POWER_TYPES,
}

# If hardly any value of a column is known, the column is what is wrong, not the accounts; with few rows that can't be
# told.
_ENOUGH_TO_TELL = 1_000
_NAMED = 5


def profile_of(inventory: pa.Table) -> dict[str, Any]:
    """{"rows", "without_account", "without_charger"} and a count of the values of each column of `KNOWN_VALUES`.

    These are {"rows", "empty", "known", "unknown"}, the last the most frequent unknown values with their number. Only
    real connectors count for the power type: connector 0 is the station and needs none.
    """
    profile: dict[str, Any] = {
        "rows": inventory.num_rows,
        "without_account": inventory.column("account_id").null_count,
        "without_charger": inventory.column("charger_id").null_count,
    }
    is_real = inventory.column("connector_id").to_numpy() > 0
    for column, known in KNOWN_VALUES.items():
        found = column_codes(inventory, column)
        rows = found[is_real] if column == "power_type" else found
        counts = np.bincount(rows[rows >= 0], minlength=len(column_values(inventory, column)))
        by_value = pd.Series(counts, index=column_values(inventory, column).to_pylist(), dtype=np.int64)
        is_known = by_value.index.isin(known)
        unknown = by_value[~is_known & (by_value > 0)].sort_values(ascending=False, kind="stable")
        profile[column] = {
            "rows": len(rows),
            "empty": int((rows < 0).sum()),
            "known": int(by_value[is_known].sum()),
            "unknown": {str(value): int(count) for value, count in unknown.head(_NAMED).items()},
        }
    return profile


def inventory_frame(profiles: Mapping[int, dict[str, Any]], reported: Mapping[int, int]) -> pd.DataFrame:
    """A row per shard: rows, reported, and what is wrong in words (null: nothing), as `inventory_suite` judges it.

    `share_known_…` is the share of a column's known values, 1 where there are too few rows to tell.
    """
    return pd.DataFrame([_row(shard, profile, reported[shard]) for shard, profile in sorted(profiles.items())])


def _row(shard: int, profile: Mapping[str, Any], reported: int) -> dict[str, Any]:
    row: dict[str, Any] = {"rows": profile["rows"], "reported": reported}
    for key in ("without_account", "without_charger"):
        row[key] = _count(profile[key], profile["rows"], shard)
    for column in KNOWN_VALUES:
        found = profile[column]
        unknown = [f"{value} ({_count(count, found['rows'], shard)})" for value, count in found["unknown"].items()]
        row[f"empty_{column}"] = _count(found["empty"], found["rows"], shard)
        row[f"unknown_{column}"] = ", ".join(unknown) or None
        row[f"share_known_{column}"] = found["known"] / found["rows"] if found["rows"] >= _ENOUGH_TO_TELL else 1.0
    return row


def _count(count: int, rows: int, shard: int) -> str | None:
    return f"{count:,} of {rows:,} connectors in shard {shard}" if count else None
