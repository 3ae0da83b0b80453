"""What the pipeline reads from the charging platform, wherever its tables are, and how an inventory is split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from evbilling.platform.contract import ACCOUNT, ACCOUNT_CHARGE, APP_USER, CHARGER, CONNECTOR

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


# What a month's two DAGs read: the count on the 1st, and the charges at its end.
INVENTORY_TABLES = (ACCOUNT, APP_USER, CHARGER, CONNECTOR)
CHARGE_TABLES = (ACCOUNT, APP_USER, ACCOUNT_CHARGE)

# Connectors in a shard, about: what one task decides and stages.
SHARD_ROWS = 1_000_000

# A part's shards are read in one pass over the source; all of its rows are in memory then, encoded.
_SHARDS_IN_A_PART = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One of `count` parts of an inventory of `shards` shards: what one task reads in one pass over the source.

    Shards are by hash of charger_id. Both numbers are powers of two; part 1 of 2 has every second shard, from 1 on.
    """

    number: int
    count: int
    shards: int

    @property
    def shard_numbers(self) -> range:
        """The shards of this part."""
        return range(self.number, self.shards, self.count)


def shards_for(connector_rows: int, shard_rows: int) -> int:
    """The smallest power of two of shards that keeps each at about `shard_rows`."""
    return 1 << max(0, (max(connector_rows, 1) - 1) // shard_rows).bit_length()


def parts_for(shards: int) -> int:
    """The number of parts in which the shards are read.

    Each part reads through the whole source, so they are few: two where there is something to share, for two cores, and
    of a large inventory one for every four shards.
    """
    return max(min(shards, 2), shards // _SHARDS_IN_A_PART)


@dataclass(frozen=True, slots=True)
class CountWindow:
    """First and last count instant of a period over all its accounts (UTC)."""

    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Strangers:
    """Rows of an account that the platform doesn't know: its id as it is there, their number, and one or two ids.

    `moved_from`: the account at which the first of them was before, and since when it isn't any more; or None.
    """

    account_id: str | None
    rows: int
    ids: tuple[str, ...]
    moved_from: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts of the inventory as a set.

    `homeless_chargers` are chargers around the count whose account doesn't exist; `nameless_chargers` is the number of
    chargers without an id, by account. `homeless` are the first accounts of the homeless chargers, those with most
    chargers first, and `strange_users` the same of users, whenever.
    """

    connector_rows: int
    history_begins: datetime | None
    homeless_chargers: int
    nameless_chargers: dict[str, int]
    homeless: tuple[Strangers, ...] = ()
    strange_users: tuple[Strangers, ...] = ()


@dataclass(frozen=True, slots=True)
class PartRead:
    """A part of the inventory as read: each of its shards, with its number, and what no shard can contain.

    A shard is its inventory and what its chargers are called (`CHARGER_NAMES`). `orphans` are connectors around the
    count whose charger the source lacks, with a few examples.
    """

    shards: Iterator[tuple[int, pa.Table, pa.Table]]
    orphans: int
    orphan_examples: tuple[str, ...]


class InventorySource(Protocol):
    """The five tables behind one interface. Every method raises `TransientError` if the source doesn't answer."""

    label: str

    def check_contract(self) -> None:
        """Raise `BadInput` that names every missing table and column."""

    def read_accounts(self) -> pd.DataFrame:
        """The account table, a row per account."""

    def read_users(self, user_ids: Sequence[str]) -> pd.DataFrame:
        """The app_user rows with these ids, all columns."""

    def survey(self, window: CountWindow) -> Survey:
        """Facts of the set around the count."""

    def read_part(
        self, part: Part, account_ids: Sequence[str], instants: Sequence[datetime], window: CountWindow
    ) -> PartRead:
        """The part's shards: one row per connector of these accounts as of the account's instant.

        Columns account_id, charger_id, power_type, status, scope_status (dictionaries), connector_id (int32, -1 if
        the source has none) and conflict: null, `duplicate` or `overlap` where history rows contradict each other.
        Rows are in order of account, charger and connector, and dictionaries in that of their bytes, so that the same
        truth is the same table. Raises `SetFault` if fewer or more rows arrived than the source reports.
        """

    def read_charges(
        self,
        account_ids: Sequence[str],
        since: Sequence[datetime],
        until: Sequence[datetime],
        keep: Callable[[pa.Table], object],
    ) -> pd.DataFrame:
        """Give `keep` the charges of these accounts, part by part, and return the source's own totals of them.

        Each account's charges within its own [since, until), and those without a time, all as of one snapshot. Parts:
        one row per charge: account_id, charge_id, kind, description, occurred_at (UTC), net_amount, tax_amount,
        currency, settled_amount; amounts are decimal text in major units, exact. Returned: one row per account that
        has charges: account_id, charges (their number), total_amount (net and tax) and settled_amount, as decimal
        text, summed by the source. Raises `SetFault` if fewer or more rows arrived than it reports.
        """
