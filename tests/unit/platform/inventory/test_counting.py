"""Putting chargers and connectors together as of each account's instant, against a plain look at every pair."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evbilling.platform.inventory import (
    CHARGER_HISTORY,
    CONNECTOR_HISTORY,
    Counted,
    CountInstants,
    count_inventory,
    repeated_chargers,
)
from evbilling.platform.inventory.table import ENCODED, INVENTORY_SCHEMA, column_values, one_chunk

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
INSTANTS = {"acc-1": 0, "acc-2": 6, "acc-3": -9}
hour = st.none() | st.integers(-10, 8)
accounts = st.sampled_from([*INSTANTS, "not billed", None])
ids = st.sampled_from(["c", "b", "a", "ä", "", None])
texts = st.sampled_from(["", "Type 2", "CCS", "C" * 301, None])
chargers_strategy = st.lists(
    st.tuples(ids, accounts, texts, texts, st.sampled_from(["Public", "Closed", None]), hour, hour), max_size=8
)
connectors_strategy = st.lists(
    st.tuples(
        ids, st.none() | st.integers(0, 3), texts, st.sampled_from(["AC", "DC"]), st.just("in_service"), hour, hour
    ),
    max_size=10,
)


def _at(hours: int | None) -> datetime | None:
    return None if hours is None else MIDNIGHT + timedelta(hours=hours)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """In batches of three rows, as a driver would hand them over: each with words of its own."""
    rows = [(*row[:-2], _at(row[-2]), _at(row[-1])) for row in rows]
    batches = []
    for start in range(0, len(rows), 3):
        columns = list(zip(*rows[start : start + 3], strict=True))
        arrays = [
            pa.array(values, type=pa.string() if field.type == ENCODED else field.type).cast(field.type)
            for values, field in zip(columns, schema, strict=True)
        ]
        batches.append(pa.record_batch(arrays, schema=schema))
    return one_chunk(batches, schema)


def _counted(chargers: list[Any], connectors: list[Any]) -> Counted:
    return count_inventory(_table(chargers, CHARGER_HISTORY), _table(connectors, CONNECTOR_HISTORY), _count_instants())


def _count_instants() -> CountInstants:
    return CountInstants.of(list(INSTANTS), [_at(hours) or MIDNIGHT for hours in INSTANTS.values()])


def _holds(began: int | None, ended: int | None, hours: int) -> bool:
    return (began is None or began <= hours) and (ended is None or ended > hours)


@given(chargers_strategy, connectors_strategy)
def test_the_inventory_is_that_of_a_look_at_every_pair(chargers: list[Any], connectors: list[Any]) -> None:
    """Each connector is counted at the account of each charger row that held at that account's instant, as it did."""
    due = sorted(
        (account, charger, -1 if number is None else number, power, status, scope or "")
        for charger, account, _, _, scope, *of_charger in chargers
        for of, number, _, power, status, *of_connector in connectors
        if charger is not None and charger == of and account in INSTANTS
        if _holds(*of_charger, INSTANTS[account]) and _holds(*of_connector, INSTANTS[account])
    )
    found = _counted(chargers, connectors).inventory
    assert found.schema == INVENTORY_SCHEMA
    rows = [tuple(row.values()) for row in found.to_pylist()]
    assert sorted((*row[:5], row[5] or "") for row in rows) == due
    keys = [(row[0].encode(), row[1].encode(), row[2]) for row in rows]
    assert keys == sorted(keys)


@given(chargers_strategy, connectors_strategy, st.randoms(use_true_random=False))
def test_the_same_truth_is_the_same_table_in_whatever_order_it_comes(
    chargers: list[Any], connectors: list[Any], chance: random.Random
) -> None:
    one = _counted(chargers, connectors)
    chance.shuffle(chargers)
    chance.shuffle(connectors)
    other = _counted(chargers, connectors)
    assert one.inventory.equals(other.inventory)
    assert one.names.select(["account_id", "charger_id"]).equals(other.names.select(["account_id", "charger_id"]))


def test_only_words_that_occur_are_kept_in_order_of_their_bytes() -> None:
    """What stands in the evidence doesn't depend on chargers of others, or on what came with the batch."""
    chargers = [("z", "acc-1", None, None, "Public", None, None), ("é", "acc-2", None, None, "Closed", None, None)]
    chargers += [("a", "not billed", None, None, "Private", None, None)]
    connectors = [(charger, 1, None, "AC", "in_service", None, None) for charger in ("é", "z", "a", "orphan")]
    found = _counted(chargers, connectors).inventory
    assert column_values(found, "charger_id").to_pylist() == ["z", "é"]
    assert column_values(found, "account_id").to_pylist() == ["acc-1", "acc-2"]
    assert column_values(found, "scope_status").to_pylist() == ["Closed", "Public"]


@given(chargers_strategy)
def test_repeated_chargers_are_those_with_more_than_one_row(chargers: list[Any]) -> None:
    """Whatever their accounts: that a charger has two owners is a fault, whoever the other is."""
    named = [row[0] for row in chargers if row[0] is not None]
    found = repeated_chargers(_table(chargers, CHARGER_HISTORY))
    assert sorted(found) == sorted(name for name in set(named) if named.count(name) > 1)


def test_an_instant_is_the_first_of_a_row_and_no_longer_the_last_of_one() -> None:
    """Touching rows: what begins at the instant counts, what ends at it doesn't."""
    chargers = [("x", "acc-1", "Old", None, "Closed", None, 0), ("x", "acc-1", "New", None, "Public", 0, None)]
    connectors = [("x", 1, "A", "AC", "planned", None, 0), ("x", 1, "B", "DC", "in_service", 0, None)]
    found = _counted(chargers, connectors).inventory
    assert found.select(["scope_status", "power_type", "status"]).to_pylist() == [
        {"scope_status": "Public", "power_type": "DC", "status": "in_service"}
    ]
    assert found.column("connector_id").to_numpy().tolist() == np.array([1]).tolist()
