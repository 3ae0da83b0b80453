"""Applies the rules to an inventory: exactly one decision per connector and account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform import LONGEST_ID
from evbilling.platform.inventory import column_codes, column_values, connector_keys, is_repeated
from evbilling.scope.connector_faults import find_faults
from evbilling.scope.rules import BILLED_ELSEWHERE, RULES

BILLED = 0
_ELSEWHERE = len(RULES) + 1
EXCLUDED_BY: tuple[str, ...] = (*(rule.rule_id for rule in RULES), BILLED_ELSEWHERE)

# The columns that rules and faults use besides the account's terms. A fault's detail looks the charger's id up.
_COLUMNS = ("account_id", "connector_id", "power_type", "status", "scope_status", "conflict")
_TERMS = ("exclude_closed", "exclude_private", "is_free")


@dataclass(frozen=True, slots=True)
class Decided:
    """`decisions`: a row per connector (account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor).

    `summary`: a row per account, item and power type: item is `billed`, a rule id or `fault:<reason id>`, connectors
    their number, detail the fault's. Decisions of accounts with a fault are left out; their summary is not.
    """

    decisions: pa.Table
    summary: pd.DataFrame


def decide(inventory: pa.Table, accounts: pd.DataFrame) -> Decided:
    """Decide on every connector of `inventory`; `accounts` is the frame of `evbilling.scope.billed_accounts`.

    Raises `ValueError` if the inventory has an account that `accounts` lacks.
    """
    terms = accounts.set_index("account_id").reindex(column_values(inventory, "account_id").to_pylist())
    account = column_codes(inventory, "account_id")
    if terms["fee_minor"].isna().any() or (account < 0).any():
        raise ValueError("the inventory has connectors of accounts that are not billed in this run")
    frame = inventory.select(_COLUMNS).to_pandas().assign(**{n: terms[n].to_numpy(bool).take(account) for n in _TERMS})
    frame["is_long_id"] = _has_long_id(inventory)
    decision = _once_only(inventory, _first_rule(frame), terms)
    faults = find_faults(frame, inventory.column("charger_id"))
    summary = pd.concat([_counted(frame, decision), _fault_items(faults)], ignore_index=True)
    is_blocked = terms["is_quarantined"].to_numpy(bool) | terms.index.isin(faults["account_id"])
    return Decided(_decisions(inventory, decision, terms, ~is_blocked.take(account)), summary)


def _decisions(
    inventory: pa.Table,
    decision: np.ndarray[tuple[int], np.dtype[np.int8]],
    terms: pd.DataFrame,
    keep: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> pa.Table:
    kept = inventory.select(["account_id", "charger_id", "connector_id", "power_type"])
    if not keep.all():
        kept, decision = kept.filter(pa.array(keep)), decision[keep]
    fees = terms[["fee_minor", "dc_fee_minor"]].to_numpy(np.int64)
    is_dc = _is(kept, "power_type", "DC")
    price = fees[column_codes(kept, "account_id"), is_dc.astype(np.int8)]
    rule = pa.array(decision.astype(np.int32) - 1, mask=decision == BILLED)
    return kept.append_column("rule_id", pa.DictionaryArray.from_arrays(rule, pa.array(EXCLUDED_BY))).append_column(
        "unit_price_minor", pa.array(price, mask=decision != BILLED)
    )


def _has_long_id(inventory: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """True for each connector whose charger's id is longer than an id may be."""
    is_long = pc.greater(pc.utf8_length(column_values(inventory, "charger_id")), LONGEST_ID)
    # One more for a connector without a charger.
    flags: np.ndarray[Any, np.dtype[np.bool_]] = np.append(is_long.to_numpy(zero_copy_only=False), False)
    return flags.take(column_codes(inventory, "charger_id"))


def _is(table: pa.Table, column: str, word: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where the dictionary column has this value."""
    found = column_values(table, column).index(word).as_py()
    return np.asarray(column_codes(table, column) == found) if found >= 0 else np.zeros(table.num_rows, dtype=bool)


def _first_rule(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    codes = np.zeros(len(frame), dtype=np.int8)
    for code, rule in enumerate(RULES, start=1):
        applies = rule.applies(frame).to_numpy(dtype=bool)
        codes[applies & (codes == BILLED)] = code
    return codes


def _once_only(
    inventory: pa.Table, decision: np.ndarray[tuple[int], np.dtype[np.int8]], terms: pd.DataFrame
) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Where several accounts would bill one connector, only the account whose count came first does."""
    would_bill = np.flatnonzero(decision == BILLED)
    key = connector_keys(inventory)[would_bill]
    repeated = is_repeated(key)
    if not repeated.any():
        return decision
    account = column_codes(inventory, "account_id")[would_bill[repeated]]
    rivals = pd.DataFrame({
        "row": would_bill[repeated],
        "key": key[repeated],
        "count_instant": terms["count_instant"].iloc[account].to_numpy(),
        "account_id": terms.index[account].astype(str),
    }).sort_values(["key", "count_instant", "account_id"])
    losers = rivals.loc[rivals.duplicated("key", keep="first"), "row"]
    decided = decision.copy()
    decided[losers.to_numpy()] = _ELSEWHERE
    return decided


def _counted(frame: pd.DataFrame, decision: np.ndarray[tuple[int], np.dtype[np.int8]]) -> pd.DataFrame:
    """Connectors per account, rule and power type, counted by one pass over integer codes."""
    names = frame["account_id"].cat.categories
    is_dc = (frame["power_type"] == "DC").to_numpy().astype(np.int64)
    kinds = 2 * (1 + len(EXCLUDED_BY))
    cell = frame["account_id"].cat.codes.to_numpy().astype(np.int64) * kinds + decision.astype(np.int64) * 2 + is_dc
    counts = np.bincount(cell, minlength=len(names) * kinds)
    hit = np.flatnonzero(counts)
    items = np.array(["billed", *EXCLUDED_BY], dtype=object)
    return pd.DataFrame({
        "account_id": names.to_numpy()[hit // kinds],
        "item": items[(hit % kinds) // 2],
        "power_type": np.where(hit % 2 == 1, "DC", "AC"),
        "connectors": counts[hit],
        "detail": None,
    })


def _fault_items(faults: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "account_id": faults["account_id"],
        "item": "fault:" + faults["reason_id"].astype(str),
        "power_type": None,
        "connectors": faults["connectors"],
        "detail": faults["detail"],
    })
