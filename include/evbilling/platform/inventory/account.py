"""The inventory of one account, put together by the same functions as a month's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.inventory.conflicts import connector_keys, is_repeated, with_conflicts
from evbilling.platform.inventory.counting import (
    CHARGER_HISTORY,
    CONNECTOR_HISTORY,
    CountInstants,
    count_inventory,
    repeated_chargers,
)
from evbilling.platform.inventory.table import one_chunk
from evbilling.platform.source import CountWindow

_INSTANT = pa.timestamp("us", "UTC")
_VALIDITY = {"valid_from": _INSTANT, "valid_to": _INSTANT}

CHARGER_ROWS = pa.schema({
    "charger_id": pa.string(),
    "account_id": pa.string(),
    "name": pa.string(),
    "site": pa.string(),
    "scope_status": pa.string(),
    **_VALIDITY,
})
CONNECTOR_ROWS = pa.schema({
    "charger_id": pa.string(),
    "connector_id": pa.int32(),
    "standard": pa.string(),
    "power_type": pa.string(),
    "status": pa.string(),
    **_VALIDITY,
})


@dataclass(frozen=True, slots=True)
class AccountHistory:
    """The platform's rows about one account's chargers, as it has them.

    `chargers` (of `CHARGER_ROWS`) also has the rows of these chargers at other accounts, and rows of the account that
    have no charger_id; `connectors` (of `CONNECTOR_ROWS`) are those of these chargers.
    """

    chargers: pa.Table
    connectors: pa.Table

    def accounts_around(self, window: CountWindow) -> list[str]:
        """The accounts with one of the chargers around the count, in order."""
        rows = _around(self.chargers, window).column("account_id")
        return sorted(account for account in rows.unique().to_pylist() if account is not None)

    def nameless_chargers(self, at: CountInstants) -> dict[str, int]:
        """The number of chargers without a charger_id around the count, by account."""
        rows = _around(self.chargers, _window(at))
        nameless = rows.filter(pc.and_(pc.is_null(rows.column("charger_id")), pc.is_valid(rows.column("account_id"))))
        counts = nameless.column("account_id").value_counts().to_pylist()
        return {pair["values"]: pair["counts"] for pair in counts}


def account_inventory(history: AccountHistory, at: CountInstants) -> pa.Table:
    """A row per connector of `history` at each account of `at`, as `InventorySource.read_part` would give it.

    Histories contradict each other if they do so between the first and the last of the instants.
    """
    window = _window(at)
    charger_rows = _around(history.chargers, window)
    connector_rows = _around(history.connectors, window)
    chargers = _bounded(charger_rows, CHARGER_HISTORY, window)
    connectors = _bounded(connector_rows, CONNECTOR_HISTORY, window)
    table = count_inventory(chargers, connectors, at).inventory
    twice = is_repeated(connector_keys(table))
    counted_twice = table.column("charger_id").filter(pa.array(twice)).unique().cast(pa.string())
    shared = pa.array(repeated_chargers(chargers), pa.string())
    return with_conflicts(
        table,
        charger_rows.filter(pc.is_in(charger_rows.column("charger_id"), shared)).to_pandas(),
        connector_rows.filter(pc.is_in(connector_rows.column("charger_id"), counted_twice)).to_pandas(),
    )


def _window(at: CountInstants) -> CountWindow:
    first, last = (
        pa.scalar(int(end), pa.int64()).cast(_INSTANT).as_py() for end in (at.instants.min(), at.instants.max())
    )
    return CountWindow(first, last)


def _around(rows: pa.Table, window: CountWindow) -> pa.Table:
    """The rows that were valid at some moment of the window."""
    begins, ends = rows.column("valid_from"), rows.column("valid_to")
    begun = pc.fill_null(pc.less_equal(begins, _at(window.last)), True)
    not_ended = pc.fill_null(pc.greater(ends, _at(window.first)), True)
    return rows.filter(pc.and_(begun, not_ended))


def _bounded(rows: pa.Table, schema: pa.Schema, window: CountWindow) -> pa.Table:
    """`rows` as the counting takes them: bounds only where they are within the window, texts encoded."""
    begins, ends = rows.column("valid_from"), rows.column("valid_to")
    never = pa.scalar(None, _INSTANT)
    bounds = {
        "began": pc.if_else(pc.fill_null(pc.greater(begins, _at(window.first)), False), begins, never),
        "ended": pc.if_else(pc.fill_null(pc.less_equal(ends, _at(window.last)), False), ends, never),
    }
    columns = {name: rows.column(name).cast(schema.field(name).type) for name in schema.names if name not in bounds}
    table = pa.table([(columns | bounds)[name] for name in schema.names], schema=schema)
    return one_chunk(table.to_batches(), schema)


def _at(instant: datetime) -> pa.Scalar:
    return pa.scalar(instant, _INSTANT)
