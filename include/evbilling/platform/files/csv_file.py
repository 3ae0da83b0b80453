"""A CSV file of the contract: Arrow reads it quickly; if anything looks wrong, Python's `csv` names the lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as arrow_csv

from evbilling.platform.contract import Table
from evbilling.platform.files.checks import check_rows
from evbilling.problems import Problem, Problems

if TYPE_CHECKING:
    from _csv import Reader

_BLOCK = 4 << 20  # also the longest row that Arrow takes
_HEAD = 64 << 10
_SLOW_ROWS = 20_000
# Bytes that aren't UTF-8 are decoded to these; they can't be in a real text.
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file named `name` in messages; `open_bytes` gives its (unpacked) bytes from the start."""

    name: str
    table: Table
    open_bytes: Callable[[], IO[bytes]]

    def ignored_columns(self) -> tuple[str, ...]:
        """The header's columns that the contract doesn't know, in the file's order."""
        with self.open_bytes() as source:
            header = self._header(source.read(_HEAD))
        return tuple(name for name in header if name not in self.table.column_names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in contract types and the file's order, a few MB at a time.

        Raises `BadInput` with every problem, possibly after some batches: keep nothing until the iterator has ended.
        """
        with self.open_bytes() as source:
            head = source.read(_HEAD)
            header = self._header(head)
            stream = _CountingStream(head, source)
            rows = 0
            damage = None
            try:
                for raw in self._arrow_batches(stream):
                    checked = check_rows(self.table, raw)
                    if checked.fault_count:
                        break
                    rows += raw.num_rows
                    yield checked.batch
            except pa.ArrowInvalid as error:
                damage = str(error)
            is_sound = not damage and stream.has_plain_rows(1 + rows)
        if is_sound:
            return
        problems = self._problems(header)
        if damage and not problems.count:
            problems.add(Problem(self.name, damage))
        problems.raise_any()

    def _arrow_batches(self, stream: _CountingStream) -> Iterator[pa.RecordBatch]:
        names = list(self.table.column_names)
        return arrow_csv.open_csv(  # type: ignore[no-any-return]
            pa.PythonFile(stream, mode="r"),
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names,
                include_missing_columns=True,  # the optional ones: the header was checked
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    def _problems(self, header: list[str]) -> Problems:
        problems = Problems()
        with self.open_bytes() as source:
            for batch, lines in read_with_lines(source, self.table, header, self.name, problems):
                checked = check_rows(self.table, batch)
                located = (Problem(self.name, f.reason, f"line {lines[f.row]}", f.column) for f in checked.faults)
                problems.add_many(located, checked.fault_count)
        problems.shown.sort(key=lambda problem: int((problem.place or "line 0").removeprefix("line ")))
        return problems

    def _header(self, head: bytes) -> list[str]:
        """The column names of line 1; raises `BadInput` if one of the contract's isn't there exactly once."""
        problems = Problems()
        text = head.decode("utf-8-sig", errors="replace")
        header: list[str] = []
        if b"\x00" in head.partition(b"\n")[0]:
            reason = "has NUL bytes in its first line; is it UTF-16, or packed? Save it as UTF-8"
            problems.add(Problem(self.name, reason))
        elif not text.strip():
            problems.add(Problem(self.name, "is empty: not even a header"))
        else:
            header = next(csv.reader(io.StringIO(text, newline="")))
            for column in self.table.columns:
                times = header.count(column.name)
                if times > 1 or (times == 0 and not column.optional):
                    reason = "is there twice" if times else f"is missing; the header is {text.splitlines()[0][:200]!r}"
                    problems.add(Problem(self.name, reason, "line 1", column.name))
        problems.raise_any()
        return header


class _CountingStream(io.RawIOBase):
    """`head` followed by the rest of `source`; counts what tells whether each row was one line.

    Arrow reads over broken quotes without a word: an open one swallows the rows up to the next or to the end.
    """

    def __init__(self, head: bytes, source: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._source = source
        self._quotes = 0
        self._line_ends = 0
        self._last = b""

    def has_plain_rows(self, records: int) -> bool:
        """True if the bytes so far were this many records of one line each, and every quote was closed."""
        lines = self._line_ends + (self._last != b"\n")
        return lines == records and self._quotes % 2 == 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data, self._head = self._head or self._source.read(-1 if size is None else size), b""
        self._quotes += data.count(b'"')
        self._line_ends += data.count(b"\n")
        self._last = data[-1:] or self._last
        return data


def read_with_lines(
    source: IO[bytes], table: Table, header: list[str], file: str, problems: Problems
) -> Iterator[tuple[pa.RecordBatch, list[int]]]:
    """Batches of rows as texts (null: empty), with the line of the file on which each row begins.

    Rows that can't be read are left out and noted in `problems`.
    """
    csv.field_size_limit(_BLOCK)
    reader = csv.reader(io.TextIOWrapper(source, "utf-8-sig", "surrogateescape", newline=""), strict=True)
    next(reader)
    places = {name: header.index(name) for name in table.column_names if name in header}
    rows: list[list[str | None]] = []
    lines: list[int] = []
    for line, row in _records(reader, file, problems):
        if len(row) != len(header):
            problems.add(Problem(file, f"has {len(row)} fields where the header has {len(header)}", f"line {line}"))
            continue
        fields = [row[places[name]] or None if name in places else None for name in table.column_names]
        foreign = [n for n, v in zip(table.column_names, fields, strict=True) if v and _NOT_UTF8.search(v)]
        for name in foreign:
            found = row[places[name]].encode("utf-8", "surrogateescape")[:40]
            problems.add(Problem(file, f"is not UTF-8: {found!r}; save the file as UTF-8", f"line {line}", name))
        if not foreign:
            rows.append(fields)
            lines.append(line)
        if len(rows) == _SLOW_ROWS:
            yield _batch(rows, table), lines
            rows, lines = [], []
    yield _batch(rows, table), lines


def _records(reader: Reader, file: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which each begins; ends at a broken quote, as what follows has no sure rows."""
    line = reader.line_num + 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        if "expected after" in str(error):
            reason = "has text after a closing quote; a quote inside a quoted field is written twice"
        else:
            reason = "opens a quote that is never closed; the rest of the file can't be read"
        problems.add(Problem(file, reason, f"line {line}"))


def _batch(rows: list[list[str | None]], table: Table) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
    return pa.record_batch([pa.array(c, pa.string()) for c in columns], names=list(table.column_names))
