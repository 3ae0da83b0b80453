"""The values of a platform table, checked and brought to the contract's types, a batch at a time.

A row that breaks the contract can't be loaded; what a good row *means* is judged when it is billed. Amounts become
decimal128(18, 6): money never passes through a float. Times become microseconds in UTC: digits beyond the microsecond
are dropped, an offset is converted, and a time without a zone is UTC by contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import starmap

import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.accepted import ACCEPTED, FALSE_WORDS, TRUE_WORDS, SourceKind
from evbilling.platform.contract import Column, ColumnType, Table
from evbilling.problems import LIMIT

TIMESTAMP = pa.timestamp("us", "UTC")
AMOUNT = pa.decimal128(18, 6)
_ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "timestamp": TIMESTAMP,
    "amount": AMOUNT,
}
# A day of the calendar, a time of day and, unless it is UTC, an offset: all that Arrow reads as a time.
_TIME = (
    "^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
    "(Z| ?[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?$"
)
_BOOLEANS = dict.fromkeys(TRUE_WORDS, True) | dict.fromkeys(FALSE_WORDS, False)
# The years that both a Python datetime and Postgres can hold; Arrow goes further.
_FIRST = pa.scalar("0001-01-01T00:00:00Z").cast(TIMESTAMP)
_LAST = pa.scalar("9999-12-31T23:59:59.999999Z").cast(TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Fault:
    """One value that breaks the contract: its row in the batch (from 0), its column and the reason."""

    row: int
    column: str
    reason: str


@dataclass(slots=True)
class CheckedRows:
    """A batch in contract types, all rows as given; the first faults by row, and how many there are in all."""

    batch: pa.RecordBatch
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0

    def add_faults(self, mask: pa.Array, column: str, reason: Callable[[int], str]) -> None:
        """Count the rows that are true in `mask`, and describe the first of them."""
        rows = pc.indices_nonzero(mask)
        self.fault_count += len(rows)
        self.faults += (Fault(row, column, reason(row)) for row in rows.slice(0, LIMIT).to_pylist())


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of `table`, in contract order."""
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in table.columns])


def check_rows(table: Table, batch: pa.RecordBatch, source: SourceKind = "CSV") -> CheckedRows:
    """`batch`, which has all columns of `table`, checked and in contract types.

    A column is text, text as bytes that may not be UTF-8, or of a type that the contract accepts for it.
    """
    given = [batch.column(column.name) for column in table.columns]
    converted = list(starmap(_convert, zip(table.columns, given, strict=True)))
    checked = CheckedRows(pa.record_batch([values for values, _ in converted], schema=arrow_schema(table)))
    for column, texts, (values, unread) in zip(table.columns, given, converted, strict=True):
        if unread is not None:
            expected = ACCEPTED[column.type][source].fault
            checked.add_faults(unread, column.name, lambda row, t=texts, e=expected: _reason(t[row], e))  # type: ignore[misc]
        if column.required and values.null_count:
            absent = pc.is_null(values) if unread is None else pc.and_not(pc.is_null(values), unread)
            checked.add_faults(absent, column.name, lambda _: "is empty, but is required")
    if "valid_to" in batch.schema.names:
        begins, ends = checked.batch.column("valid_from"), checked.batch.column("valid_to")
        if ends.null_count < len(ends):
            checked.add_faults(
                pc.less_equal(ends, begins),
                "valid_to",
                lambda row: f"{_time(ends[row])} is not after valid_from, {_time(begins[row])}",
            )
    checked.faults.sort(key=lambda fault: fault.row)
    return checked


def check_names(table: Table, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The columns of `table` that aren't exactly once among a file's columns, each with the reason."""
    for column in table.columns:
        alike = next((name for name in names if name.strip().lower() == column.name), None)
        if names.count(column.name) > 1:
            yield column.name, "is there twice"
        elif column.name not in names and alike is not None:
            yield column.name, f"is missing; {alike!r} isn't the same name"
        elif column.name not in names and not column.optional:
            yield column.name, "is missing"


def parse(kind: ColumnType, texts: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """`texts` (strings, null = no value) as the Arrow type of `kind`, and the mask of those that aren't one.

    These are null in the result. The mask is None if there are none.
    """
    if kind == "text":
        texts = _where(pc.not_equal(texts, ""), texts)
    return _with_losses(_PARSERS[kind](texts), texts)


def _convert(column: Column, given: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """`given` in the column's contract type, and the mask of the values that don't fit it (None: all fit)."""
    kind = given.type
    if pa.types.is_string(kind):
        return parse(column.type, given)
    if pa.types.is_binary(kind):
        given = _where(pc.not_equal(given, b""), given)
        values, _ = parse(column.type, _decoded(given))
    elif pa.types.is_timestamp(kind):
        values = _instants(given)
    elif column.type == "amount":
        values = _exact(given if pa.types.is_decimal(kind) else given.cast(pa.decimal128(20, 0)))
    elif pa.types.is_boolean(kind) or kind == pa.int32() == _ARROW_TYPES[column.type]:
        return given, None
    else:  # whole numbers, by the rule for their digits
        values, _ = parse(column.type, given.cast(pa.string()))
    return _with_losses(values, given)


def _decoded(given: pa.Array) -> pa.Array:
    """Bytes as the text that they are in UTF-8; null where they aren't."""
    try:
        return given.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text_of(value) for value in given.to_pylist()], pa.string())


def _text_of(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _instants(given: pa.Array) -> pa.Array:
    """Times of any unit as instants to the microsecond; null beyond the calendar. Without a zone they are in UTC."""
    unit = given.type.unit
    times = given.cast(pa.timestamp(unit))
    if unit == "ns":
        return pc.floor_temporal(times, unit="microsecond").cast(TIMESTAMP, safe=False)
    first, last = (edge.cast(pa.timestamp("us")).cast(times.type, safe=False) for edge in (_FIRST, _LAST))
    # Only what is within the calendar, as seconds and milliseconds reach further than microseconds do.
    return _where(pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last)), times).cast(TIMESTAMP)


def _exact(given: pa.Array) -> pa.Array:
    """Decimals of any scale as amounts; null where an amount can't be the same number."""
    scale = given.type.scale
    wide = given.cast(pa.decimal256(76, scale))
    digits = AMOUNT.precision - AMOUNT.scale
    if scale < 76 - digits:
        wide = _where(pc.less(pc.abs(wide), pa.scalar(Decimal(10) ** digits, wide.type)), wide)
    amounts = wide.cast(AMOUNT, safe=False)
    return _where(pc.equal(amounts.cast(wide.type), wide), amounts)


def _with_losses(values: pa.Array, given: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    if values.null_count == given.null_count:
        return values, None
    return values, pc.and_(pc.is_valid(given), pc.is_null(values))


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    """`values` with null where `mask` isn't true."""
    if pc.all(mask, skip_nulls=True, min_count=0).as_py():
        return values
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def _text(texts: pa.Array) -> pa.Array:
    # Searching the buffer costs far less than a match for each value, and a NUL is hardly ever there.
    buffer = texts.buffers()[2]
    if buffer is None or b"\x00" not in buffer.to_pybytes():
        return texts
    return _where(pc.invert(pc.match_substring(texts, "\x00")), texts)


def _boolean(texts: pa.Array) -> pa.Array:
    found = pc.index_in(pc.utf8_lower(texts), value_set=pa.array(list(_BOOLEANS)))
    return pc.take(pa.array(list(_BOOLEANS.values())), found)


# A cast alone would also take 0x10, blanks and 1e3, so the form is checked first.
def _integer(texts: pa.Array) -> pa.Array:
    values = _where(pc.match_substring_regex(texts, r"^-?[0-9]{1,10}$"), texts).cast(pa.int64())
    return _where(pc.equal(values.cast(pa.int32(), safe=False), values), values).cast(pa.int32())


def _amount(texts: pa.Array) -> pa.Array:
    texts = _where(pc.match_substring_regex(texts, r"^-?[0-9]{1,12}(\.[0-9]{1,6}0*)?$"), texts)
    # A column of numeric(38,9) is exported with nine decimals, the last of them zeros.
    return pc.replace_substring_regex(texts, r"(\.[0-9]{6})0+$", r"\1").cast(AMOUNT)


def _timestamp(texts: pa.Array) -> pa.Array:
    # Arrow is the only reader of times. Those with hours, minutes and a zone it reads as they are.
    if pc.all(pc.equal(pc.binary_slice(texts.cast(pa.binary()), 13, 14), b":"), skip_nulls=True, min_count=0).as_py():
        try:
            return _within_calendar(texts.cast(TIMESTAMP))
        except pa.ArrowInvalid:
            pass  # all or nothing: one of them hasn't a zone, say, or isn't a time
    times = _where(pc.match_substring_regex(texts, _TIME), texts)
    times = pc.replace_substring_regex(times, r"(\.[0-9]{6})[0-9]+", r"\1")
    times = pc.replace_substring_regex(times, r"([T ][0-9:.]+)$", r"\1Z")
    times = pc.replace_substring_regex(times, " ([+-])", r"\1")
    return _within_calendar(times.cast(TIMESTAMP))


def _within_calendar(times: pa.Array) -> pa.Array:
    return _where(pc.and_(pc.greater_equal(times, _FIRST), pc.less_equal(times, _LAST)), times)


_PARSERS: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _integer,
    "timestamp": _timestamp,
    "amount": _amount,
}


def _reason(value: pa.Scalar, expected: str) -> str:
    if pa.types.is_binary(value.type):
        found = value.as_py()
        if _text_of(found) is None:
            return f"is not UTF-8: {found[:40]!r}; write texts as UTF-8"
        return f"{_quoted(found.decode())} {expected}"
    if pa.types.is_decimal(value.type):
        return f"{_quoted(format(value.as_py(), 'f'))} {expected}"
    if pa.types.is_timestamp(value.type):  # which Python may not be able to hold
        return f"{value.value} {value.type.unit} after 1970 {expected}"
    return f"{_quoted(str(value.as_py()))} {expected}"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _time(value: pa.Scalar) -> str:
    return f"{value.as_py():%Y-%m-%dT%H:%M:%SZ}"
