"""The charging platform: the contract of its five tables and the types in which they are read; no database, no file.

`evbilling.platform.access` reads the platform at a URL, `evbilling.platform.files` reads files, and
`evbilling.platform.inventory` counts what was read.
"""

from evbilling.platform.accepted import ACCEPTED, Accepted, Form
from evbilling.platform.contract import (
    ACCOUNT,
    ACCOUNT_CHARGE,
    APP_USER,
    CHARGER,
    CONNECTOR,
    CONNECTOR_STATUSES,
    LONGEST_ID,
    POWER_TYPES,
    SCOPE_STATUSES,
    TABLES,
    Column,
    Table,
)
from evbilling.platform.lookup import MOST_USERS, AccountRow, AppUser, PlatformLookup, Users
from evbilling.platform.source import (
    CHARGE_TABLES,
    INVENTORY_TABLES,
    SHARD_ROWS,
    CountWindow,
    InventorySource,
    Part,
    PartRead,
    Strangers,
    Survey,
    parts_for,
    shards_for,
)

__all__ = [
    "ACCEPTED",
    "ACCOUNT",
    "ACCOUNT_CHARGE",
    "APP_USER",
    "CHARGER",
    "CHARGE_TABLES",
    "CONNECTOR",
    "CONNECTOR_STATUSES",
    "INVENTORY_TABLES",
    "LONGEST_ID",
    "MOST_USERS",
    "POWER_TYPES",
    "SCOPE_STATUSES",
    "SHARD_ROWS",
    "TABLES",
    "Accepted",
    "AccountRow",
    "AppUser",
    "Column",
    "CountWindow",
    "Form",
    "InventorySource",
    "Part",
    "PartRead",
    "PlatformLookup",
    "Strangers",
    "Survey",
    "Table",
    "Users",
    "parts_for",
    "shards_for",
]
