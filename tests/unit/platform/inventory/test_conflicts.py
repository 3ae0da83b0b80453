"""Contradicting history rows, against a plain look at every pair."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evbilling.platform.inventory.conflicts import connector_keys, is_repeated, overlapping

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
day = st.integers(0, 12)
history_rows = st.lists(
    st.tuples(st.sampled_from(["x", "y", "z"]), st.integers(1, 2), st.none() | day, st.none() | day), max_size=12
)


def _at(number: int | None) -> datetime | None:
    return None if number is None else EPOCH + timedelta(days=number)


def _frame(rows: list[tuple[str, int, int | None, int | None]]) -> pd.DataFrame:
    return pd.DataFrame(
        [(charger, connector, _at(begin), _at(end)) for charger, connector, begin, end in rows],
        columns=["charger_id", "connector_id", "valid_from", "valid_to"],
    ).astype({"valid_from": "datetime64[us, UTC]", "valid_to": "datetime64[us, UTC]"})


def _clashes(rows: list[tuple[str, int, int | None, int | None]]) -> set[tuple[str, int]]:
    """Keys of which any two rows share a moment; a row that ends where it begins, or before, has none."""
    found = set()
    for one, other in combinations(rows, 2):
        begin = max(-99 if row[2] is None else row[2] for row in (one, other))
        end = min(99 if row[3] is None else row[3] for row in (one, other))
        if one[:2] == other[:2] and begin < end:
            found.add(one[:2])
    return found


@given(history_rows)
def test_overlaps_are_those_of_a_look_at_every_pair(rows: list[Any]) -> None:
    """A key is found just if two of its rows share a moment, and it is found once."""
    found = overlapping(_frame(rows), ["charger_id", "connector_id"])
    keys = list(zip(found["charger_id"], found["connector_id"], strict=True))
    assert len(keys) == len(set(keys))
    assert set(keys) == _clashes(rows)


@given(history_rows)
def test_duplicates_are_told_from_other_overlaps(rows: list[Any]) -> None:
    """A key counts as duplicate just if two of its rows that last begin together."""
    found = overlapping(_frame(rows), ["charger_id", "connector_id"])
    lasting = [r for r in rows if (-99 if r[2] is None else r[2]) < (99 if r[3] is None else r[3])]
    twins = {one[:2] for one, other in combinations(lasting, 2) if one[:3] == other[:3]}
    duplicates = found[found["same_start"].astype(bool)]
    assert set(zip(duplicates["charger_id"], duplicates["connector_id"], strict=True)) == twins


def test_rows_that_touch_do_not_overlap() -> None:
    """Where one row ends as the next begins there is no contradiction, however many follow one another."""
    rows = [("x", 1, None, 3), ("x", 1, 3, 5), ("x", 1, 5, None)]
    assert overlapping(_frame(rows), ["charger_id", "connector_id"]).empty


def test_a_long_row_under_several_short_ones_is_found() -> None:
    """A row that covers rows which follow one another contradicts them, though neighbours by begin may not."""
    rows = [("x", 1, 0, None), ("x", 1, 1, 2), ("x", 1, 4, 5)]
    assert overlapping(_frame(rows), ["charger_id"])["charger_id"].tolist() == ["x"]


@given(st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), st.sampled_from([-1, 0, 1, 2**31 - 1])), max_size=10))
def test_connector_keys_stand_for_charger_and_connector(pairs: list[tuple[str, int]]) -> None:
    """Two rows have the same key just if charger and connector are the same; repeated ones are all found."""
    table = pa.table({
        "charger_id": pa.array([p[0] for p in pairs], pa.string()).dictionary_encode(),
        "connector_id": pa.array([p[1] for p in pairs], pa.int32()),
    })
    keys = connector_keys(table)
    for (one, key), (other, other_key) in combinations(zip(pairs, keys, strict=True), 2):
        assert (one == other) == (key == other_key)
    assert is_repeated(keys).tolist() == [pairs.count(pair) > 1 for pair in pairs]
    assert keys.dtype == np.int64
