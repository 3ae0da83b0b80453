"""Faults of connectors that make their account's count unreliable: that account is quarantined, the others are billed.

Each sees the same frame as the rules, with the columns `conflict` (null, `duplicate`, `overlap`) and `is_long_id`.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evbilling.platform import CONNECTOR_STATUSES, LONGEST_ID, POWER_TYPES, SCOPE_STATUSES
from evbilling.scope.rules import Predicate


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of connectors; `column` is shown in the message."""

    reason_id: str
    what: str
    fix: str
    column: str
    applies: Predicate


FAULTS: tuple[Fault, ...] = (
    Fault(
        "CHARGER-ID-TOO-LONG",
        f"a charger_id of more than {LONGEST_ID} characters",
        "give the charger a shorter id in the platform",
        "charger_id",
        operator.itemgetter("is_long_id"),
    ),
    Fault(
        "CONNECTOR-ID-INVALID",
        "no valid connector_id",
        "number the connectors from 1 in the platform",
        "connector_id",
        lambda c: c["connector_id"] < 0,
    ),
    Fault(
        "SCOPE-UNKNOWN",
        "an unknown scope status",
        f"set one of {', '.join(SCOPE_STATUSES)} in the platform",
        "scope_status",
        lambda c: ~c["scope_status"].isin(SCOPE_STATUSES),
    ),
    Fault(
        "STATUS-UNKNOWN",
        "an unknown status",
        f"set one of {', '.join(CONNECTOR_STATUSES)} in the platform",
        "status",
        lambda c: ~c["status"].isin(CONNECTOR_STATUSES),
    ),
    Fault(
        "POWER-TYPE-UNKNOWN",
        "an unknown power type",
        "set AC or DC in the platform",
        "power_type",
        lambda c: ~c["power_type"].isin(POWER_TYPES) & (c["connector_id"] > 0),
    ),
    Fault(
        "DUPLICATE-CONNECTOR",
        "the same connector twice",
        "keep one row of it in the platform",
        "conflict",
        lambda c: c["conflict"] == "duplicate",
    ),
    Fault(
        "OVERLAPPING-HISTORY",
        "history rows that overlap in time",
        "end each row where the next one begins in the platform",
        "conflict",
        lambda c: c["conflict"] == "overlap",
    ),
)


def find_faults(connectors: pd.DataFrame, charger_ids: pa.ChunkedArray) -> pd.DataFrame:
    """One row per account and fault: account_id, reason_id, connectors (their number), detail (in plain English).

    `charger_ids` are those of the rows of `connectors`.
    """
    found = []
    for fault in FAULTS:
        rows = np.flatnonzero(fault.applies(connectors).fillna(True).to_numpy(dtype=bool))
        if not len(rows):
            continue
        hits = connectors.iloc[rows].assign(charger_id=charger_ids.take(rows).cast("string").to_pylist())
        for account_id, group in hits.groupby("account_id", observed=True):
            first = _first(group, fault.column)
            shown = "" if fault.column in {"conflict", "charger_id"} else f" ({_shown(first[fault.column])})"
            found.append({
                "account_id": account_id,
                "reason_id": fault.reason_id,
                "connectors": len(group),
                "detail": f"{len(group)} connector{'s' if len(group) > 1 else ''} with {fault.what}{shown}, "
                f"first {_shortened(first['charger_id'])}/{first['connector_id']}; {fault.fix}",
            })
    return pd.DataFrame(found, columns=["account_id", "reason_id", "connectors", "detail"])


def _first(connectors: pd.DataFrame, column: str) -> pd.Series[Any]:
    """The first row by id, not by position: a source gives rows in any order, and a re-run must give the same text."""
    chargers = connectors["charger_id"].astype(object)
    rows = connectors[chargers == chargers.min()]
    order = pd.DataFrame({"connector_id": rows["connector_id"], "shown": rows[column].astype(object).astype(str)})
    first: pd.Series[Any] = rows.loc[order.sort_values(["connector_id", "shown"]).index[0]]
    return first


def _shortened(charger_id: object) -> str:
    text = str(charger_id)
    return text if len(text) <= LONGEST_ID else f"{text[:40]}…"


def _shown(value: object) -> str:
    return "empty" if pd.isna(value) or value == -1 else repr(value) if isinstance(value, str) else str(value)  # type: ignore[call-overload]
