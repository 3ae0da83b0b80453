"""Chargers and connectors as a run reads them: counted at each account's instant, checked for contradictions."""

from evbilling.platform.inventory.account import CHARGER_ROWS, CONNECTOR_ROWS, AccountHistory, account_inventory
from evbilling.platform.inventory.alike import alike_ids, folded, resembled, visible
from evbilling.platform.inventory.conflicts import connector_keys, is_repeated, with_conflicts
from evbilling.platform.inventory.counting import (
    CHARGER_HISTORY,
    CONNECTOR_HISTORY,
    Counted,
    CountInstants,
    count_inventory,
    count_strays,
    repeated_chargers,
)
from evbilling.platform.inventory.names import CHARGER_NAMES, legible
from evbilling.platform.inventory.profile import KNOWN_VALUES, inventory_frame, profile_of
from evbilling.platform.inventory.table import INVENTORY_SCHEMA, column_codes, column_values, one_chunk

__all__ = [
    "CHARGER_HISTORY",
    "CHARGER_NAMES",
    "CHARGER_ROWS",
    "CONNECTOR_HISTORY",
    "CONNECTOR_ROWS",
    "INVENTORY_SCHEMA",
    "KNOWN_VALUES",
    "AccountHistory",
    "CountInstants",
    "Counted",
    "account_inventory",
    "alike_ids",
    "column_codes",
    "column_values",
    "connector_keys",
    "count_inventory",
    "count_strays",
    "folded",
    "inventory_frame",
    "is_repeated",
    "legible",
    "one_chunk",
    "profile_of",
    "repeated_chargers",
    "resembled",
    "visible",
    "with_conflicts",
]
