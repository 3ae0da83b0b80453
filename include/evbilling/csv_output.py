"""CSV that spreadsheets open correctly: RFC 4180, UTF-8 with a byte-order mark, no text that becomes a formula.

Spreadsheets of other languages expect other separators and decimal signs: `CSV_FORMS` has those to choose from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from evbilling.errors import BadInput

Cell = str | int | Decimal | date | datetime | None

# Spreadsheets calculate a text that begins with one of these, or hide the rest: OWASP ASVS 1.2.10.
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_MARK = "\ufeff"
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CsvForm:
    """What separates fields, the sign before decimals, and both in words."""

    separator: str
    decimal: str
    words: str


# By their names in an address.
CSV_FORMS = {
    "comma": CsvForm(",", ".", "Comma, 1234.50"),
    "semicolon": CsvForm(";", ",", "Semicolon, 1234,50"),
    "semicolon-point": CsvForm(";", ".", "Semicolon, 1234.50"),
    "tab": CsvForm("\t", ".", "Tab, 1234.50"),
}
_USUAL = CSV_FORMS["comma"]


def csv_form(name: str) -> CsvForm:
    """The form of this name, the usual one for an empty name; raises `BadInput` about the field `csv`."""
    form = CSV_FORMS.get(name or "comma")
    if form is None:
        raise BadInput(f"there is no form {name[:50]!r} of CSV", where="csv", fix=f"give one of {', '.join(CSV_FORMS)}")
    return form


def csv_chunks(header: Sequence[str], rows: Iterable[Sequence[Cell]], form: CsvForm = _USUAL) -> Iterator[bytes]:
    """The file in pieces of a few hundred rows, the header first; never more than one piece in memory.

    Texts that a spreadsheet would calculate begin with an apostrophe; numbers stay numbers. Times are in UTC.
    """
    block = io.StringIO(newline="")
    writer = csv.writer(block, delimiter=form.separator)
    block.write(_MARK)
    writer.writerow([_cell(title, form) for title in header])
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(value, form) for value in row])
        if number % _ROWS_AT_ONCE == 0:
            yield _flush(block)
    yield _flush(block)


def _flush(block: io.StringIO) -> bytes:
    piece = block.getvalue().encode()
    block.seek(0)
    block.truncate()
    return piece


def _cell(value: Cell, form: CsvForm) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_BEGINS_FORMULA) else value
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", form.decimal)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return str(value)
