"""The picture of the benchmark: time and memory against the number of connectors, from the kept results."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

_PANEL = {"width": 380, "height": 260, "left": 60, "top": 50}


def write_plot(folder: Path) -> None:
    """Write `month.svg` beside the results of whole months in `folder`; nothing if there is none."""
    months = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    months = sorted((m for m in months if "month" in m and m["is_durable"]), key=lambda m: m["month"]["rows"])
    if not months:
        return
    rows = [m["month"]["rows"] for m in months]
    seconds = {
        "naive pandas (a tenth, times ten)": ("naive", [m["month"]["naive_s"] for m in months]),
        "hand-written SQL": ("sql", [m["month"]["sql_s"] for m in months]),
        "evbilling": ("ours", [m["month"]["product_s"] for m in months]),
    }
    memory = {
        "limit of a task": ("sql", [1024.0 for _ in months]),
        "evbilling, largest task": ("ours", [m["month"]["product_peak_mib"] for m in months]),
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    machine = (
        f"{months[-1]['cores']} cores, {months[-1]['memory_gib']} GiB, durable settings, {months[-1]['measured_on']}"
    )
    panels = [
        _panel("Seconds for a month", rows, seconds, 0, lowest=1.0),
        _panel("MiB of the largest task", rows, memory, 1, lowest=100.0),
    ]
    svg = environment.get_template("plot.svg.jinja").render(panels=panels, machine=machine)
    (folder / "month.svg").write_text(svg, encoding="utf-8")


def _panel(
    title: str, rows: list[int], lines: dict[str, tuple[str, list[float]]], place: int, lowest: float
) -> dict[str, Any]:
    left, top = _PANEL["left"] + place * (_PANEL["width"] + 100), _PANEL["top"]
    x0, x1 = math.floor(math.log10(min(rows))), math.ceil(math.log10(max(rows) * 1.05))
    y0 = math.log10(lowest)
    y1 = math.ceil(math.log10(max(max(values) for _, values in lines.values()) * 1.05))

    def x(value: float) -> float:
        return round(left + _PANEL["width"] * (math.log10(value) - x0) / (x1 - x0), 1)

    def y(value: float) -> float:
        return round(top + _PANEL["height"] * (1 - (math.log10(max(value, lowest)) - y0) / (y1 - y0)), 1)

    return {
        "title": title,
        "left": left,
        "top": top,
        "width": _PANEL["width"],
        "height": _PANEL["height"],
        "x_ticks": [(x(10.0**e), _short(10**e)) for e in range(x0, x1 + 1)],
        "y_ticks": [(y(10.0**e), _short(10**e)) for e in range(math.floor(y0), y1 + 1)],
        "lines": [
            {
                "label": label,
                "kind": kind,
                "points": [
                    (x(r), y(v), f"{label}: {v:,.1f} at {r:,} connectors") for r, v in zip(rows, values, strict=True)
                ],
            }
            for label, (kind, values) in lines.items()
        ],
    }


def _short(value: float) -> str:
    for unit, word in ((1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:g} {word}"
    return f"{value:g}"
