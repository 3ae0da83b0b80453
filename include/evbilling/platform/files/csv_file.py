"""One CSV file of the contract: read quickly by Arrow, and again carefully if there is cause to complain."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from evbilling.platform.contract import Table
from evbilling.platform.files.careful_csv import read_carefully
from evbilling.platform.files.rows import check_rows
from evbilling.platform.files.stream import WatchedStream
from evbilling.problems import LIMIT, Problem, Problems

_BLOCK = 4 << 20
_HEAD = 64 << 10


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

        Raises `BadInput` with every problem. The error may come after some batches: keep nothing until the
        iterator has ended.
        """
        with self.open_bytes() as source:
            head = source.read(_HEAD)
            header = self._header(head)
            stream = WatchedStream(head, source)
            careful = False
            try:
                for raw in self._quick(stream):
                    checked = check_rows(self.table, raw, LIMIT)
                    careful = careful or _spans_lines(raw)
                    if checked.fault_count:
                        raise self._carefully(header).error()
                    yield checked.batch
            except pa.ArrowInvalid as error:
                problems = self._carefully(header)
                if not problems.count:
                    problems.add(Problem(self.name, str(error)))
                raise problems.error() from None
        if careful or stream.is_odd:
            problems = self._carefully(header)
            if problems.count:
                raise problems.error()

    def _quick(self, stream: WatchedStream) -> Iterator[pa.RecordBatch]:
        names = list(self.table.column_names)
        return arrow_csv.open_csv(  # type: ignore[no-any-return]
            pa.PythonFile(stream, mode="r"),
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    def _carefully(self, header: list[str]) -> Problems:
        problems = Problems()
        with self.open_bytes() as source:
            for numbered in read_carefully(source, self.table, header, self.name, problems):
                checked = check_rows(self.table, numbered.batch, LIMIT)
                problems.add_many(
                    (
                        Problem(self.name, fault.reason, f"line {numbered.lines[fault.row]}", fault.column)
                        for fault in checked.faults
                    ),
                    checked.fault_count,
                )
        problems.shown.sort(key=_line)
        return problems

    def _header(self, head: bytes) -> list[str]:
        """The column names of line 1; raises `BadInput` if one of the contract's isn't there exactly once."""
        if b"\x00" in head.partition(b"\n")[0]:
            raise self._refusal("has NUL bytes in its first line; is it UTF-16, or packed? Save it as UTF-8")
        text = head.decode("utf-8-sig", errors="replace")
        if not text.strip():
            raise self._refusal("is empty: not even a header")
        header = next(csv.reader(io.StringIO(text, newline="")))
        problems = Problems()
        for name in self.table.column_names:
            if header.count(name) != 1:
                missing = f"is missing; the header is {text.splitlines()[0][:200]!r}"
                reason = "stands there twice" if name in header else missing
                problems.add(Problem(self.name, reason, "line 1", name))
        if problems.count:
            raise problems.error()
        return header

    def _refusal(self, reason: str) -> Exception:
        problems = Problems()
        problems.add(Problem(self.name, reason))
        return problems.error()


def _line(problem: Problem) -> int:
    return int(problem.place.removeprefix("line ")) if problem.place else 0


def _spans_lines(batch: pa.RecordBatch) -> bool:
    """True if a value has a line break: rightly quoted, or two broken quotes that ate rows between them."""
    for column in batch.columns:
        buffer = column.buffers()[2]
        data = buffer.to_pybytes() if buffer is not None else b""
        if (b"\n" in data or b"\r" in data) and pc.any(pc.match_substring_regex(column, "[\r\n]")).as_py():
            return True
    return False
