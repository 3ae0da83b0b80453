"""Made-up users: a financial admin for every account, and others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform import APP_USER
from evbilling_local.sample.accounts import Accounts, Topic, padded
from evbilling_local.sample.draws import Ints, members
from evbilling_local.sample.places import PLACES

# The gateway's published test payment methods, by how many of 100 admins have them.
PAYMENT_METHODS: tuple[tuple[str | None, int], ...] = (
    ("pm_card_visa", 84),
    ("pm_card_mastercard", 3),
    ("pm_card_chargeDeclined", 2),
    ("pm_card_chargeDeclinedInsufficientFunds", 3),
    ("pm_card_chargeDeclinedLostCard", 1),
    ("pm_card_chargeDeclinedStolenCard", 1),
    ("pm_card_chargeDeclinedExpiredCard", 2),
    ("pm_card_chargeDeclinedProcessingError", 1),
    (None, 3),
)


def admin_ids(accounts: Accounts) -> pa.Array:
    """The user id of each account's financial admin."""
    return _user_ids(accounts, np.arange(len(accounts), dtype=np.int64), np.zeros(len(accounts), np.int64))


def user_rows(accounts: Accounts) -> pa.RecordBatch:
    """The rows of the platform table `app_user`, in contract types; an account's first user is its admin."""
    draws = accounts.draws(Topic.PEOPLE)
    per_account = 2 + draws.below(4, len(accounts))
    of, place_in = members(per_account)
    is_admin = place_in == 0
    inactive_admin = accounts.is_faulty("inactive financial admin")[of]
    active = np.where(is_admin, ~inactive_admin, draws.below(100, len(of)) < 90)
    people = pa.array([person for place in PLACES for person in place.people])
    person = pc.take(people, pa.array(accounts.place[of] * 4 + draws.below(4, len(of))))
    method = draws.pick(tuple(weight for _, weight in PAYMENT_METHODS), len(of))
    none = len(PAYMENT_METHODS) - 1
    methods = pc.take(pa.array([name for name, _ in PAYMENT_METHODS]), pa.array(np.where(is_admin, method, none)))
    number = pc.take(accounts.numbers(), pa.array(of))
    customer = pc.binary_join_element_wise("cus_", padded(draws.below(10**9, len(of)), 9), number, "")
    return pa.record_batch(
        [
            _user_ids(accounts, of, place_in),
            pc.take(accounts.ids(), pa.array(of)),
            person,
            _emails(number, place_in),
            pa.array(active.astype(bool)),
            pc.if_else(pa.array(is_admin), customer, pa.scalar(None, pa.string())),
            methods,
        ],
        names=list(APP_USER.column_names),
    )


def _user_ids(accounts: Accounts, of: Ints, place_in: Ints) -> pa.Array:
    number = pc.take(accounts.numbers(), pa.array(of))
    return pc.binary_join_element_wise("user", number, pa.array(place_in + 1).cast(pa.string()), "-")


def _emails(number: pa.Array, place_in: Ints) -> pa.Array:
    local = pc.if_else(
        pa.array(place_in == 0),
        "finance",
        pc.binary_join_element_wise("user", pa.array(place_in + 1).cast(pa.string()), ""),
    )
    return pc.binary_join_element_wise(local, "@operator-", number, ".example", "")
