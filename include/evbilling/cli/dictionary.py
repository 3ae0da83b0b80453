"""The data dictionary of the finance views, from the comments that the warehouse itself carries."""

from __future__ import annotations

import operator
from itertools import groupby

from evbilling.warehouse.connect import connected
from evbilling.warehouse.query import fetch_all


def data_dictionary(warehouse_url: str) -> str:
    """Markdown: a section per view, a row per column with type and meaning."""
    with connected(warehouse_url, what="warehouse") as connection:
        rows = fetch_all(connection, "cli/data_dictionary")
    out = [
        "# Data dictionary",
        "",
        "The views of schema `finance`: the contract with everybody who reads billing figures. Columns are only ever",
        "added. Made by `evbilling dictionary` from the comments in `sql/views/`; don't edit it by hand.",
    ]
    for (view, comment), columns in groupby(rows, key=operator.itemgetter(0, 1)):
        out += [
            "",
            f"## finance.{view}",
            "",
            f"{comment}.",
            "",
            "| column | type | meaning |",
            "| --- | --- | --- |",
        ]
        out += [f"| `{name}` | {kind} | {meaning} |" for _, _, name, kind, meaning in columns]
    return "\n".join(out) + "\n"
