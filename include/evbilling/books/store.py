"""Charts of accounts in the warehouse: append-only, each with who, when and why; the newest is in force."""

from __future__ import annotations

from typing import Any

import psycopg

from evbilling.books.chart import DEFAULT_CHART, parse_chart
from evbilling.errors import BadInput
from evbilling.typed_text import require_text


def record_chart(connection: psycopg.Connection[Any], chart: str, *, actor: str, reason: str) -> int | None:
    """Put the chart in force, for the exports to come; returns its number, or None if it is in force already.

    Raises `BadInput` if it isn't valid, or without who and why.
    """
    parse_chart(chart)
    if not actor.strip():
        raise BadInput("a chart is recorded with who and why", fix="say who sets it")
    require_text("reason", reason, "chart of accounts", missing="say why it is set")
    row = connection.execute(
        "select billing.record_journal_chart(%s, %s, %s)", (chart, actor, reason.strip())
    ).fetchone()
    return None if row is None else row[0]


def chart_in_force(connection: psycopg.Connection[Any]) -> tuple[int | None, str]:
    """The number and text of the chart that is in force; None and the default one if none was recorded."""
    row = connection.execute(
        "select chart_id, chart from billing.journal_chart order by chart_id desc limit 1"
    ).fetchone()
    return (row[0], row[1]) if row else (None, DEFAULT_CHART)
