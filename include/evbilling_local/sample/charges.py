"""Made-up charges of accounts beside their connectors: this month's and the six before."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.money import minor_unit, tax_minor
from evbilling.period import Period
from evbilling.platform import ACCOUNT_CHARGE
from evbilling.platform.files import AMOUNT
from evbilling_local.sample.accounts import Accounts, Topic
from evbilling_local.sample.draws import Draws, Ints, members
from evbilling_local.sample.inventory import instants, seconds
from evbilling_local.sample.people import admin_ids
from evbilling_local.sample.places import PLACES

MONTHS = 7
KINDS = (
    ("charging_sessions", "Charging sessions"),
    ("roaming", "Roaming fees"),
    ("support", "Support visit"),
    ("hardware_lease", "Hardware lease"),
)


def charge_rows(accounts: Accounts, today: date) -> list[pa.RecordBatch]:
    """The rows of the platform table `account_charge`, in contract types, a batch a month, oldest first."""
    draws = accounts.draws(Topic.CHARGES)
    this_month = Period(today.year, today.month)
    months = [this_month.shifted(-back) for back in reversed(range(MONTHS))]
    return [_month_rows(accounts, draws, month, today) for month in months]


def _month_rows(accounts: Accounts, draws: Draws, month: Period, today: date) -> pa.RecordBatch:
    start = seconds(month.first_day)
    length = min(seconds(month.shifted(1).first_day), seconds(today)) - start
    per_account = draws.below(3, len(accounts)) * (length > 0)
    of, place_in = members(per_account)
    kind = draws.pick((70, 15, 10, 5), len(of))
    net = 500 + draws.below(50_000, len(of))
    tax = tax_minor(net, _tax_millionths()[accounts.place[of]])
    settled = np.choose(draws.pick((85, 12, 3), len(of)), [net + tax, np.zeros_like(net), (net + tax) // 2])
    occurred = start + draws.below(max(1, length // 60), len(of)) * 60
    at = pa.array(of)
    number = pc.take(accounts.numbers(), at)
    charge_id = pc.binary_join_element_wise(
        "charge", number, str(month).replace("-", ""), pa.array(place_in + 1).cast(pa.string()), "-"
    )
    description = pc.take(pa.array([text for _, text in KINDS]), pa.array(kind))
    currencies = pa.array([place.currency for place in accounts.places()])
    place = accounts.place[of]
    return pa.record_batch(
        [
            charge_id,
            pc.take(accounts.ids(), at),
            pc.take(admin_ids(accounts), at),
            pc.take(pa.array([name for name, _ in KINDS]), pa.array(kind)),
            pc.binary_join_element_wise(description, str(month), " "),
            instants(occurred),
            _amounts(net, place),
            _amounts(tax, place),
            pc.take(currencies, at),
            _amounts(settled, place),
        ],
        names=list(ACCOUNT_CHARGE.column_names),
    )


def _tax_millionths() -> Ints:
    return np.array([int(place.tax_rate.scaleb(6)) for place in PLACES], dtype=np.int64)


def _amounts(minor: Ints, place: Ints) -> pa.Array:
    """Minor units of each place's currency as decimals, without a float on the way."""
    shifts = np.array([10 ** (6 - (minor_unit(p.currency) or 0)) for p in PLACES], dtype=np.int64)
    # A decimal128 is a 16-byte integer: the value in the low word, its sign in the high one.
    low = minor * shifts[place]
    words = np.stack([low, low >> 63], axis=1)
    return pa.Array.from_buffers(AMOUNT, len(low), [None, pa.py_buffer(np.ascontiguousarray(words))])
