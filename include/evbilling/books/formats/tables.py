"""Journals as CSV: all postings for any program, and sums by day for Xero and QuickBooks. Pure.

Xero takes 300 lines at a time and QuickBooks 1,000, in one currency: they get a journal for each day and currency, in
as many files as that takes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby

from evbilling.books.chart import LedgerAccount
from evbilling.books.formats.batch import Batch, Format, zipped
from evbilling.books.posting import KIND_WORDS
from evbilling.csv_output import Cell, csv_chunks

_HEADER = (
    "Posting",
    "Booked on",
    "Kind",
    "Document",
    "Statement",
    "Period",
    "Account ID",
    "Account",
    "Debit ledger account",
    "Debit number",
    "Debit name",
    "Credit ledger account",
    "Credit number",
    "Credit name",
    "Currency",
    "Amount",
    "Tax rate",
    "Payment",
    "Reference",
)


def _csv(batch: Batch) -> bytes:
    rows: Iterable[Sequence[Cell]] = (
        (
            one.transfer_id,
            one.booked_on,
            one.kind,
            one.document_id,
            one.statement_id,
            one.period,
            one.account_id,
            one.account_name,
            one.debit_account,
            debit.number,
            debit.name,
            one.credit_account,
            credit.number,
            credit.name,
            one.currency,
            one.amount,
            one.tax_rate.normalize(),
            one.payment_id,
            one.reference,
        )
        for one, debit, credit in batch.entries()
    )
    return b"".join(csv_chunks(_HEADER, rows))


@dataclass(frozen=True, slots=True)
class _Line:
    account: LedgerAccount
    amount: Decimal
    words: str


@dataclass(frozen=True, slots=True)
class _Journal:
    """The postings of a day in a currency; debits are above zero, and the lines add up to nothing."""

    number: int
    day: date
    currency: str
    lines: tuple[_Line, ...]


def _journals(batch: Batch) -> Iterator[_Journal]:
    sums: dict[tuple[str, date, str, LedgerAccount, LedgerAccount], Decimal] = {}
    for one, debit, credit in batch.entries():
        key = one.currency, one.booked_on, one.kind, debit, credit
        sums[key] = sums.get(key, Decimal(0)) + one.amount
    ordered = sorted(sums.items(), key=lambda item: (*item[0][:3], item[0][3].number, item[0][4].number))
    for number, ((currency, day), group) in enumerate(groupby(ordered, key=lambda item: item[0][:2]), 1):
        lines = tuple(
            _Line(account, signed, KIND_WORDS.get(kind, kind))
            for (_, _, kind, debit, credit), amount in group
            for account, signed in ((debit, amount), (credit, -amount))
        )
        yield _Journal(number, day, currency, lines)


def _files(
    batch: Batch, prefix: str, header: Sequence[str], most: int, row: Callable[[_Journal, _Line], Sequence[str]]
) -> bytes:
    files: dict[str, bytes] = {}
    for currency, journals in groupby(_journals(batch), key=lambda one: one.currency):
        parts: list[list[Sequence[str]]] = [[]]
        for one in journals:
            rows = [row(one, line) for line in one.lines]
            if parts[-1] and len(parts[-1]) + len(rows) > most:
                parts.append([])
            parts[-1] += rows
        for number, rows in enumerate(parts, 1):
            files[f"{prefix}-{batch.period}-{batch.postings[0].transfer_id}-{currency}-{number}.csv"] = _table(
                header, rows
            )
    return zipped(files)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """The importers want minus signs as they are, and no byte-order mark: all texts here are our own."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


def _xero(batch: Batch) -> bytes:
    header = ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount")

    def row(journal: _Journal, line: _Line) -> Sequence[str]:
        narration = f"evbilling {batch.postings[0].transfer_id}-{journal.number} {journal.currency}"
        account = line.account
        return narration, f"{journal.day:%d/%m/%Y}", line.words, account.number, account.xero_tax, f"{line.amount:f}"

    return _files(batch, "xero", header, 300, row)


def _quickbooks(batch: Batch) -> bytes:
    header = ("Journal No.", "Journal Date", "Currency", "Account Name", "Debits", "Credits", "Description")

    def row(journal: _Journal, line: _Line) -> Sequence[str]:
        number = f"{batch.postings[0].transfer_id}-{journal.number}"
        debit, credit = (f"{line.amount:f}", "") if line.amount > 0 else ("", f"{-line.amount:f}")
        return number, f"{journal.day:%m/%d/%Y}", journal.currency, line.account.name, debit, credit, line.words

    return _files(batch, "quickbooks", header, 1000, row)


CSV = Format("CSV, all postings", "csv", "text/csv; charset=utf-8", _csv)
XERO = Format("Xero, manual journals", "xero.zip", "application/zip", _xero)
QUICKBOOKS = Format("QuickBooks, journal entries", "quickbooks.zip", "application/zip", _quickbooks)
