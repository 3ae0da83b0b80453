"""The page Driver Statements: statements filtered, sorted, page by page, with totals, and as CSV.

`current` has the current state of single statements, for the actions on them.
"""

from evbilling.read_models.statement_list.csv_export import statements_csv
from evbilling.read_models.statement_list.current import CurrentStatement, read_current
from evbilling.read_models.statement_list.filters import (
    STATUSES,
    TYPE_LABELS,
    Pairs,
    Place,
    Sort,
    StatementFilter,
    last_value,
    several_values,
)
from evbilling.read_models.statement_list.listing import (
    Choices,
    ListedStatement,
    StatementPage,
    Totals,
    accounts_of,
    choices,
    count_statuses,
    details_of,
    export_rows,
    list_statements,
)

__all__ = [
    "STATUSES",
    "TYPE_LABELS",
    "Choices",
    "CurrentStatement",
    "ListedStatement",
    "Pairs",
    "Place",
    "Sort",
    "StatementFilter",
    "StatementPage",
    "Totals",
    "accounts_of",
    "choices",
    "count_statuses",
    "details_of",
    "export_rows",
    "last_value",
    "list_statements",
    "read_current",
    "several_values",
    "statements_csv",
]
