"""Texts into contract types, vectorised: each rule gives the typed values and a mask of those it can't read.

Amounts become decimal128(18,6): money never passes through a float. Times become microseconds UTC: digits
beyond the microsecond are dropped, an offset is converted, and a time without a zone is UTC by contract.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.contract import ColumnType

TIMESTAMP = pa.timestamp("us", "UTC")
AMOUNT = pa.decimal128(18, 6)
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "timestamp": TIMESTAMP,
    "amount": AMOUNT,
}
EXPECTED: dict[ColumnType, str] = {
    "text": "is not a text that Postgres can store (it has a NUL byte)",
    "boolean": "is not true or false",
    "integer": "is not a whole number of at most 2147483647",
    "timestamp": "is not a time as 2020-10-31T23:59:59Z",
    "amount": "is not an amount in plain digits with at most 12 before and 6 after the point, as 12.50",
}
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
# What a Python datetime and Postgres both can hold; arrow itself goes further.
_FIRST = pa.scalar("0001-01-01T00:00:00Z").cast(TIMESTAMP)
_LAST = pa.scalar("9999-12-31T23:59:59.999999Z").cast(TIMESTAMP)

Parsed = tuple[pa.Array, pa.Array | None]


def parse(kind: ColumnType, texts: pa.Array) -> Parsed:
    """`texts` (string array, null = no value) as the arrow type of `kind`, and the mask of unreadable ones.

    An unreadable value is null in the result; no mask means that all could be read.
    """
    return _PARSERS[kind](texts)


def _masked(mask: pa.Array) -> pa.Array | None:
    return mask if pc.any(mask).as_py() else None


def _text(texts: pa.Array) -> Parsed:
    empty = pc.equal(texts, "")
    if pc.any(empty).as_py():
        texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
    # Looking through the buffer costs nothing beside a match per value, and a NUL is next to never there.
    buffer = texts.buffers()[2]
    if buffer is None or b"\x00" not in buffer.to_pybytes():
        return texts, None
    return texts, _masked(pc.fill_null(pc.match_substring(texts, "\x00"), False))


def _boolean(texts: pa.Array) -> Parsed:
    lowered = pc.utf8_lower(texts)
    found = pc.index_in(lowered, value_set=pa.array(list(_BOOLEANS)))
    values = pc.take(pa.array(list(_BOOLEANS.values())), found)
    return values, _unread(texts, values)


def _integer(texts: pa.Array) -> Parsed:
    values = _cast_matching(texts, r"^-?[0-9]{1,10}$", pa.int64())
    fits = pc.and_(pc.less_equal(values, 2**31 - 1), pc.greater_equal(values, -(2**31)))
    values = pc.if_else(fits, values, pa.scalar(None, pa.int64())).cast(pa.int32())
    return values, _unread(texts, values)


def _amount(texts: pa.Array) -> Parsed:
    values = _cast_matching(texts, r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$", AMOUNT)
    return values, _unread(texts, values)


def _cast_matching(texts: pa.Array, form: str, to: pa.DataType) -> pa.Array:
    """The cast alone would also take 0x10, blanks and 1e3, so only what has the `form` gets there."""
    good = pc.match_substring_regex(texts, form)
    return pc.if_else(good, texts, pa.scalar(None, pa.string())).cast(to)


def _timestamp(texts: pa.Array) -> Parsed:
    try:
        values = texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        values = _timestamps_one_by_one(_with_zone(texts))
    return within_calendar(values, texts)


def _with_zone(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]{1,3}", r"\1")
    zoned = pc.match_substring_regex(texts, r"T?[0-9:.]([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$")
    has_time = pc.match_substring_regex(texts, r"[T ][0-9]{2}:")
    return pc.if_else(pc.and_(has_time, pc.invert(zoned)), pc.binary_join_element_wise(texts, "Z", ""), texts)


def _timestamps_one_by_one(texts: pa.Array) -> pa.Array:
    """Only unlike values are parsed singly, and only when the whole column didn't parse at once."""
    try:
        return texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        pass
    coded = texts.dictionary_encode()
    return pc.take(pa.array([_one_timestamp(text) for text in coded.dictionary], TIMESTAMP), coded.indices)


def _one_timestamp(text: pa.Scalar) -> pa.Scalar:
    try:
        return text.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        return pa.scalar(None, TIMESTAMP)


def within_calendar(values: pa.Array, given: pa.Array) -> Parsed:
    """`values` without what lies outside the years 1 to 9999; the mask says which of `given` got lost."""
    inside = pc.and_(pc.greater_equal(values, _FIRST), pc.less_equal(values, _LAST))
    if not pc.all(pc.fill_null(inside, True)).as_py():
        values = pc.if_else(inside, values, pa.scalar(None, TIMESTAMP))
    return values, _unread(given, values)


def _unread(given: pa.Array, values: pa.Array) -> pa.Array | None:
    if values.null_count == given.null_count:
        return None
    return _masked(pc.and_(pc.is_valid(given), pc.is_null(values)))


_PARSERS: dict[ColumnType, Callable[[pa.Array], Parsed]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _integer,
    "timestamp": _timestamp,
    "amount": _amount,
}
