"""What chargers and connectors are called, as of the count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evbilling.platform.inventory import (
    CHARGER_HISTORY,
    CHARGER_NAMES,
    CONNECTOR_HISTORY,
    CountInstants,
    count_inventory,
    legible,
    one_chunk,
)
from evbilling.platform.inventory.table import ENCODED

# Standards of a charger's connectors by their number; 0 is the station itself.
stations = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 3), st.sampled_from(["Type 2", "CCS", None]), min_size=1),
    max_size=6,
)


def _named(stations: dict[str, dict[int, str | None]], name: str = "Lobby", site: str = "Lyon") -> list[dict[str, Any]]:
    """The names of stations of one account, in order."""
    chargers = [(charger, "acc", f"{name} {charger}", site, "Public", None, None) for charger in stations]
    connectors = [
        (charger, number, standard, "AC", "in_service", None, None)
        for charger, outlets in stations.items()
        for number, standard in outlets.items()
    ]
    at = CountInstants.of(["acc"], [datetime(2026, 11, 1, tzinfo=UTC)])
    names = count_inventory(_table(chargers, CHARGER_HISTORY), _table(connectors, CONNECTOR_HISTORY), at).names
    assert names.schema == CHARGER_NAMES
    found: list[dict[str, Any]] = names.to_pylist()
    return found


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [
        pa.array(values, type=pa.string() if field.type == ENCODED else field.type).cast(field.type)
        for values, field in zip(columns, schema, strict=True)
    ]
    return one_chunk([pa.record_batch(arrays, schema=schema)], schema)


@given(stations)
def test_each_charger_has_its_name_and_each_connector_its_standard(stations: dict[str, dict[int, str | None]]) -> None:
    """In one word where all connectors have the same one; by connector where they don't."""
    found = _named(stations)
    assert [row["charger_id"] for row in found] == sorted(stations)
    for row in found:
        outlets = stations[row["charger_id"]]
        assert (row["name"], row["site"], row["scope_status"]) == (f"Lobby {row['charger_id']}", "Lyon", "Public")
        assert row["standard"] is None or row["standards"] is None
        several = json.loads(row["standards"] or "{}")
        read = {number: several.get(str(number), row["standard"] if number else None) for number in outlets}
        assert read == outlets or (read | {0: outlets.get(0)} == outlets and outlets[0] == row["standard"])
        assert row["standards"] is None or len({outlets[number] for number in outlets if number}) + (0 in outlets) > 1


def test_texts_are_kept_as_people_can_read_them() -> None:
    """At most 300 characters; nothing is null; what isn't UTF-8, from a database without an encoding, is replaced."""
    raw = pa.array([b"caf\xe9", b"", None, b"x" * 10_000, "日本".encode() * 151], pa.binary())
    strange = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    assert legible(strange).to_pylist() == ["caf\ufffd", None, None, "x" * 300, "日本" * 150]
