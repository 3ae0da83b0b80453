"""How an inventory is split: into shards that one task decides and stages, and parts that one task reads."""

from __future__ import annotations

from dataclasses import dataclass

# Connectors in a shard, about.
SHARD_ROWS = 1_000_000

# A part's shards are read in one pass over the source; all of its rows are in memory then, encoded.
_SHARDS_IN_A_PART = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One of `count` parts of an inventory of `shards` shards: what is read from the source in one pass.

    Shards are by hash of charger_id. Both numbers are powers of two; part 1 of 2 has every second shard, from 1 on.
    """

    number: int
    count: int
    shards: int

    @property
    def shard_numbers(self) -> range:
        """The shards that lie in this part."""
        return range(self.number, self.shards, self.count)


def shards_for(connector_rows: int, shard_rows: int) -> int:
    """The smallest power of two of shards that keeps each at about `shard_rows`."""
    return 1 << max(0, (max(connector_rows, 1) - 1) // shard_rows).bit_length()


def parts_for(shards: int) -> int:
    """In how many parts so many shards are read.

    Each part reads through the whole source, so they are few: two where there is something to share, for two cores, and
    of a large inventory one for every four shards.
    """
    return max(min(shards, 2), shards // _SHARDS_IN_A_PART)
