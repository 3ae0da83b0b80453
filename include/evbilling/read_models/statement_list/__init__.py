"""The list of statements: filtered, sorted, page by page, with totals, and as CSV."""

from evbilling.read_models.statement_list.csv_export import statements_csv
from evbilling.read_models.statement_list.current import CurrentStatement, read_current
from evbilling.read_models.statement_list.filters import SORTS, STATUSES, TYPE_LABELS, Sort, StatementFilter
from evbilling.read_models.statement_list.listing import (
    Choices,
    ListedStatement,
    StatementPage,
    Totals,
    choices,
    export_rows,
    find_accounts,
    list_statements,
    totals,
)

__all__ = [
    "SORTS",
    "STATUSES",
    "TYPE_LABELS",
    "Choices",
    "CurrentStatement",
    "ListedStatement",
    "Sort",
    "StatementFilter",
    "StatementPage",
    "Totals",
    "choices",
    "export_rows",
    "find_accounts",
    "list_statements",
    "read_current",
    "statements_csv",
    "totals",
]
