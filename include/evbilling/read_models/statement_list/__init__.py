"""The page Driver Statements: statements filtered, sorted, page by page, with totals, and as CSV.

`current` has the current state of single statements, for the actions on them.
"""

from evbilling.read_models.statement_list.csv_export import statements_csv
from evbilling.read_models.statement_list.current import CurrentStatement, read_current
from evbilling.read_models.statement_list.filters import STATUSES, TYPE_LABELS, Sort, StatementFilter
from evbilling.read_models.statement_list.listing import (
    ListedStatement,
    StatementPage,
    Totals,
    choices,
    export_rows,
    list_statements,
)

__all__ = [
    "STATUSES",
    "TYPE_LABELS",
    "CurrentStatement",
    "ListedStatement",
    "Sort",
    "StatementFilter",
    "StatementPage",
    "Totals",
    "choices",
    "export_rows",
    "list_statements",
    "read_current",
    "statements_csv",
]
