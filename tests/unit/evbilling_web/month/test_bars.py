"""Bars: within their room, to scale, apart, on the right side of the zero line, whatever the values."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling_web.month.bars import Bar, BarRow, BarTable

SLACK = 1e-6
KINDS = ("bad", "good hollow")

amounts = st.decimals(min_value=-(10**15), max_value=10**15, places=2)


def bars(*rows: tuple[int | Decimal, ...]) -> list[list[Bar]]:
    """The bars of rows with these values."""
    table = BarTable(
        "title", "hint", ("Label",), tuple(BarRow("l", tuple(zip(KINDS * 2, r, strict=False)), ()) for r in rows)
    )
    return table.bars


@given(st.lists(st.lists(amounts, max_size=4).map(tuple), max_size=6))
def test_bars_stay_within_their_room_and_apart(rows: list[tuple[Decimal, ...]]) -> None:
    """Each value but zero has a bar; none leaves the room or covers another; all are on one scale."""
    found = bars(*rows)
    assert [len(row) for row in found] == [sum(value != 0 for value in row) for row in rows]
    for row in found:
        ordered = sorted(row, key=lambda bar: bar.x)
        assert all(-SLACK <= bar.x <= bar.x + bar.width <= 100 + SLACK for bar in ordered)
        assert all(a.x + a.width <= b.x + SLACK for a, b in pairwise(ordered))
    values = [abs(float(value)) for row in rows for value in row if value]
    widths = [bar.width for row in found for bar in row]
    scale = max(widths, default=0) / max(values, default=1)
    assert widths == pytest.approx([value * scale for value in values])


def test_the_longest_fills_the_room() -> None:
    """A half of it is half as long; two parts of a row lie side by side."""
    (full,), (half,), two = bars((Decimal(200),), (100,), (50, 150))
    assert full == Bar("bad", 0, 100)
    assert half == Bar("bad", 0, 50)
    assert two == [Bar("bad", 0, 25), Bar("good hollow", 25, 75)]


def test_credits_are_on_the_other_side_of_the_zero_line() -> None:
    """As soon as one row has a credit, what is due begins further right in every row."""
    assert bars((300, 0), (100, -100), ()) == [
        [Bar("bad", 25, 75)],
        [Bar("bad", 25, 25), Bar("good hollow", 0, 25)],
        [],
    ]


def test_only_credits_and_nothing_at_all() -> None:
    """No division by zero; the zero line is at the right then."""
    assert [bar.x + bar.width for row in bars((-5,), (-1,)) for bar in row] == [100, 100]
    assert bars((Decimal(0),), ()) == [[], []]
    assert bars() == []
