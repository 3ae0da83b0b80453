"""A month is few tasks: their number grows with the parts of the inventory, not with accounts or payments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from evbilling.platform import SHARD_ROWS, Part, parts_for, shards_for

pytestmark = [
    pytest.mark.airflow,
    # As in test_integrity: Airflow's own imports.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated"),
]


CANARY = {"issue_canary", "charge_canary", "deliver_canary", "approve_rest", "record_rest"}


@pytest.mark.parametrize(
    ("connectors", "shards", "most"),
    [
        (0, 1, 9),
        (100_000, 1, 9),
        (1_000_000, 1, 9),
        (1_000_001, 2, 11),
        (10_000_000, 16, 15),
        (100_000_000, 128, 71),
    ],
)
def test_task_instances_grow_with_parts_only(dag_bag: Any, connectors: int, shards: int, most: int) -> None:
    """Two tasks are there once a part, the seven others once a run: 71 instances bill a hundred million connectors.

    What asks a person isn't a process unless something waits, nor is a canary unless there is one.
    """
    asking = {"approve", "record_decision", *CANARY}
    tasks = [task for task in dag_bag.dags["connector_statements"].tasks if task.task_id not in asking]
    assert shards_for(connectors, SHARD_ROWS) == shards
    parts = parts_for(shards)
    instances = sum(parts if task.is_mapped else 1 for task in tasks)
    assert instances == 7 + 2 * parts
    assert instances <= most


def test_parts_grow_slower_than_shards() -> None:
    """From 10^5 to 10^8 connectors parts never get fewer, and past two each has a million rows at least."""
    sizes = [10**power * digit for power in range(5, 9) for digit in (1, 2, 5)]
    parts = [parts_for(shards_for(size, SHARD_ROWS)) for size in sizes]
    assert all(fewer <= more for fewer, more in pairwise(parts))
    assert all(number <= max(2, size / 1_000_000) for number, size in zip(parts, sizes, strict=True))
    assert parts[0] == 1


@pytest.mark.parametrize("shards", [1, 2, 4, 16, 128])
def test_each_shard_lies_in_just_one_part(shards: int) -> None:
    """However many parts there are, all shards are read and none twice."""
    count = parts_for(shards)
    read = [shard for number in range(count) for shard in Part(number, count, shards).shard_numbers]
    assert sorted(read) == list(range(shards))
