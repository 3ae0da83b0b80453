"""What a shard's inventory holds, in a few figures: what the validation judges instead of millions of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evbilling.platform.contract import CONNECTOR_STATUSES, POWER_TYPES, SCOPE_STATUSES
from evbilling.platform.inventory.table import codes, words

KNOWN: Mapping[str, Sequence[str]] = {
    "scope_status": SCOPE_STATUSES,
    "status": CONNECTOR_STATUSES,
    "power_type": POWER_TYPES,
}

# If hardly any value of a column is known, the column is what is wrong, not the accounts; with few rows that can't be
# told.
_ENOUGH_TO_TELL = 1_000
_NAMED = 5


def profile_of(inventory: pa.Table) -> dict[str, Any]:
    """{"rows", "without_account", "without_charger"} and for each column of `KNOWN` how its values are.

    These are {"rows", "empty", "known", "unknown"}, the last the most frequent unknown words with their number. Only
    real connectors count for the power type: connector 0 stands for the station and needs none.
    """
    profile: dict[str, Any] = {
        "rows": inventory.num_rows,
        "without_account": inventory.column("account_id").null_count,
        "without_charger": inventory.column("charger_id").null_count,
    }
    is_real = inventory.column("connector_id").to_numpy() > 0
    for column, known in KNOWN.items():
        found = codes(inventory, column)
        rows = found[is_real] if column == "power_type" else found
        counts = np.bincount(rows[rows >= 0], minlength=len(words(inventory, column)))
        by_word = pd.Series(counts, index=words(inventory, column).to_pylist(), dtype=np.int64)
        is_known = by_word.index.isin(known)
        unknown = by_word[~is_known & (by_word > 0)].sort_values(ascending=False, kind="stable")
        profile[column] = {
            "rows": len(rows),
            "empty": int((rows < 0).sum()),
            "known": int(by_word[is_known].sum()),
            "unknown": {str(word): int(count) for word, count in unknown.head(_NAMED).items()},
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
    for column in KNOWN:
        found = profile[column]
        unknown = [f"{word} ({_count(count, found['rows'], shard)})" for word, count in found["unknown"].items()]
        row[f"empty_{column}"] = _count(found["empty"], found["rows"], shard)
        row[f"unknown_{column}"] = ", ".join(unknown) or None
        row[f"share_known_{column}"] = found["known"] / found["rows"] if found["rows"] >= _ENOUGH_TO_TELL else 1.0
    return row


def _count(count: int, rows: int, shard: int) -> str | None:
    return f"{count:,} of {rows:,} connectors in shard {shard}" if count else None
