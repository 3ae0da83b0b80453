"""From counts to amounts: which accounts get a statement of how much, and which get none and why. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evbilling.scope.billed_accounts import account_faults, is_among

NO_CONNECTORS = "NO-CONNECTORS"
FEE_ZERO = "FEE-ZERO"

# Net amounts up to here times a tax rate in millionths stay exact in 64-bit integers.
_LARGEST_NET = 4_000_000_000_000


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a run found each account with billing on to owe.

    `statements`: a row per account that is to be charged, with its terms, counts and amounts in minor units.
    `unbilled`: a row per account without a statement and reason, with the money it was expected to bring.
    `counts`: a row per account, all of them: extracted, billed, excluded connectors.
    """

    statements: pd.DataFrame
    unbilled: pd.DataFrame
    counts: pd.DataFrame

    @property
    def quarantined(self) -> list[str]:
        """Accounts held back for a fault."""
        return [str(account) for account in self.unbilled.loc[self.unbilled["is_quarantined"], "account_id"].unique()]

    @property
    def nothing_owed(self) -> list[str]:
        """Accounts with connectors to bill but fees that come to nothing."""
        return [str(account) for account in self.unbilled.loc[self.unbilled["reason_id"] == FEE_ZERO, "account_id"]]


def settle(accounts: pd.DataFrame, summary: pd.DataFrame) -> Settlement:
    """Settle every account of `accounts` by the decision counts of all shards in `summary`."""
    # What was known when the run was opened gives way to the faults found since.
    frame = _with_counts(accounts.drop(columns="is_quarantined"), summary)
    frame = _with_amounts(frame)
    faults = pd.concat([account_faults(accounts), _connector_faults(summary), _amount_faults(frame)], ignore_index=True)
    is_faulty = is_among(frame["account_id"], faults["account_id"])
    owes = ~is_faulty & (frame["net_minor"] > 0)
    statements = frame.loc[owes].reset_index(drop=True)
    unbilled = pd.concat(
        [
            faults.assign(is_quarantined=True).merge(frame, on="account_id", how="left"),
            _nothing(frame.loc[~is_faulty & ~owes]),
        ],
        ignore_index=True,
    )
    unbilled["expected_amount"] = [_expected_amount(row) for row in unbilled.to_dict("records")]
    unbilled = unbilled.rename(columns={"billable": "expected_connector_count"})
    unbilled = unbilled[
        [
            "account_id",
            "reason_id",
            "detail",
            "is_quarantined",
            "expected_connector_count",
            "expected_amount",
            "currency",
        ]
    ].sort_values(["account_id", "reason_id"], ignore_index=True)
    counts = frame[["account_id", "extracted", "billed", "excluded", "ac_count", "dc_count", "net_minor", "tax_minor"]]
    return Settlement(statements, unbilled, counts.assign(is_quarantined=is_faulty))


def round_half_up(amount: np.ndarray, divisor: int) -> np.ndarray:
    """`amount / divisor` of non-negative integers, rounded half-up, exactly."""
    return (2 * amount + divisor) // (2 * divisor)


def _with_counts(accounts: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """`accounts` with extracted, billed, excluded, ac_count, dc_count (0 where the inventory has none).

    `billable` are those billed and those that only a fee of zero excludes.
    """
    items = summary[~summary["item"].str.startswith("fault:")]
    billed = items[items["item"] == "billed"]

    def per_account(rows: pd.DataFrame) -> pd.Series[int]:
        counts = rows.groupby("account_id", observed=True)["connectors"].sum()
        return accounts["account_id"].map(counts).fillna(0).astype(np.int64)

    return accounts.assign(
        extracted=per_account(items),
        billed=per_account(billed),
        excluded=per_account(items[items["item"] != "billed"]),
        billable=per_account(items[is_among(items["item"], pd.Series(["billed", FEE_ZERO]))]),
        ac_count=per_account(billed[billed["power_type"] == "AC"]),
        dc_count=per_account(billed[billed["power_type"] == "DC"]),
    )


def _with_amounts(frame: pd.DataFrame) -> pd.DataFrame:
    net = frame["ac_count"] * frame["fee_minor"] + frame["dc_count"] * frame["dc_fee_minor"]
    taxable = net.clip(upper=_LARGEST_NET)  # what lies beyond is quarantined, not taxed
    tax = round_half_up((taxable * frame["tax_rate_e6"]).to_numpy(), 1_000_000)
    return frame.assign(net_minor=net, tax_minor=tax, total_minor=net + tax)


def _connector_faults(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per account and kind of fault over all shards: the first shard's words, and how many in all."""
    faults = summary[summary["item"].str.startswith("fault:")]
    grouped = faults.groupby(["account_id", "item"], observed=True, as_index=False).agg(
        detail=("detail", "first"), shards=("detail", "size"), connectors=("connectors", "sum")
    )
    several = grouped["shards"] > 1
    grouped.loc[several, "detail"] = (
        grouped["detail"].astype(str) + " (" + grouped["connectors"].astype(str) + " in all)"
    )
    grouped["reason_id"] = grouped["item"].astype(str).str.removeprefix("fault:")
    return grouped[["account_id", "reason_id", "detail"]]


def _amount_faults(frame: pd.DataFrame) -> pd.DataFrame:
    too_large = frame[frame["net_minor"] > _LARGEST_NET]
    return pd.DataFrame({
        "account_id": too_large["account_id"],
        "reason_id": "AMOUNT-TOO-LARGE",
        "detail": "it would owe " + too_large["net_minor"].astype(str) + " minor units in a month; check its fee",
    })


def _nothing(frame: pd.DataFrame) -> pd.DataFrame:
    """Accounts without a fault that owe nothing, with the reason in plain words."""
    has_connectors = frame["billable"] > 0
    detail = np.where(
        has_connectors,
        "the fees of its connectors come to nothing",
        np.where(
            frame["extracted"] > 0,
            "all " + frame["extracted"].astype(str) + " connectors are excluded by the scope rules",
            "the account has no connectors at the count",
        ),
    )
    return frame.assign(
        reason_id=np.where(has_connectors, FEE_ZERO, NO_CONNECTORS), detail=detail, is_quarantined=False
    )


def _expected_amount(row: Mapping[Hashable, Any]) -> str | None:
    """Total with tax as a decimal text in major units; with four decimals where the currency is unknown."""
    unit = int(row["minor_unit"])
    net = int(row["ac_count"]) * int(row["fee_e4"]) + int(row["dc_count"]) * int(row["dc_fee_e4"])
    total = net * (1_000_000 + int(row["tax_rate_e6"]))
    decimals = unit if unit >= 0 else 4
    scale = 10 ** (10 - decimals)
    minor = (2 * total + scale) // (2 * scale)
    if not decimals:
        return str(minor)
    return f"{minor // 10**decimals}.{minor % 10**decimals:0{decimals}d}"
