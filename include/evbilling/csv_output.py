"""CSV that spreadsheets open correctly: RFC 4180, UTF-8 with a byte-order mark, no text that becomes a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

Cell = str | int | Decimal | date | datetime | None

# Spreadsheets calculate a text that begins with one of these, or hide the rest: OWASP ASVS 1.2.10.
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_MARK = "\ufeff"
_ROWS_AT_ONCE = 500


def csv_chunks(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The file in pieces of a few hundred rows, the header first; never more than one piece in memory.

    Texts that a spreadsheet would calculate begin with an apostrophe; numbers stay numbers. Times are in UTC.
    """
    block = io.StringIO(newline="")
    writer = csv.writer(block)
    block.write(_MARK)
    writer.writerow([_cell(title) for title in header])
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(value) for value in row])
        if number % _ROWS_AT_ONCE == 0:
            yield _flush(block)
    yield _flush(block)


def _flush(block: io.StringIO) -> bytes:
    piece = block.getvalue().encode()
    block.seek(0)
    block.truncate()
    return piece


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_BEGINS_FORMULA) else value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return str(value)
