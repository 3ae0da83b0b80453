"""Texts of a platform file become exact values, or are refused one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.platform.files.checks import parse


def one(kind: str, text: str) -> tuple[object, bool]:
    values, unread = parse(kind, pa.array([text, None], pa.string()))  # type: ignore[arg-type]
    assert values[1].as_py() is None
    return values[0].as_py(), bool(unread is not None and unread[0].as_py())


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("timestamp", "2020-10-31T23:59:59Z", datetime(2020, 10, 31, 23, 59, 59, tzinfo=UTC)),
        ("timestamp", "2020-10-31 23:59:59+00:00", datetime(2020, 10, 31, 23, 59, 59, tzinfo=UTC)),
        ("timestamp", "2020-10-31T23:59:59", datetime(2020, 10, 31, 23, 59, 59, tzinfo=UTC)),
        ("timestamp", "2020-11-01T01:00:00+02:00", datetime(2020, 10, 31, 23, tzinfo=UTC)),
        ("timestamp", "2020-10-31T23:59:59.1234569", datetime(2020, 10, 31, 23, 59, 59, 123456, tzinfo=UTC)),
        ("boolean", "True", True),
        ("boolean", "f", False),
        ("boolean", "0", False),
        ("boolean", "No", False),
        ("boolean", "N", False),
        ("boolean", "yes", True),
        ("integer", "007", 7),
        ("integer", "-2147483648", -(2**31)),
        ("amount", "-0.000001", Decimal("-0.000001")),
        ("amount", "999999999999.999999", Decimal("999999999999.999999")),
        ("amount", "12.500000000", Decimal("12.5")),
        ("amount", "0.000000000000000000", Decimal(0)),
        ("text", "NULL", "NULL"),
        ("text", "NA", "NA"),
        ("text", "", None),
    ],
)
def test_reads(kind: str, text: str, value: object) -> None:
    assert one(kind, text) == (value, False)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("timestamp", "2020-10-31"),
        ("timestamp", "2020-02-30T00:00:00Z"),
        ("timestamp", "31.10.2020 00:00"),
        ("timestamp", "0000-01-01T00:00:00Z"),
        ("timestamp", "9999-12-31T23:59:59-01:00"),
        ("boolean", "inactive"),
        ("boolean", " t"),
        ("boolean", "2"),
        ("integer", "1.0"),
        ("integer", "0x10"),
        ("integer", " 1"),
        ("integer", "2147483648"),
        ("integer", "99999999999999999999"),
        ("amount", "1e3"),
        ("amount", "1,50"),
        ("amount", "NaN"),
        ("amount", "1.1234567"),
        ("amount", "1.12345670"),
        ("amount", "1.000000001"),
        ("amount", "1,234.50"),
        ("amount", "€5"),
        ("amount", "+5"),
        ("amount", "5."),
        ("amount", ".5"),
        ("amount", "1000000000000"),
        ("amount", "٣"),
        ("text", "a\x00b"),
    ],
)
def test_refuses(kind: str, text: str) -> None:
    assert one(kind, text)[1]


TIMES = [
    ("2020-10-31T23:59:59Z", True),
    ("2020-10-31 23:59Z", True),
    ("2020-10-31T23:59:59+01:00", True),
    ("2020-10-31T23:59:59 +0100", True),
    ("2020-10-31 23:59:59.5-11", True),
    ("2020-10-31T23:59:59.123456789Z", True),
    ("0001-01-01T00:00:00", True),
    ("9999-12-31T23:59:59.999999", True),
    ("2000-02-29T00:00:00", True),
    ("1900-02-29T00:00:00Z", False),
    ("2021-02-29T00:00:00Z", False),
    ("2020-04-31T00:00:00Z", False),
    ("2020-10-31T24:00:00Z", False),
    ("2016-12-31T23:59:60Z", False),
    ("2020-10-31T23Z", False),
    ("2020-10-31Z", False),
    ("2020-10-31T23:59:59+24:00", False),
    ("2020-10-31T23:59:59,5Z", False),
    ("2020-10-31t23:59:59z", False),
    ("2020-10-31T23:59:59 UTC", False),
    ("2020-10-31T23:59:59Z ", False),
]


@pytest.mark.parametrize(("text", "is_time"), TIMES)
def test_a_time_is_read_alike_whatever_is_beside_it(text: str, is_time: bool) -> None:
    alone = one("timestamp", text)
    assert alone[1] is not is_time
    for other in ("2020-10-31T23:59:59", "no time"):
        values, unread = parse("timestamp", pa.array([text, other]))
        assert values[0].as_py() == alone[0]
        assert (unread is not None and unread[0].as_py()) is not is_time


def test_one_bad_time_leaves_its_neighbours_as_they_are() -> None:
    values, unread = parse("timestamp", pa.array(["2020-01-01T00:00:00", "x", "2020-01-02T00:00:00Z", None]))
    assert unread.to_pylist() == [False, True, False, False]
    assert [value and value.day for value in values.to_pylist()] == [1, None, 2, None]


@given(st.decimals(min_value=-(10**11), max_value=10**11, places=6))
def test_amounts_are_exact(amount: Decimal) -> None:
    assert one("amount", f"{amount:f}") == (amount, False)


@given(
    st.datetimes(min_value=datetime(1000, 1, 3), max_value=datetime(9999, 12, 29)),  # ruff: ignore[call-datetime-without-tzinfo]
    st.integers(-14 * 60, 14 * 60),
)
def test_times_with_any_offset_are_the_same_instant(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert one("timestamp", moment.isoformat()) == (moment.astimezone(UTC), False)
