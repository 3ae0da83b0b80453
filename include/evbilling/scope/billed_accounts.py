"""The accounts that are billed in a period, each with its terms, count instant and faults of its own."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.money import minor_unit
from evbilling.period import Period, is_time_zone

BILLED_ACCOUNT_COLUMNS = (
    "account_id",
    "account_name",
    "time_zone",
    "currency",
    "minor_unit",
    "count_instant",
    "setting_id",
    "financial_admin_id",
    "fee_e4",
    "dc_fee_e4",
    "fee_minor",
    "dc_fee_minor",
    "exclude_closed",
    "exclude_private",
    "tax_rate_e6",
    "is_free",
    "is_known",
    "is_repeated",
    "admin_account_id",
    "admin_is_active",
    "admin_rows",
    "nameless_chargers",
    "is_covered",
    "is_quarantined",
)


@dataclass(frozen=True, slots=True)
class AccountFault:
    """A fault of an account itself. `detail` is filled from the account's row."""

    reason_id: str
    detail: str
    applies: Callable[[pd.DataFrame], pd.Series[bool]]


ACCOUNT_FAULTS: tuple[AccountFault, ...] = (
    AccountFault(
        "ACCOUNT-UNKNOWN",
        "billing is on for {account_id}, but the platform has no such account; fix the id in the settings",
        lambda a: ~a["is_known"],
    ),
    AccountFault(
        "ACCOUNT-REPEATED",
        "the platform has several rows for account {account_id}; keep one",
        operator.itemgetter("is_repeated"),
    ),
    AccountFault(
        "TIME-ZONE-UNKNOWN",
        "time zone {time_zone!r} is not an IANA time zone, so the count has no instant; fix it in the platform",
        lambda a: a["is_known"] & ~_are_time_zones(a["time_zone"]),
    ),
    AccountFault(
        "CURRENCY-UNKNOWN",
        "currency {currency!r} is not an ISO 4217 currency; fix it in the platform",
        lambda a: a["is_known"] & (a["minor_unit"] < 0),
    ),
    AccountFault(
        "FEE-INVALID",
        "the fee recorded is no amount; set one in the account's billing settings",
        lambda a: (a["fee_e4"] < 0) | (a["dc_fee_e4"] < 0),
    ),
    AccountFault(
        "FEE-DECIMALS",
        "a fee of {fee} / {dc_fee} (DC) has more decimals than {currency} has ({minor_unit}); "
        "set one that can be paid exactly",
        lambda a: (
            (a["minor_unit"] >= 0)
            & (a[["fee_e4", "dc_fee_e4"]].min(axis=1) >= 0)
            & (_remainder(a, "fee_e4") | _remainder(a, "dc_fee_e4"))
        ),
    ),
    AccountFault(
        "ADMIN-MISSING",
        "no financial admin is set; choose one in the account's billing settings",
        lambda a: a["financial_admin_id"].isna(),
    ),
    AccountFault(
        "ADMIN-UNKNOWN",
        "financial admin {financial_admin_id} is not a user of the platform; choose another",
        lambda a: a["financial_admin_id"].notna() & (a["admin_rows"] == 0),
    ),
    AccountFault(
        "ADMIN-REPEATED",
        "the platform has {admin_rows} different rows for financial admin {financial_admin_id} ({admin_account_id}); "
        "keep one",
        lambda a: a["admin_rows"] > 1,
    ),
    AccountFault(
        "ADMIN-OF-ANOTHER-ACCOUNT",
        "financial admin {financial_admin_id} is a user of account {admin_account_id}; choose one of this account",
        lambda a: (a["admin_rows"] == 1) & (a["admin_account_id"] != a["account_id"]),
    ),
    AccountFault(
        "ADMIN-INACTIVE",
        "financial admin {financial_admin_id} is inactive; choose another or activate the user",
        lambda a: (a["admin_rows"] == 1) & ~a["admin_is_active"].fillna(False).astype(bool),
    ),
    AccountFault(
        "CHARGER-ID-MISSING",
        "{nameless_chargers} of the account's chargers have no charger_id, so their connectors can't be counted; "
        "fix them in the platform",
        lambda a: a["nameless_chargers"] > 0,
    ),
    AccountFault(
        "SNAPSHOT-WITHOUT-ACCOUNT",
        "the month is billed from its stored snapshot, and {account_id} was not billed when that was taken; "
        "bill it by hand",
        lambda a: ~a["is_covered"],
    ),
)


def billed_accounts(
    accounts: pd.DataFrame,
    users: pd.DataFrame,
    terms: pd.DataFrame,
    period: Period,
    nameless_chargers: Mapping[str, int],
) -> pd.DataFrame:
    """One row per account that has billing on in `period`, in order of account_id; columns `BILLED_ACCOUNT_COLUMNS`.

    `accounts` and `users` are the platform's, `terms` the settings in force (account_id, setting_id, ...). A fee in
    minor units is 0 where it or the currency is at fault; `count_instant` is midnight UTC where the zone is unknown,
    so that the amount expected of such an account can still be given. `admin_rows` counts the different rows of the
    financial admin; with several, `admin_account_id` names the accounts of all.
    """
    known = accounts.drop_duplicates("account_id").set_index("account_id")
    frame = terms.reset_index(drop=True).copy()
    ids = frame["account_id"]
    frame["is_known"] = is_among(ids, known.index)
    frame["is_repeated"] = is_among(ids, accounts.loc[accounts["account_id"].duplicated(), "account_id"])
    for name, column in (("account_name", "name"), ("time_zone", "time_zone"), ("currency", "currency")):
        # As objects: an empty column would turn to float.
        frame[name] = ids.map(known[column]).astype(object)
    units = {code: minor_unit(code) for code in frame["currency"].dropna().unique()}
    frame["minor_unit"] = frame["currency"].map({c: -1 if u is None else u for c, u in units.items()}).fillna(-1)
    frame["minor_unit"] = frame["minor_unit"].astype(np.int64)

    instants = {
        zone: period.count_instant(zone if is_time_zone(zone) else "UTC")
        for zone in [*frame["time_zone"].dropna().unique(), "UTC"]
    }
    frame["count_instant"] = pd.to_datetime(frame["time_zone"].fillna("UTC").map(instants), utc=True)

    for name in ("fee", "dc_fee"):
        exact = (frame["minor_unit"] >= 0) & (frame[f"{name}_e4"] >= 0) & ~_remainder(frame, f"{name}_e4")
        scaled = frame[f"{name}_e4"] * 10 ** frame["minor_unit"].clip(lower=0) // 10_000
        frame[f"{name}_minor"] = scaled.where(exact, 0).astype(np.int64)
    frame["is_free"] = (frame["fee_e4"] == 0) & (frame["dc_fee_e4"] == 0)

    # As `evbilling.platform.Users`: rows that are equal in all columns are one.
    different, admin = users.drop_duplicates(), frame["financial_admin_id"]
    user = different.drop_duplicates("user_id").set_index("user_id")
    repeated = different[different["user_id"].duplicated(keep=False)].groupby("user_id")["account_id"].agg(_named)
    frame["admin_rows"] = admin.map(different["user_id"].value_counts()).fillna(0).astype(np.int64)
    frame["admin_account_id"] = admin.map(pd.concat([user["account_id"].drop(repeated.index), repeated])).astype(object)
    # A user whose `active` is empty is known but not active: only an unknown one may stay null here.
    frame["admin_is_active"] = admin.map(user["active"].fillna(False)).astype(object)
    frame["nameless_chargers"] = ids.map(dict(nameless_chargers)).fillna(0).astype(np.int64)
    frame["is_covered"] = True
    return _with_quarantine(frame)[list(BILLED_ACCOUNT_COLUMNS)].sort_values("account_id", ignore_index=True)


def _named(accounts: pd.Series[Any]) -> str:
    """The accounts of one user's rows, each once."""
    return ", ".join(sorted({account if isinstance(account, str) else "(none)" for account in accounts}))


def as_of_snapshot(accounts: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """`accounts` for a run that bills the snapshot of an earlier run, whose accounts were `kept`.

    The source's chargers of today are ignored, and an account that the snapshot lacks has a fault.
    """
    then = kept.set_index("account_id")["nameless_chargers"]
    return _with_quarantine(
        accounts.assign(
            nameless_chargers=accounts["account_id"].map(then).fillna(0).astype(np.int64),
            is_covered=accounts["account_id"].isin(then.index),
        )
    )


def _with_quarantine(accounts: pd.DataFrame) -> pd.DataFrame:
    is_quarantined = np.zeros(len(accounts), dtype=bool)
    for fault in ACCOUNT_FAULTS:
        is_quarantined |= fault.applies(accounts).to_numpy(dtype=bool)
    return accounts.assign(is_quarantined=is_quarantined)


class _Empty:
    """How a fault's detail shows an empty value, quoted or not."""

    def __str__(self) -> str:
        return "(none)"

    __repr__ = __str__


_EMPTY = _Empty()


def account_faults(accounts: pd.DataFrame) -> pd.DataFrame:
    """One row per fault of the accounts in the frame of `billed_accounts`: account_id, reason_id, detail."""
    found = []
    for fault in ACCOUNT_FAULTS:
        for row in accounts.loc[fault.applies(accounts).to_numpy(dtype=bool)].to_dict("records"):
            row = {key: _EMPTY if pd.api.types.is_scalar(v) and pd.isna(v) else v for key, v in row.items()}
            row["fee"], row["dc_fee"] = (f"{row[k] / 10_000:.4f}".rstrip("0") for k in ("fee_e4", "dc_fee_e4"))
            found.append({
                "account_id": row["account_id"],
                "reason_id": fault.reason_id,
                "detail": fault.detail.format_map(row),
            })
    return pd.DataFrame(found, columns=["account_id", "reason_id", "detail"])


def shared_customers(accounts: pd.DataFrame, users: pd.DataFrame) -> list[str]:
    """The gateway's customers that financial admins of several accounts have, in order.

    `accounts` as `billed_accounts` gives them, `users` as the platform has them. It may be meant: one payer for several
    accounts. Or an id was copied, and one pays for the other.
    """
    sound = accounts.loc[~accounts["is_quarantined"], ["account_id", "financial_admin_id"]]
    named = users[["user_id", "payment_customer"]].dropna()
    pairs = sound.merge(named, left_on="financial_admin_id", right_on="user_id")
    pairs = pairs.loc[pairs["payment_customer"] != "", ["payment_customer", "account_id"]].drop_duplicates()
    return sorted(pairs.loc[pairs["payment_customer"].duplicated(), "payment_customer"].unique())


def is_among(texts: pd.Series[Any], known: pd.Series[Any] | pd.Index[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """As `Series.isin`, which handles Arrow strings one by one in Python."""
    asked, given = (pa.array(values, pa.string(), from_pandas=True) for values in (texts, known))
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.is_in(asked, given).to_numpy(zero_copy_only=False)
    return found


def _are_time_zones(names: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    # Many accounts share few zones.
    codes, zones = pd.factorize(names, use_na_sentinel=False)
    return np.array([is_time_zone(zone) for zone in zones], dtype=bool)[codes]


def _remainder(accounts: pd.DataFrame, column: str) -> pd.Series[bool]:
    """True where the fee in 1/10000 isn't a whole number of the currency's minor units."""
    step = 10 ** (4 - accounts["minor_unit"].clip(lower=0))
    return (accounts[column] % step) != 0
