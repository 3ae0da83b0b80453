"""The careful CSV reader: slow, row by row, and it knows the line of everything.

Used only when the quick reader met something; so a good file never pays for it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from evbilling.platform.contract import Table
from evbilling.problems import Problem, Problems

if TYPE_CHECKING:
    from _csv import Reader

_CHUNK = 20_000
# Bytes that aren't UTF-8 come through as these; they can't be in a real text.
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class NumberedBatch:
    """Rows as texts (null = empty), and the file's line on which each begins."""

    batch: pa.RecordBatch
    lines: list[int]


def read_carefully(
    source: IO[bytes], table: Table, header: list[str], file: str, problems: Problems
) -> Iterator[NumberedBatch]:
    """All rows that have the shape of `header`, with their lines; notes the others in `problems`."""
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    next(reader)
    places = [header.index(name) for name in table.column_names]
    rows: list[list[str | None]] = []
    lines: list[int] = []
    for line, row in _records(reader, file, problems):
        if len(row) != len(header):
            reason = f"has {len(row)} fields where the header has {len(header)}"
            problems.add(Problem(file, reason, f"line {line}"))
            continue
        fields = [row[place] for place in places]
        faults = list(_unstorable(fields, table.column_names))
        if faults:
            problems.add_many((Problem(file, reason, f"line {line}", column) for column, reason in faults), len(faults))
            continue
        rows.append([value or None for value in fields])
        lines.append(line)
        if len(rows) == _CHUNK:
            yield NumberedBatch(_batch(rows, table), lines)
            rows, lines = [], []
    yield NumberedBatch(_batch(rows, table), lines)


def _records(reader: Reader, file: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Records with the line each begins on; ends at a broken quote: what follows has no sure rows."""
    ends_before = reader.line_num
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add(Problem(file, _broken_quote(error), f"line {ends_before + 1}"))
            return
        line, ends_before = ends_before + 1, reader.line_num
        if row:
            yield line, row


def _broken_quote(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "has text after a closing quote; a quote inside a quoted field is written twice"
    return "opens a quote that is never closed; the rest of the file can't be read"


def _unstorable(fields: list[str], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, value in zip(names, fields, strict=True):
        if "\x00" in value:
            yield name, "has a NUL byte; is the file UTF-16? Save it as UTF-8"
        elif not value.isascii() and _NOT_UTF8.search(value):
            found = value.encode("utf-8", "surrogateescape")[:40]
            yield name, f"is not UTF-8: {found!r}; save the file as UTF-8"


def _batch(rows: list[list[str | None]], table: Table) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
    return pa.record_batch([pa.array(c, pa.string()) for c in columns], names=list(table.column_names))
