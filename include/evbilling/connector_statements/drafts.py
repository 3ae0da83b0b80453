"""From connector counts to amounts: the draft of each account's statement, or why it gets none. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evbilling.money import from_minor, round_half_up, tax_minor
from evbilling.scope import account_faults, is_among

NO_CONNECTORS = "NO-CONNECTORS"
FEE_ZERO = "FEE-ZERO"
FORGIVEN = "FORGIVEN"

# A net amount up to this, times a tax rate in millionths, is exact in 64-bit integers.
_LARGEST_NET = 4_000_000_000_000

_UNBILLED_COLUMNS = (
    "account_id",
    "reason_id",
    "detail",
    "is_quarantined",
    "expected_connector_count",
    "expected_amount",
    "currency",
)


@dataclass(frozen=True, slots=True)
class Drafts:
    """What each account with billing on owes for the period.

    `statements`: a row per account to charge, with its terms, counts and amounts in minor units.
    `unbilled`: a row per account without a statement and reason, with its expected connectors and amount.
    `counts`: a row per account, all of them: extracted, billed and excluded connectors, net and tax in minor units, and
    whether it `is_quarantined`, and `is_undecided`: gets no decisions.
    """

    statements: pd.DataFrame
    unbilled: pd.DataFrame
    counts: pd.DataFrame

    @property
    def quarantined(self) -> list[str]:
        """Accounts on hold because of a fault."""
        return [str(account) for account in self.unbilled.loc[self.unbilled["is_quarantined"], "account_id"].unique()]

    @property
    def undecided(self) -> list[str]:
        """Accounts that get no decisions: on hold, or forgiven."""
        return [str(account) for account in self.counts.loc[self.counts["is_undecided"], "account_id"]]

    @property
    def nothing_owed(self) -> list[str]:
        """Accounts with billable connectors whose fees are zero."""
        return [str(account) for account in self.unbilled.loc[self.unbilled["reason_id"] == FEE_ZERO, "account_id"]]


def draft_statements(
    accounts: pd.DataFrame, summary: pd.DataFrame, forgiven: Mapping[str, str] | None = None
) -> Drafts:
    """Draft the statement of every account; `accounts` as `billed_accounts` gives them, `summary` of all shards.

    `forgiven`: the accounts whose month is forgiven, each with who and why; they get none, whatever else is so.
    """
    # Set when the run was opened; the faults found since replace it.
    frame = _with_counts(accounts.drop(columns="is_quarantined"), summary)
    frame = _with_amounts(frame)
    faults = pd.concat([account_faults(accounts), _connector_faults(summary), _amount_faults(frame)], ignore_index=True)
    is_forgiven = frame["account_id"].isin(list(forgiven or ()))
    faults = faults[~faults["account_id"].isin(list(forgiven or ()))]
    is_faulty = is_among(frame["account_id"], faults["account_id"])
    owes = ~is_faulty & ~is_forgiven & (frame["net_minor"] > 0)
    statements = frame.loc[owes].reset_index(drop=True)
    unbilled = pd.concat(
        [
            faults.assign(is_quarantined=True).merge(frame, on="account_id", how="left"),
            _nothing(frame.loc[~is_faulty & ~is_forgiven & ~owes]),
            _forgiven(frame.loc[is_forgiven], forgiven or {}),
        ],
        ignore_index=True,
    )
    unbilled["expected_amount"] = [_expected_amount(row) for row in unbilled.to_dict("records")]
    unbilled = unbilled.rename(columns={"billable": "expected_connector_count"})
    unbilled = unbilled[list(_UNBILLED_COLUMNS)].sort_values(["account_id", "reason_id"], ignore_index=True)
    counts = frame[["account_id", "extracted", "billed", "excluded", "ac_count", "dc_count", "net_minor", "tax_minor"]]
    counts = counts.assign(is_quarantined=is_faulty, is_undecided=is_faulty | is_forgiven)
    return Drafts(statements, unbilled, counts)


def _with_counts(accounts: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """`accounts` with extracted, billed, excluded, ac_count, dc_count (0 where the inventory has none).

    `billable` are those billed and those excluded only because the fee is zero.
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
    taxable = net.clip(upper=_LARGEST_NET)  # a larger amount is quarantined, so its tax doesn't matter
    tax = tax_minor(taxable.to_numpy(), frame["tax_rate_e6"].to_numpy())
    return frame.assign(net_minor=net, tax_minor=tax, total_minor=net + tax)


def _connector_faults(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per account and kind of fault over all shards: the first shard's detail, and the total."""
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
    """Accounts without a fault that owe nothing, with the reason in plain English."""
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


def _forgiven(frame: pd.DataFrame, forgiven: Mapping[str, str]) -> pd.DataFrame:
    return frame.assign(reason_id=FORGIVEN, detail=frame["account_id"].map(forgiven), is_quarantined=False)


def _expected_amount(row: Mapping[Hashable, Any]) -> str:
    """Total with tax as a decimal text in major units; with four decimals where the currency is unknown."""
    unit = int(row["minor_unit"])
    fee, dc_fee = (max(0, int(row[name])) for name in ("fee_e4", "dc_fee_e4"))
    net = int(row["ac_count"]) * fee + int(row["dc_count"]) * dc_fee
    total = net * (1_000_000 + int(row["tax_rate_e6"]))
    decimals = unit if unit >= 0 else 4
    return str(from_minor(round_half_up(total, 10 ** (10 - decimals)), decimals))
