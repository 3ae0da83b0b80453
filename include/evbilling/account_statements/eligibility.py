"""Which accounts get a statement, who receives it, which charges it may list, and why it is withheld. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evbilling.period import Period, is_time_zone
from evbilling.platform import LONGEST_ID
from evbilling.scope import BILLED_ACCOUNT_COLUMNS, account_faults, billed_accounts, is_among

# The account faults that leave its statement without a recipient, a currency or a month. Faults of its fees or
# chargers only concern its connector statement.
ADDRESS_FAULTS = (
    "ACCOUNT-UNKNOWN",
    "ACCOUNT-REPEATED",
    "TIME-ZONE-UNKNOWN",
    "CURRENCY-UNKNOWN",
    "ADMIN-MISSING",
    "ADMIN-UNKNOWN",
    "ADMIN-REPEATED",
    "ADMIN-OF-ANOTHER-ACCOUNT",
    "ADMIN-INACTIVE",
)

# Further reasons to withhold a statement; filled in with the number of amounts, the first of them, and the account.
AMOUNT_FAULTS: dict[str, str] = {
    "CURRENCY-CHANGED": "{hits} amount(s) in {shown}, first {first_id}, but the account's currency is {currency} now; "
    "set it back to {shown} in the platform until they are settled",
    "CHARGE-INCOMPLETE": "{hits} charge(s) without an id, a time, an amount or a currency, first {first_id}; fix them "
    "in the platform",
    "CHARGE-ID-TOO-LONG": "{hits} charge(s) whose charge_id has more than "
    f"{LONGEST_ID} characters, first {{first_id}}; give them shorter ones in the platform",
    "CHARGE-REPEATED": "{hits} charges that share their charge_id with another, first {first_id}; give each charge an "
    "id of its own in the platform",
    "CHARGE-CURRENCY": "{hits} charge(s) in another currency than the account's {currency}, first {first_id} "
    "({shown}); fix them in the platform",
    "CHARGE-DECIMALS": "{hits} charge(s) with more decimals than {currency} has ({minor_unit}), first {first_id} "
    "({shown}); fix them in the platform",
    "CHARGE-TOO-LARGE": "{hits} charge(s) of an amount beyond any sensible one, first {first_id} ({shown}); fix them "
    "in the platform",
}

_ADDRESS = ("account_name", "financial_admin_id", "time_zone", "currency", "minor_unit")
CANDIDATE_COLUMNS = (
    "account_id",
    *_ADDRESS,
    "last_statement_id",
    "opening_minor",
    "opening_currency",
    "opens_at",
    "charges_since",
    "charges_until",
)


def addressed(
    candidates: pd.DataFrame, accounts: pd.DataFrame, users: pd.DataFrame, terms: pd.DataFrame, period: Period
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The candidates with recipient and windows (a row each, `CANDIDATE_COLUMNS`), and the faults of their recipients.

    `candidates` from the query account_statements/candidates, `accounts` and `users` from the platform, `terms` the
    settings in force of those with billing on. An account with billing off, or that the platform no longer has, has
    the recipient of its newest statement of any kind, and then no fault. Faults: account_id, reason_id, detail.
    `opens_at` is 00:00 on the 1st of `period`; charges count from 00:00 on the 1st of the account's first stated
    period, as its zone then was, to 00:00 on the 1st after `period` (UTC instants; an unknown zone counts as UTC).
    """
    on = terms[is_among(terms["account_id"], candidates.loc[candidates["is_on"].astype(bool), "account_id"])]
    now = (
        billed_accounts(accounts, users, on, period, {})
        if len(on)
        else pd.DataFrame(columns=list(BILLED_ACCOUNT_COLUMNS))
    )
    faults = account_faults(now)
    known = now.set_index("account_id").reindex(candidates["account_id"])
    frame = candidates.reset_index(drop=True)
    falls_back = frame["newest_currency"].notna() & ~known["is_known"].eq(True).to_numpy()
    for column in _ADDRESS:
        current = pd.Series(known[column].to_numpy(dtype=object), dtype=object)
        frame[column] = frame[f"newest_{column}"].astype(object).where(falls_back, current)
    frame["minor_unit"] = frame["minor_unit"].fillna(-1).astype("int64")

    this = pd.Series(str(period), index=frame.index)
    first_zone = frame["first_zone"].where(frame["first_zone"].notna(), frame["time_zone"])
    frame["opens_at"] = _begins(this, frame["time_zone"])
    frame["charges_since"] = _begins(frame["first_period"].where(frame["first_period"].notna(), this), first_zone)
    frame["charges_until"] = _begins(pd.Series(str(period.shifted(1)), index=frame.index), frame["time_zone"])

    excused = is_among(faults["account_id"], frame.loc[falls_back, "account_id"])
    return frame[list(CANDIDATE_COLUMNS)], faults[faults["reason_id"].isin(ADDRESS_FAULTS) & ~excused]


def amount_faults(found: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """`found` (the query account_statements/faults) in plain English: account_id, reason_id, detail."""
    rows: Sequence[dict[str, Any]] = found.merge(
        candidates[["account_id", "currency", "minor_unit"]], on="account_id", how="left"
    ).to_dict("records")  # type: ignore[assignment]
    return pd.DataFrame({
        "account_id": [row["account_id"] for row in rows],
        "reason_id": [row["reason_id"] for row in rows],
        "detail": [AMOUNT_FAULTS[row["reason_id"]].format_map(row) for row in rows],
    })


def _begins(periods: pd.Series[Any], zones: pd.Series[Any]) -> pd.Series[Any]:
    """00:00 on the 1st of each period in its zone, as UTC."""
    # Many accounts share few pairs.
    period_codes, months = pd.factorize(periods)
    zone_codes, names = pd.factorize(zones, use_na_sentinel=False)
    pairs, of = np.unique(period_codes * len(names) + zone_codes, return_inverse=True)
    instants = [
        Period.parse(months[pair // len(names)]).count_instant(name if is_time_zone(name) else "UTC")
        for pair, name in ((pair, names[pair % len(names)]) for pair in pairs.tolist())
    ]
    return pd.Series(pd.DatetimeIndex(pd.to_datetime(instants, utc=True))[of], index=periods.index)
