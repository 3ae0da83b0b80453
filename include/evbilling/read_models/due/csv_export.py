"""What is due as a CSV file, in finance's words, of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from evbilling.csv_output import CSV_FORMS, CsvForm, csv_chunks
from evbilling.read_models.due.listing import DueStatement

_COLUMNS = {
    "Statement": "statement_id",
    "Account": "account_id",
    "Account name": "account_name",
    "Period": "period",
    "Currency": "currency",
    "Balance due": "balance_due",
    "Reason": "reason_id",
    "Why": "reason",
    "Who has to act": "who_acts",
    "Attempts": "attempts",
    "Last attempt (UTC)": "last_attempt_at",
    "Last decline": "last_decline_code",
    "What it means": "decline",
    "Next attempt (UTC)": "next_attempt_at",
    "Due since": "due_since",
    "Days": "age_days",
}


def due_csv(rows: Iterable[DueStatement], form: CsvForm = CSV_FORMS["comma"]) -> Iterator[bytes]:
    """The file in pieces, as `rows` come; amounts in major units of their currency."""
    return csv_chunks(tuple(_COLUMNS), map(attrgetter(*_COLUMNS.values()), rows), form)
