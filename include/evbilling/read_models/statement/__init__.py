"""What one statement says, for its page, its PDF and its mail."""

from evbilling.read_models.statement.csv_export import lines_csv
from evbilling.read_models.statement.lines import charger_page, corrected_page, excluded_page, item_page
from evbilling.read_models.statement.reading import show_statement
from evbilling.read_models.statement.view import (
    ACCOUNT,
    CONNECTOR,
    CORRECTION,
    MOST_COUNTED,
    CorrectedConnector,
    ExcludedConnector,
    Header,
    Item,
    ItemTotals,
    Payment,
    StatementView,
)

__all__ = [
    "ACCOUNT",
    "CONNECTOR",
    "CORRECTION",
    "MOST_COUNTED",
    "CorrectedConnector",
    "ExcludedConnector",
    "Header",
    "Item",
    "ItemTotals",
    "Payment",
    "StatementView",
    "charger_page",
    "corrected_page",
    "excluded_page",
    "item_page",
    "lines_csv",
    "show_statement",
]
