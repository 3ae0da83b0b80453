"""The list of statements as a CSV file, in finance's words, of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from evbilling.csv_output import CSV_FORMS, CsvForm, csv_chunks
from evbilling.read_models.statement_list.listing import ExportedStatement

_COLUMNS = {
    "Statement": "statement_id",
    "Type": "type_label",
    "Account": "account_id",
    "Account name": "account_name",
    "Financial admin": "financial_admin_id",
    "Period": "period",
    "Statement date": "statement_date",
    "Issued at (UTC)": "issued_at",
    "Connectors": "connectors",
    "Currency": "currency",
    "Total": "total",
    "Paid": "paid",
    "Balance due": "balance",
    "Status": "status",
    "Corrects": "corrects_statement_id",
    "Net": "net",
    "Tax": "tax",
    "Tax rate": "tax_rate",
    "Paid on": "paid_on",
    "Method": "method",
    "Payments": "payment_ids",
    "References": "payment_references",
    "Last decline": "last_decline",
}


def statements_csv(lines: Iterable[ExportedStatement], form: CsvForm = CSV_FORMS["comma"]) -> Iterator[bytes]:
    """The file in pieces, as `lines` come; amounts in major units of their currency, empty where there are none."""
    return csv_chunks(tuple(_COLUMNS), map(attrgetter(*_COLUMNS.values()), lines), form)
