"""A CSV file of the contract, by RFC 4180: Arrow reads what is plain, Python's `csv` the rest, with its lines.

The file is cut where records end, and each block is read by one of the two. Arrow gets only blocks whose quotes can be
read in one way: text after a closing quote, or a quote that is never closed, it takes without a word.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from evbilling.platform.contract import Table
from evbilling.platform.files.checks import check_names, check_rows
from evbilling.problems import Problem, Problems

_BLOCK = 4 << 20
# The longest row that is read: far longer than a real one, and short enough to be kept in memory.
_LONGEST = 64 << 20
# Bytes that aren't UTF-8 are decoded to these; they can't be in a real text.
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# What may be beside a quote that begins or ends a field; a second quote makes the pair one that the field contains.
_BESIDE_QUOTES = np.isin(np.arange(256), list(b'",\r\n'))


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file named `name` in messages; `open_bytes` gives its (unpacked) bytes from the start."""

    name: str
    table: Table
    open_bytes: Callable[[], IO[bytes]]

    def ignored_columns(self) -> tuple[str, ...]:
        """The header's columns that the contract doesn't know, in the file's order."""
        with self.open_bytes() as source:
            header = self._take_header(_Buffer(source))
        return tuple(name for name in header if name not in self.table.column_names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in contract types and the file's order, a few MB at a time.

        Raises `BadInput` with every problem, possibly after some batches: keep nothing until the iterator has ended.
        """
        problems = Problems()
        with self.open_bytes() as source:
            buffer = _Buffer(source)
            header = self._take_header(buffer)
            while buffer.data or not buffer.is_last:
                batch, end = self._read(buffer, header, problems)
                if batch.num_rows and not problems.count:
                    yield batch
                if end is None:
                    break
                buffer.take(end)
                buffer.read_more()
        problems.raise_any()

    def _read(self, buffer: _Buffer, header: list[str], problems: Problems) -> tuple[pa.RecordBatch, int | None]:
        """The complete rows in `buffer`, and where they end (None: what follows can't be read)."""
        end = plain_end(buffer.data, is_last=buffer.is_last)
        rows = read_plain(pa.py_buffer(buffer.data).slice(0, end), self.table, header) if end else None
        if rows:
            checked = check_rows(self.table, rows)
            if not checked.fault_count:
                return checked.batch, end
        read = read_with_lines(buffer.data, self.table, header, line=buffer.line, is_last=buffer.is_last)
        checked = check_rows(self.table, read.batch)
        found = [*read.faults, *((read.lines[fault.row], fault.column, fault.reason) for fault in checked.faults)]
        found.sort(key=itemgetter(0))
        located = (Problem(self.name, reason, f"line {line}", column) for line, column, reason in found)
        problems.add_many(located, len(read.faults) + checked.fault_count)
        return checked.batch, read.end

    def _take_header(self, buffer: _Buffer) -> list[str]:
        """The column names, taken from `buffer`; raises `BadInput` if one of the contract's isn't there once."""
        problems = Problems()
        header: list[str] = []
        is_utf16 = buffer.data.startswith(_UTF16_MARKS)
        separator = self._other_separator(buffer)
        try:
            while not header and not separator:
                text = _text(buffer.data)
                record = next(_records(text, buffer.line, is_last=buffer.is_last), None)
                if record:
                    _, header, end = record
                    buffer.take(len(_bytes(text[:end])))
                elif buffer.is_last:
                    break
                else:
                    buffer.read_more()
        except _BrokenRecord as broken:
            problems.add(Problem(self.name, broken.reason, f"line {broken.line}"))
        else:
            if is_utf16 or any("\x00" in name for name in header):
                reason = "has NUL bytes in its first line; is it UTF-16, or packed? Save it as UTF-8"
                problems.add(Problem(self.name, reason))
            elif separator:
                problems.add(Problem(self.name, f"separates its columns by {separator}; save it with commas", "line 1"))
            elif not header:
                problems.add(Problem(self.name, "is empty: not even a header"))
            for column, reason in check_names(self.table, header) if not problems.count else ():
                shown = "" if column in header else f"; the header is {','.join(header)[:200]!r}"
                problems.add(Problem(self.name, reason + shown, "line 1", column))
        problems.raise_any()
        return header

    def _other_separator(self, buffer: _Buffer) -> str | None:
        """What separates columns of the contract in the first line, if it isn't commas."""
        line = _text(buffer.data[:_BLOCK].partition(b"\n")[0])
        for separator in ",", *_SEPARATORS:
            if not {name.strip(' "\r') for name in line.split(separator)}.isdisjoint(self.table.column_names):
                return _SEPARATORS.get(separator)
        return None


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Rows as texts (null: empty), with the line on which each begins, and where in the data they end.

    `faults` are the rows that couldn't be read: line, the column if it is one column's fault, and reason. `end` is None
    if nothing is sure after a broken quote.
    """

    batch: pa.RecordBatch
    lines: list[int]
    faults: list[tuple[int, str | None, str]]
    end: int | None


def plain_end(data: bytes, *, is_last: bool) -> int:
    """How far `data`, which begins with a record, is whole records that have one reading only; 0 if they aren't.

    That is so if every first quote of two begins a field and every second ends it, or touches the next one as half of
    a doubled quote.
    """
    if data.startswith(_UTF8_MARK):  # which Arrow would leave out
        return 0
    end = len(data) if is_last else _line_end(data, len(data))
    if b'"' not in data:
        return end
    content = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(content == ord('"'))
    count = int(np.searchsorted(quotes, end))
    while count % 2 and not is_last:  # this line ends within quotes
        end = _line_end(data, int(quotes[count - 1]))
        count = int(np.searchsorted(quotes, end))
    first, second = quotes[:count:2], quotes[1:count:2]
    before, after = content[first[first > 0] - 1], content[second[second < end - 1] + 1]
    is_plain = count % 2 == 0 and _BESIDE_QUOTES[before].all() and _BESIDE_QUOTES[after].all()
    return end if is_plain else 0


def _line_end(data: bytes, before: int) -> int:
    """Where the last whole line before the place `before` ends."""
    return (data.rfind(b"\n", 0, before) + 1) or (data.rfind(b"\r", 0, before) + 1)


def read_plain(records: pa.Buffer, table: Table, header: Sequence[str]) -> pa.RecordBatch | None:
    """Plain `records` as texts (null: empty); None if there are none, or one hasn't the header's fields or UTF-8."""
    wanted = table.column_names
    # Only columns of the contract are named, as Arrow takes no name twice.
    names = [name if name in wanted else f"{place}" for place, name in enumerate(header)]
    try:
        rows = arrow_csv.read_csv(
            records,
            # Arrow refuses a record that is longer than a block, so all is one.
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=records.size + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.string()),
                include_columns=wanted,
                include_missing_columns=True,  # optional ones, as the header was checked
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return next(iter(rows.combine_chunks().to_batches()), None)


def read_with_lines(data: bytes, table: Table, header: Sequence[str], *, line: int, is_last: bool) -> ReadRows:
    """The whole records of `data`, which begins on `line`, as Python's `csv` reads them in its strict mode."""
    places = [header.index(name) if name in header else None for name in table.column_names]
    rows: list[list[str | None]] = []
    lines: list[int] = []
    faults: list[tuple[int, str | None, str]] = []
    text = _text(data)
    end: int | None = 0
    try:
        for begins, row, row_end in _records(text, line, is_last=is_last):
            end = row_end
            if len(row) != len(header):
                faults.append((begins, None, f"has {len(row)} fields where the header has {len(header)}"))
                continue
            fields = [None if place is None else row[place] or None for place in places]
            foreign = [n for n, v in zip(table.column_names, fields, strict=True) if v and _NOT_UTF8.search(v)]
            for name in foreign:
                found = _bytes(row[header.index(name)])[:40]
                faults.append((begins, name, f"is not UTF-8: {found!r}; save the file as UTF-8"))
            if not foreign:
                rows.append(fields)
                lines.append(begins)
        end = len(data) if is_last else len(_bytes(text[:end]))
    except _BrokenRecord as broken:
        faults.append((broken.line, None, broken.reason))
        end = None
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(places)
    batch = pa.record_batch([pa.array(c, pa.string()) for c in columns], names=list(table.column_names))
    return ReadRows(batch, lines, faults, end)


class _BrokenRecord(Exception):
    """A record whose end can't be found, so that nothing after it is sure."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def _records(text: str, line: int, *, is_last: bool) -> Iterator[tuple[int, list[str], int]]:
    """The records of `text` that are complete and not empty: line, fields, and where in the text each ends.

    Raises `_BrokenRecord` at a quote that can't be read.
    """
    csv.field_size_limit(2 * _LONGEST)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, strict=True)
    end = 0
    while True:
        begins = line + reader.line_num
        broken = None
        try:
            row = next(reader, None)
        except csv.Error as error:
            row = None
            if "expected after" in str(error):
                broken = "has text after a closing quote; a quote inside a quoted field is written twice"
            elif is_last:
                broken = "opens a quote that is never closed; the rest of the file can't be read"
        is_whole = row is not None and (is_last or text[stream.tell() - 1] in "\r\n")
        if not broken and not is_whole and not is_last and len(text) - end >= _LONGEST:
            broken = f"begins a row of more than {_LONGEST >> 20} MB; is there a quote that is never closed?"
        if broken:
            raise _BrokenRecord(begins, broken)
        if not is_whole:
            return
        end = stream.tell()
        if row:
            yield begins, row, end


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class _Buffer:
    """The bytes of `source` that weren't taken yet, as far as they are read, and the line on which they begin."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.data = b""
        self.line = 1
        self.is_last = False
        while len(self.data) < len(_UTF8_MARK) and not self.is_last:
            self.read_more()
        self.data = self.data.removeprefix(_UTF8_MARK)

    def read_more(self) -> None:
        """Read on: a block, or as much again as there is."""
        found = self._source.read(max(_BLOCK, len(self.data)))
        if found.endswith(b"\r"):  # no line end is cut in two
            found += self._source.read(1)
        self.is_last = not found
        self.data = self.data + found if self.data else found

    def take(self, end: int) -> None:
        """Leave out the bytes before `end`."""
        self.line += self.data.count(b"\n", 0, end)
        if self.data.find(b"\r", 0, end) >= 0:
            self.line += self.data.count(b"\r", 0, end) - self.data.count(b"\r\n", 0, end)
        self.data = self.data[end:]
