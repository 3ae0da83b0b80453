"""Pictures: bars are where they belong whatever their values, and the drawing is text to everybody."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree  # ruff: ignore[suspicious-xml-etree-import]  # our own drawings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import evbilling_web
from evbilling_web.charts import WIDTH, Bar, Box, Part, columns, round_ticks, rows, short

TEMPLATES = Path(evbilling_web.__file__).parent / "templates"
SLACK = 1e-6

amounts = st.decimals(min_value=-(10**15), max_value=10**15, places=2)
one_bar = st.lists(amounts, max_size=4).map(
    lambda values: Bar("label", "value", tuple(Part(value, "good", "says") for value in values))
)
counts = st.lists(st.one_of(st.none(), st.integers(0, 10**12)), min_size=1, max_size=24)


def bar(*values: int | Decimal, label: str = "label", value: str = "1,234.00") -> Bar:
    """A bar of these parts."""
    return Bar(label, value, tuple(Part(v, "good", f"{v}") for v in values))


def upright(*values: int | None) -> list[Bar]:
    """Columns of these values; None is a gap."""
    return [bar(label="Jan") if v is None else bar(v, label="Jan", value=f"{v:,}") for v in values]


def on_row(boxes: tuple[Box, ...], y: float) -> list[Box]:
    return sorted((box for box in boxes if box.y == y), key=lambda box: box.x)


@given(st.lists(one_bar, max_size=6))
def test_rows_stay_within_the_picture_and_apart(bars: list[Bar]) -> None:
    """Whatever sizes and signs: each part that isn't nothing is seen, none leaves the picture or covers another."""
    picture = rows(bars)
    assert len(picture.boxes) == sum(part.value != 0 for b in bars for part in b.parts)
    for box in picture.boxes:
        assert box.width >= 0.5
        assert -SLACK <= box.x <= box.x + box.width <= WIDTH + SLACK
        assert 0 <= box.y < box.y + box.height <= picture.height
        neighbours = on_row(picture.boxes, box.y)
        assert all(a.x + a.width <= b.x + SLACK for a, b in pairwise(neighbours))


def test_rows_are_as_long_as_their_values() -> None:
    """The longest fills the picture; half of it is half as long; of something tiny a mark is left."""
    full, half, tiny = rows([bar(Decimal(200)), bar(Decimal(100)), bar(Decimal("0.01"))]).boxes
    assert (full.width, half.width) == (WIDTH, WIDTH / 2)
    assert tiny.width == pytest.approx(2)


def test_credits_lie_on_the_other_side_of_the_zero_line() -> None:
    """A zero line is drawn for each row as soon as one has a credit; what is due begins at it, credit ends at it."""
    picture = rows([bar(Decimal(300)), bar(Decimal(100), Decimal(-100)), bar()])
    assert {line[0] for line in picture.lines} == {WIDTH / 4}
    assert len(picture.lines) == 3
    assert [(box.x, box.width) for box in picture.boxes] == [
        (WIDTH / 4, WIDTH * 3 / 4),
        (WIDTH / 4, WIDTH / 4),
        (0.0, WIDTH / 4),
    ]
    assert rows([bar(Decimal(300))]).lines == ()


def test_only_credits_and_nothing_at_all() -> None:
    """No division by nothing; the zero line is at the right then."""
    assert [box.x + box.width for box in rows([bar(Decimal(-5)), bar(Decimal(-1))]).boxes] == [WIDTH, WIDTH]
    assert rows([bar(Decimal(0)), bar()]).boxes == ()
    assert rows([]).boxes == ()


def test_a_label_and_a_value_that_are_long_together_take_two_lines() -> None:
    """Neither is cut, and they don't run into each other."""
    short_one = rows([bar(Decimal(1), label="Paid (2)")])
    long_one = rows([bar(Decimal(1), label="Billing failure (resolved) (12,345)", value="123,456,789,012.00")])
    assert long_one.height > short_one.height
    label, value = long_one.words
    assert label.y < value.y
    assert (label.text, value.text) == ("Billing failure (resolved) (12,345)", "123,456,789,012.00")


@given(counts)
def test_columns_stay_within_the_picture(values: list[int | None]) -> None:
    """Each value above nothing has a column between the axis and the top, in order, none over another."""
    picture = columns(upright(*values), groups=["2026"] * len(values))
    assert len(picture.boxes) == sum(bool(v) for v in values)
    assert all(a.x + a.width <= b.x + SLACK for a, b in pairwise(picture.boxes))
    for box in picture.boxes:
        assert box.height >= 2.0
        assert 0 < box.y < box.y + box.height <= picture.height
        assert 0 <= box.x <= box.x + box.width <= WIDTH + SLACK


def test_a_gap_is_a_dash_and_nothing_is_a_zero() -> None:
    """A month that was not billed is not a month with 0."""
    texts = [words.text for words in columns(upright(None, 0, 5)).words]
    assert texts.count("\N{EN DASH}") == 1
    assert texts.count("0") == 2, "the axis has one as well"


def test_the_axis_is_the_values_own() -> None:
    """A column of the axis's highest number ends at its line; the last value is written above its column."""
    picture = columns(upright(25, 100))
    top = min(line[1] for line in picture.lines)
    assert picture.boxes[1].y == pytest.approx(top)
    assert picture.boxes[0].height == pytest.approx(picture.boxes[1].height / 4)
    assert picture.words[-1].text == "100"
    assert picture.words[-1].y < top


def test_years_are_written_once_each() -> None:
    """At the first of their columns."""
    texts = [words.text for words in columns(upright(1, 2, 3), groups=["2025", "2026", "2026"]).words]
    assert (texts.count("2025"), texts.count("2026")) == (1, 1)


@given(st.integers(0, 10**15))
def test_ticks_are_round_and_reach_the_highest(high: int) -> None:
    """From 0 in equal whole steps, few of them, no more than needed."""
    ticks = round_ticks(high)
    assert ticks[0] == 0
    assert ticks[-1] >= high > ticks[-2] or high <= 1
    assert 2 <= len(ticks) <= 5
    steps = {b - a for a, b in pairwise(ticks)}
    assert len(steps) == 1
    assert steps.pop() % 1 == 0


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (950, "950"), (1000, "1k"), (25_000, "25k"), (2_500_000, "2.5M"), (10**10, "10B"), (7500, "7.5k")],
)
def test_round_numbers_are_short(number: int, written: str) -> None:
    """An axis has little room."""
    assert short(Decimal(number)) == written


@pytest.mark.parametrize("picture", [rows([bar(Decimal(3), Decimal(-1))]), columns(upright(None, 0, 5))])
def test_the_drawing_is_well_formed_named_and_without_styles(picture: object) -> None:
    """Screen readers get title and description, each bar says what it is, and hostile words stay words."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    macros = environment.get_template("charts.html").module
    hostile = '<script>alert("1")</script>'
    svg = ElementTree.fromstring(macros.svg(picture, "c1", hostile, "description"))  # ruff: ignore[suspicious-xml-element-tree-usage]
    assert svg.attrib["role"] == "img"
    names = {element.attrib["id"]: element.text for element in svg if "id" in element.attrib}
    assert [names[name] for name in svg.attrib["aria-labelledby"].split()] == [hostile, "description"]
    assert all("style" not in element.attrib for element in svg.iter())
    assert all(group.findtext("title") for group in svg.findall("g"))
    patterns = ElementTree.fromstring(macros.patterns())  # ruff: ignore[suspicious-xml-element-tree-usage]
    known = {element.attrib["id"] for element in patterns.iter("pattern")}
    assert {f"pattern-{name}" for name in macros.PATTERNS.values()} <= known
    table = macros.numbers(hostile, ("a", "b"), [(hostile, "1")])
    assert "<script>" not in table
    assert "<script>" not in macros.legend([("good", hostile)])
