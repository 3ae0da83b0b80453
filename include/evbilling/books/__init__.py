"""The journal for the books: the ledger's postings, each exported once, as files that bookkeeping programs read."""

from evbilling.books.chart import DEFAULT_CHART, Chart, LedgerAccount, parse_chart, read_chart
from evbilling.books.export import (
    Export,
    File,
    Left,
    Sum,
    export_journal,
    exports,
    left_to_export,
    one_export,
    stored_file,
)
from evbilling.books.formats import FORMATS
from evbilling.books.store import chart_in_force, record_chart

__all__ = [
    "DEFAULT_CHART",
    "FORMATS",
    "Chart",
    "Export",
    "File",
    "LedgerAccount",
    "Left",
    "Sum",
    "chart_in_force",
    "export_journal",
    "exports",
    "left_to_export",
    "one_export",
    "parse_chart",
    "read_chart",
    "record_chart",
    "stored_file",
]
