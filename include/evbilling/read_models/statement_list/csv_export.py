"""The list of statements as a CSV file, in finance's words, of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evbilling.csv_output import Cell, csv_chunks
from evbilling.read_models.statement_list.listing import StatementLine

HEADER = (
    "Statement",
    "Type",
    "Account",
    "Account name",
    "Financial admin",
    "Period",
    "Statement date",
    "Issued at (UTC)",
    "Connectors",
    "Currency",
    "Total",
    "Paid",
    "Balance due",
    "Status",
    "Corrects",
)


def statements_csv(lines: Iterable[StatementLine]) -> Iterator[bytes]:
    """The file in pieces, as `lines` come; amounts in major units of their currency, empty where there are none."""
    return csv_chunks(HEADER, map(_row, lines))


def _row(line: StatementLine) -> tuple[Cell, ...]:
    return (
        line.statement_id,
        line.type_label,
        line.account_id,
        line.account_name,
        line.financial_admin_id,
        line.period,
        line.statement_date,
        line.issued_at,
        line.connectors,
        line.currency,
        line.total,
        line.paid,
        line.balance,
        line.status,
        line.corrects_statement_id,
    )
