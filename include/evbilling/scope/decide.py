"""Applies the rules to an inventory frame: exactly one decision per connector and account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evbilling.scope.faults import find_faults
from evbilling.scope.rules import BILLED_ELSEWHERE, RULES

if TYPE_CHECKING:
    import pyarrow as pa

BILLED = 0
_ELSEWHERE = len(RULES) + 1
EXCLUDED_BY: tuple[str, ...] = (*(rule.rule_id for rule in RULES), BILLED_ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Decided:
    """`decisions`: a row per connector (account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor).

    `summary`: a row per account, item and power type: item is `billed`, a rule id or `fault:<reason id>`, connectors
    how many, detail a fault's words. Decisions of accounts with a fault are left out; their summary is not.
    """

    decisions: pd.DataFrame
    summary: pd.DataFrame


def decide(inventory: pa.Table, accounts: pd.DataFrame) -> Decided:
    """Decide on every connector of `inventory`; `accounts` is the frame of `evbilling.scope.accounts`.

    Raises `ValueError` if the inventory has an account that `accounts` lacks.
    """
    frame = _with_terms(inventory.to_pandas(), accounts)
    codes = _first_rule(frame)
    codes = _once_only(frame, codes)
    faults = find_faults(frame)
    summary = pd.concat([_counted(frame, codes), _fault_items(faults)], ignore_index=True)

    blocked = set(faults["account_id"]) | set(accounts.loc[accounts["is_quarantined"], "account_id"])
    keep = ~frame["account_id"].isin(blocked).to_numpy()
    billed = codes == BILLED
    price = np.where(frame["power_type"] == "DC", frame["dc_fee_minor"], frame["fee_minor"])
    decisions = frame.loc[keep, ["account_id", "charger_id", "connector_id", "power_type"]].reset_index(drop=True)
    decisions["rule_id"] = pd.Categorical.from_codes(codes[keep].astype(np.int64) - 1, categories=pd.Index(EXCLUDED_BY))
    decisions["unit_price_minor"] = pd.array(price[keep], dtype="Int64")
    decisions.loc[~billed[keep], "unit_price_minor"] = pd.NA
    return Decided(decisions, summary)


def _with_terms(frame: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Each connector with its account's terms, looked up by the account's code rather than by a join of strings."""
    by_account = accounts.set_index("account_id").reindex(frame["account_id"].cat.categories)
    codes = frame["account_id"].cat.codes.to_numpy()
    if by_account["fee_minor"].isna().any() or (codes < 0).any():
        raise ValueError("the inventory has connectors of accounts that are not billed in this run")
    terms = ("exclude_closed", "exclude_private", "is_free", "fee_minor", "dc_fee_minor", "count_instant")
    return frame.assign(**{name: by_account[name].to_numpy().take(codes) for name in terms})


def _first_rule(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    codes = np.zeros(len(frame), dtype=np.int8)
    for code, rule in enumerate(RULES, start=1):
        applies = rule.applies(frame).to_numpy(dtype=bool)
        codes[applies & (codes == BILLED)] = code
    return codes


def _once_only(
    frame: pd.DataFrame, codes: np.ndarray[tuple[int], np.dtype[np.int8]]
) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Of the accounts that would bill one connector, only the one whose count came first does."""
    key = (frame["charger_id"].cat.codes.to_numpy().astype(np.int64) << 32) | (
        frame["connector_id"].to_numpy().astype(np.int64) & 0xFFFFFFFF
    )
    would_bill = np.flatnonzero(codes == BILLED)
    repeated = pd.Series(key[would_bill]).duplicated(keep=False).to_numpy()
    if not repeated.any():
        return codes
    rivals = pd.DataFrame({
        "row": would_bill[repeated],
        "key": key[would_bill[repeated]],
        "count_instant": frame["count_instant"].to_numpy()[would_bill[repeated]],
        "account_id": frame["account_id"].astype(str).to_numpy()[would_bill[repeated]],
    }).sort_values(["key", "count_instant", "account_id"])  # fmt: skip
    losers = rivals.loc[rivals.duplicated("key", keep="first"), "row"]
    decided = codes.copy()
    decided[losers.to_numpy()] = _ELSEWHERE
    return decided


def _counted(frame: pd.DataFrame, codes: np.ndarray[tuple[int], np.dtype[np.int8]]) -> pd.DataFrame:
    """Connectors per account, rule and power type, counted by one pass over integer codes."""
    names = frame["account_id"].cat.categories
    is_dc = (frame["power_type"] == "DC").to_numpy().astype(np.int64)
    kinds = 2 * (1 + len(EXCLUDED_BY))
    cell = frame["account_id"].cat.codes.to_numpy().astype(np.int64) * kinds + codes.astype(np.int64) * 2 + is_dc
    counts = np.bincount(cell, minlength=len(names) * kinds)
    hit = np.flatnonzero(counts)
    items = np.array(["billed", *EXCLUDED_BY], dtype=object)
    return pd.DataFrame({
        "account_id": names.to_numpy()[hit // kinds],
        "item": items[(hit % kinds) // 2],
        "power_type": np.where(hit % 2 == 1, "DC", "AC"),
        "connectors": counts[hit],
        "detail": None,
    })  # fmt: skip


def _fault_items(faults: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "account_id": faults["account_id"],
        "item": "fault:" + faults["reason_id"].astype(str),
        "power_type": None,
        "connectors": faults["connectors"],
        "detail": faults["detail"],
    })  # fmt: skip
