"""The made-up accounts: how large, where, priced how, and the few that are faulty on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.errors import BadInput
from evbilling.platform import ACCOUNT
from evbilling_local.sample.draws import Draws, Flags, Ints
from evbilling_local.sample.places import OPERATORS, PLACES, TRADES, Place

BLOCK = 500
MOST_ACCOUNTS = 1_000_000
# Samples of at least this size have one account with each of the faults below.
FAULTY_FROM = 50
UNKNOWN_ZONE = "America/New York"
UNKNOWN_SCOPE = "Restricted"
FAULTS: dict[int, str] = {
    11: "no financial admin",
    17: "financial admin unknown to the platform",
    23: "inactive financial admin",
    29: "unknown scope status",
    31: "fee with too many decimals",
    37: "unknown time zone",
    41: "overlapping history",
}


class Topic(IntEnum):
    """Each has its own random stream in a block, so a change to one leaves the others alone."""

    ACCOUNTS = 1
    INVENTORY = 2
    PEOPLE = 3
    CHARGES = 4
    SETTINGS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample is made from; equal ones give equal rows. Raises `BadInput` for sizes out of range."""

    accounts: int
    seed: int
    connectors_per_account: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.accounts <= MOST_ACCOUNTS:
            raise BadInput(f"a sample has 1 to {MOST_ACCOUNTS:,} accounts, not {self.accounts}", where="--accounts")
        if not 1 <= self.connectors_per_account <= 10_000:
            raise BadInput("an account has 1 to 10,000 connectors on average", where="--connectors-per-account")
        if self.seed < 0:
            raise BadInput("a seed is not negative", where="--seed")

    @property
    def faults(self) -> dict[int, str]:
        """The faulty accounts' indexes, with what is wrong."""
        return FAULTS if self.accounts >= FAULTY_FROM else {}

    def blocks(self) -> Iterator[Accounts]:
        """The accounts, up to `BLOCK` at a time, in order."""
        for first in range(0, self.accounts, BLOCK):
            yield _accounts(self, np.arange(first, min(first + BLOCK, self.accounts), dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Accounts:
    """A block of accounts; arrays are parallel. `index` counts from 0 over the whole sample."""

    sample: Sample
    index: Ints
    place: Ints
    size: Ints
    operator: Ints
    trade: Ints

    def __len__(self) -> int:
        return len(self.index)

    def draws(self, topic: Topic) -> Draws:
        """The block's stream for `topic`."""
        return Draws(self.sample.seed, int(topic), int(self.index[0]))

    def is_faulty(self, fault: str) -> Flags:
        """The mask of accounts that have `fault`."""
        wanted = [index for index, name in self.sample.faults.items() if name == fault]
        return np.isin(self.index, wanted)

    @property
    def any_fault(self) -> Flags:
        """The mask of accounts that have a fault."""
        return np.isin(self.index, list(self.sample.faults))

    def places(self) -> list[Place]:
        """The place of each account."""
        return [PLACES[place] for place in self.place.tolist()]

    def ids(self) -> pa.Array:
        """The accounts' ids."""
        return pc.binary_join_element_wise("acc", self.numbers(), "-")

    def numbers(self) -> pa.Array:
        """The accounts' numbers from 1, as six digits."""
        return padded(self.index + 1, 6)

    def rows(self) -> pa.RecordBatch:
        """The rows of the platform table `account`, in contract types."""
        places = self.places()
        words = zip(self.operator.tolist(), self.trade.tolist(), places, self.index.tolist(), strict=True)
        names = [f"{OPERATORS[o]} {TRADES[t]} {p.cities[index % 3]} {p.legal_form}" for o, t, p, index in words]
        zones = pa.array([place.time_zone for place in places])
        zones = pc.if_else(pa.array(self.is_faulty("unknown time zone")), UNKNOWN_ZONE, zones)
        return pa.record_batch(
            [
                self.ids(),
                pa.array(names),
                pa.array([p.country for p in places]),
                zones,
                pa.array([p.currency for p in places]),
                pa.nulls(len(places), pa.string()),  # its country's
            ],
            names=list(ACCOUNT.column_names),
        )


def _accounts(sample: Sample, index: Ints) -> Accounts:
    draws = Draws(sample.seed, int(Topic.ACCOUNTS), int(index[0]))
    count = len(index)
    drawn = draws.pick(tuple(place.weight for place in PLACES), count)
    # The first ones go once round, so that a small sample has every currency too.
    place = np.where(index < len(PLACES), index, drawn)
    size = _sizes(draws, index, sample)
    operator, trade = draws.below(len(OPERATORS), count), draws.below(len(TRADES), count)
    return Accounts(sample, index, place, size, operator, trade)


def _sizes(draws: Draws, index: Ints, sample: Sample) -> Ints:
    """Connectors of each account: a few have very many (Pareto, exponent 4/3, cut at 300 times the scale)."""
    mean = sample.connectors_per_account
    root = np.sqrt(1.0 - draws.fraction(len(index)))
    # (1 - u) ** -3/4 by square roots alone: unlike pow, they are rounded the same way everywhere.
    tail = np.minimum(1.0 / (root * np.sqrt(root)), 300.0)
    size = 1 + np.floor((tail - 1.0) * ((mean - 1) / 2.55)).astype(np.int64)
    # The first account is never tiny, so that even the smallest sample has a count that moves little.
    size[index == 0] = mean
    faulty = np.isin(index, list(sample.faults))
    return np.where(faulty, np.minimum(size, max(2, mean // 4)), size)


def padded(numbers: Ints, width: int) -> pa.Array:
    """Integers as texts with leading zeros."""
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
