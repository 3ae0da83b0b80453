"""Where the bars of a picture go. Pure geometry: a template draws it as SVG, with the same numbers in a table below.

All lengths are in units of the picture's own grid, which is as wide as a narrow phone: what can be read there can be
read everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH = 280.0
# Text is measured by this much of its size a letter: a little more than digits and capitals need.
_LETTER = 0.58
_TEXT = 12.0
_AXIS_TEXT = 11.0
# What isn't nothing is to be seen, however small it is beside the largest.
_LEAST = 2.0

Number = int | Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar: its value, the kind that gives colour and pattern (see charts.css), and its words."""

    value: Number
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, the value as it is written beside it, and its parts, in the order in which they lie.

    Parts above zero lie to one side of the zero line, parts below it to the other. A bar without parts stands for a
    figure that there isn't, which is something else than 0.
    """

    label: str
    value: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn part: where it lies, and what to say of it."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Words:
    """Text at a place; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str
    size: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What to draw: `lines` are (x1, y1, x2, y2, kind), where kind is axis (a zero line) or grid."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    words: tuple[Words, ...]
    lines: tuple[tuple[float, float, float, float, str], ...]


def rows(bars: Sequence[Bar]) -> Picture:
    """Horizontal bars, one below the other; label and value stand above each, so both are as long as they must be."""
    zero, scale = _zero_and_scale(bars)
    y, boxes, words, lines = 0.0, [], [], []
    for bar in bars:
        fits = (len(bar.label) + len(bar.value) + 2) * _TEXT * _LETTER <= WIDTH
        words.append(Words(0.0, y + _TEXT, bar.label, "start", _TEXT))
        y += 0.0 if fits else _TEXT + 3.0
        words.append(Words(WIDTH, y + _TEXT, bar.value, "end", _TEXT))
        y += _TEXT + 5.0
        boxes += [Box(at, y, length, 12.0, part.kind, part.says) for part, at, length in _laid(bar.parts, zero, scale)]
        lines += [(zero, y - 2.0, zero, y + 14.0, "axis")] if zero else []
        y += 12.0 + 10.0
    return Picture(WIDTH, max(y - 6.0, 1.0), tuple(boxes), tuple(words), tuple(lines))


def columns(bars: Sequence[Bar], *, groups: Sequence[str] = (), height: float = 160.0) -> Picture:
    """Upright bars side by side, with an axis of round numbers; values are whole and not below zero.

    `groups` gives a second line of labels, one for each bar: the first of equal ones is written. The last bar's value
    stands above it; a bar without parts is a dash, one that comes to nothing a 0.
    """
    ticks = round_ticks(max((sum(part.value for part in bar.parts) for bar in bars), default=0))
    marks = [short(tick) for tick in ticks]
    left = max(len(mark) for mark in marks) * _AXIS_TEXT * _LETTER + 6.0
    top, bottom = 2.0 * _AXIS_TEXT, height - (2.6 if groups else 1.4) * _AXIS_TEXT
    scale = (bottom - top) / float(ticks[-1])
    step = (WIDTH - left) / max(len(bars), 1)
    lines = [
        (left, _at(bottom, tick, scale), WIDTH, _at(bottom, tick, scale), "grid" if tick else "axis") for tick in ticks
    ]
    words = [
        Words(left - 5.0, _at(bottom, tick, scale) + 0.35 * _AXIS_TEXT, mark, "end", _AXIS_TEXT)
        for tick, mark in zip(ticks, marks, strict=True)
    ]
    boxes: list[Box] = []
    # Many columns: their labels a little smaller, so that they stay apart.
    longest = max((len(bar.label) for bar in bars), default=1)
    size = round(min(_AXIS_TEXT, max(0.8 * step / (longest * _LETTER), 9.5)), 1)
    for index, bar in enumerate(bars):
        middle = left + (index + 0.5) * step
        thick = min(0.7 * step, 40.0)
        words.append(Words(middle, bottom + 1.2 * _AXIS_TEXT, bar.label, "middle", size))
        if groups and groups[index] not in groups[:index]:
            # A group of one column has no room to its right, unless nothing follows.
            is_short = groups[index + 1 : index + 2] not in ([], [groups[index]])
            at, anchor = (middle + 0.5 * thick, "end") if is_short else (middle - 0.5 * thick, "start")
            words.append(Words(at, bottom + 2.4 * _AXIS_TEXT, groups[index], anchor, _AXIS_TEXT))
        if not any(part.value for part in bar.parts):
            words.append(Words(middle, bottom - 4.0, "0" if bar.parts else "\N{EN DASH}", "middle", _AXIS_TEXT))
            continue
        above = bottom
        for part in bar.parts:
            length = _visible(part.value, scale)
            above -= length
            boxes.append(Box(middle - 0.5 * thick, above, thick, length, part.kind, part.says))
        if index == len(bars) - 1:
            words.append(Words(min(middle + 0.5 * thick, WIDTH), above - 4.0, bar.value, "end", _AXIS_TEXT))
    return Picture(WIDTH, height, tuple(boxes), tuple(words), tuple(lines))


def round_ticks(high: Number) -> tuple[Decimal, ...]:
    """0 and two to four round numbers up to at least `high`, whole ones: (0, 50000, 100000) for 71,312."""
    wanted = max(Decimal(high), Decimal(1))
    unit = Decimal(10) ** (wanted.adjusted())
    for step in (unit / 5, unit / 4, unit / 2, unit, 2 * unit, 5 * unit):
        whole = step == step.to_integral_value()
        count = math.ceil(wanted / step)
        if whole and count <= 4:
            return tuple(step * index for index in range(count + 1))
    return (Decimal(0), unit * 10)


def short(value: Number) -> str:
    """A round number in few letters: 250k, 1.5M, 2B."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= size:
            return f"{(Decimal(value) / size).normalize():f}{letter}"
    return f"{Decimal(value).normalize():f}"


def _zero_and_scale(bars: Sequence[Bar]) -> tuple[float, float]:
    """Where the zero line is, and how long a value of 1 is; what is below zero has the room that it needs."""
    sides = []
    for sign in (-1, 1):
        lengths = [[abs(part.value) for part in bar.parts if part.value * sign > 0] for bar in bars]
        sides.append((
            float(max((sum(values) for values in lengths), default=0)),
            _LEAST * max(map(len, lengths), default=0),
        ))
    (below, least_below), (above, least_above) = sides
    if not below and not above:
        return 0.0, 1.0
    zero = min(max(WIDTH * below / (below + above), least_below), WIDTH - least_above)
    return zero, min(zero / below if below else float("inf"), (WIDTH - zero) / above if above else float("inf"))


def _laid(parts: Sequence[Part], zero: float, scale: float) -> list[tuple[Part, float, float]]:
    """Parts side by side, with where each begins and how long it is: from the zero line on, or up to it.

    None goes beyond the picture: what is drawn larger than it is, to be seen at all, is taken from the largest.
    """
    laid = []
    for sign, room in ((1, WIDTH - zero), (-1, zero)):
        side = [part for part in parts if part.value * sign > 0]
        lengths = [_visible(part.value, scale) for part in side]
        while lengths and (beyond := sum(lengths) - room) > 0:
            largest = max(lengths)
            lengths[lengths.index(largest)] = max(largest - beyond, _LEAST)
            if largest <= _LEAST:
                break
        at = zero if sign > 0 else zero - sum(lengths)
        order = list(zip(side, lengths, strict=True))[::sign]
        for part, length in order:
            laid.append((part, at, length))
            at += length
    return laid


def _visible(value: Number, scale: float) -> float:
    return max(abs(float(value)) * scale, _LEAST) if value else 0.0


def _at(bottom: float, value: Number, scale: float) -> float:
    return bottom - float(value) * scale
