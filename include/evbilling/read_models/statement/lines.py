"""The lines of a statement, page by page: chargers and connectors, items, corrected connectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg

from evbilling.money import from_minor
from evbilling.read_models.statement.labels import rule_says
from evbilling.read_models.statement.view import (
    MOST_COUNTED,
    BilledConnector,
    ChargerLines,
    CorrectedConnector,
    ExcludedByRule,
    ExcludedConnector,
    Header,
    Item,
    ItemTotals,
    Line,
)
from evbilling.warehouse import fetch_dicts, select_value

# No charger has more outlets; a faulty source must not fill the memory.
MOST_CONNECTORS = 200


def charger_page(
    connection: psycopg.Connection[Any], header: Header, *, after: str | None = None, most: int
) -> tuple[ChargerLines, ...]:
    """The chargers that follow `after` in order of their ids, `most` at most, each with its billed connectors."""
    major = partial(from_minor, decimals_of_currency=header.minor_unit)
    rows = _rows(
        connection,
        "chargers",
        period=header.period,
        account=header.account_id,
        after=after,
        chargers=most,
        connectors=MOST_CONNECTORS,
    )
    return tuple(
        ChargerLines(
            row["charger_id"],
            tuple(
                Line(number, power, major(price), (row["standards"] or {}).get(str(number), row["standard"]))
                for number, power, price in zip(row["connectors"], row["power_types"], row["prices"], strict=True)
            ),
            row["ac_count"],
            row["dc_count"],
            major(row["subtotal_minor"]),
            row["name"],
            row["site"],
            row["scope_status"],
        )
        for row in rows
    )


def line_page(
    connection: psycopg.Connection[Any], header: Header, *, after: tuple[str, int] | None = None, most: int
) -> tuple[BilledConnector, ...]:
    """The billed connectors, after that charger and connector, `most` at most."""
    of = {"period": header.period, "account": header.account_id, "minor_unit": header.minor_unit}
    return tuple(BilledConnector(**row) for row in _rows_after(connection, "lines", after, most, **of))


def charger_count(connection: psycopg.Connection[Any], header: Header) -> int:
    """The number of chargers that the statement bills; `MOST_COUNTED` + 1 if there are more."""
    (row,) = _rows(connection, "charger_count", period=header.period, account=header.account_id, most=MOST_COUNTED + 1)
    return int(row["chargers"])


def excluded_by_rule(connection: psycopg.Connection[Any], header: Header) -> tuple[ExcludedByRule, ...]:
    """The number of the account's connectors that each rule excluded. Reads all of them: a second for five million."""
    rows = _rows(connection, "excluded_by_rule", period=header.period, account=header.account_id)
    return tuple(ExcludedByRule(row["rule_id"], rule_says(row["rule_id"]), row["connectors"]) for row in rows)


def excluded_page(
    connection: psycopg.Connection[Any], header: Header, *, after: tuple[str, int] | None = None, most: int
) -> tuple[ExcludedConnector, ...]:
    """The connectors that aren't billed, after that charger and connector, `most` at most."""
    rows = _rows_after(connection, "excluded", after, most, period=header.period, account=header.account_id)
    return tuple(ExcludedConnector(**row) for row in rows)


def corrected_page(
    connection: psycopg.Connection[Any],
    header: Header,
    correction_id: str,
    *,
    after: tuple[str, int] | None = None,
    most: int,
) -> tuple[CorrectedConnector, ...]:
    """The connectors that a correction changes, after that charger and connector, `most` at most."""
    of = {"correction": correction_id, "minor_unit": header.minor_unit, "period": header.period}
    of["account"] = header.account_id
    rows = _rows_after(connection, "correction_lines", after, most, **of)
    return tuple(map(_corrected, rows))


def corrected_count(connection: psycopg.Connection[Any], header: Header) -> int:
    """The number of connectors that the correction changes."""
    query = "select count(*) from billing.correction_line where correction_id = %s"
    return int(select_value(connection, query, header.statement_id))


def item_page(connection: psycopg.Connection[Any], header: Header, *, offset: int = 0, most: int) -> tuple[Item, ...]:
    """The items of an account statement in its order, from `offset` on, `most` at most."""
    rows = _rows(connection, "items", statement=header.statement_id, offset=offset, most=most)
    return tuple(Item(**row) for row in rows)


def item_totals(connection: psycopg.Connection[Any], header: Header) -> tuple[ItemTotals, ...]:
    """The totals of an account statement's items by kind, in its order."""
    return tuple(ItemTotals(**row) for row in _rows(connection, "item_totals", statement=header.statement_id))


def _corrected(row: dict[str, Any]) -> CorrectedConnector:
    is_there, why = row.pop("is_there"), None
    if row["rule_id"]:
        why = rule_says(row["rule_id"])
    elif not is_there:
        why = "The connector is no longer the account's"
    return CorrectedConnector(**row, why=why)


def _rows(connection: psycopg.Connection[Any], name: str, **values: object) -> list[dict[str, Any]]:
    return fetch_dicts(connection, f"read_models/statement/{name}", **values)


def _rows_after(
    connection: psycopg.Connection[Any], name: str, after: tuple[str, int] | None, most: int, **values: object
) -> list[dict[str, Any]]:
    charger, connector = after or (None, None)
    return _rows(connection, name, charger=charger, connector=connector, most=most, **values)
