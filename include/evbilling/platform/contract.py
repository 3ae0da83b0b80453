"""The contract of the five platform tables: their columns, types, and which may be empty.

This is the only place where the columns are listed; the loader, the readers, the made-up platform and the checks of a
source all follow it. What is *semantically* wrong (an unknown scope status, say) is no breach of this contract: such
rows come in, and the account concerned is quarantined (see `evbilling.scope.connector_faults`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Characters of an id: two of them, of four bytes each, still fit into a key of Postgres.
LONGEST_ID = 300

ColumnType = Literal["text", "boolean", "integer", "timestamp", "amount"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a platform table.

    `required`: a row without it can't be loaded. `optional`: a source may be without it, which is as if it were empty.
    """

    name: str
    type: ColumnType
    required: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One platform table: its name and its columns in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _table(table: str, /, **columns: str) -> Table:
    """A table from `column="type"` pairs; a type that ends with `!` is required, with `?` optional."""
    return Table(
        table,
        tuple(
            Column(name, kind.rstrip("!?"), required=kind.endswith("!"), optional=kind.endswith("?"))  # type: ignore[arg-type]
            for name, kind in columns.items()
        ),
    )


ACCOUNT = _table(
    "account",
    account_id="text!",
    name="text",
    country="text",
    time_zone="text",
    currency="text",
    language="text?",
)
APP_USER = _table(
    "app_user",
    user_id="text!",
    account_id="text",
    full_name="text",
    email="text",
    active="boolean",
    payment_customer="text",
    payment_method="text",
)
CHARGER = _table(
    "charger",
    charger_id="text!",
    account_id="text",
    name="text",
    site="text",
    scope_status="text",
    valid_from="timestamp!",
    valid_to="timestamp",
)
CONNECTOR = _table(
    "connector",
    charger_id="text!",
    connector_id="integer!",
    standard="text",
    power_type="text",
    status="text",
    valid_from="timestamp!",
    valid_to="timestamp",
)
ACCOUNT_CHARGE = _table(
    "account_charge",
    charge_id="text!",
    account_id="text!",
    user_id="text",
    kind="text",
    description="text",
    occurred_at="timestamp!",
    net_amount="amount!",
    tax_amount="amount!",
    currency="text!",
    settled_amount="amount!",
)

TABLES: tuple[Table, ...] = (ACCOUNT, APP_USER, CHARGER, CONNECTOR, ACCOUNT_CHARGE)

SCOPE_STATUSES = ("Public", "Private", "Closed")
CONNECTOR_STATUSES = ("in_service", "planned", "removed")
POWER_TYPES = ("AC", "DC")
