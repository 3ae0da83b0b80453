"""What is due on connector statements of any month, why, and who has to act: the page Due, and as CSV."""

from evbilling.read_models.due.csv_export import due_csv
from evbilling.read_models.due.filters import AGE_SLUGS, DueFilter, DueSort
from evbilling.read_models.due.listing import (
    DuePage,
    DueStatement,
    Figure,
    export_due,
    figures_of,
    list_due,
    read_due,
)

__all__ = [
    "AGE_SLUGS",
    "DueFilter",
    "DuePage",
    "DueSort",
    "DueStatement",
    "Figure",
    "due_csv",
    "export_due",
    "figures_of",
    "list_due",
    "read_due",
]
