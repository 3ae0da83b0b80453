"""The lines of one statement as a CSV file of any size: connectors billed or not, items, what a correction changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeVar

import psycopg

from evbilling.csv_output import Cell, csv_chunks
from evbilling.errors import NotReady
from evbilling.read_models.statement import lines
from evbilling.read_models.statement.labels import rule_says
from evbilling.read_models.statement.view import (
    ACCOUNT,
    CORRECTION,
    CorrectedConnector,
    ExcludedConnector,
    Header,
    Item,
    Line,
)

Reading = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
What = Literal["billed", "excluded"]

_Page = TypeVar("_Page")

_AT_ONCE = 5_000

_ACCOUNT = (
    "Statement",
    "Kind",
    "Item",
    "Occurred at (UTC)",
    "Description",
    "Currency",
    "Net",
    "Tax",
    "Total",
    "Settled before",
)
_CORRECTION = (
    "Correction",
    "Corrects",
    "Charger",
    "Connector",
    "Power type",
    "Currency",
    "Before",
    "Now",
    "Difference",
    "Rule",
    "Why",
)
_BILLED = ("Statement", "Period", "Account", "Charger", "Connector", "Power type", "Currency", "Net")
_EXCLUDED = ("Period", "Account", "Charger", "Connector", "Power type", "Rule", "Why")


def lines_csv(reading: Reading, header: Header, *, is_archived: bool, what: What = "billed") -> Iterator[bytes]:
    """The file in pieces. Lines never change once issued, so each part is read by a connection of its own.

    Raises `NotReady` before the first piece if the lines of the statement's period are archived.
    """
    if is_archived:
        raise NotReady(
            f"the lines of {header.period} are archived",
            fix="the operator finds them in the files that docs/runbooks/archiving.md tells of",
        )
    if header.kind == ACCOUNT:
        return csv_chunks(_ACCOUNT, _items(reading, header))
    if header.kind == CORRECTION:
        return csv_chunks(_CORRECTION, _corrected(reading, header))
    return (
        csv_chunks(_BILLED, _billed(reading, header))
        if what == "billed"
        else csv_chunks(_EXCLUDED, _excluded(reading, header))
    )


def _billed(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    after: tuple[str, int] | None = None

    def read(connection: psycopg.Connection[Any]) -> tuple[tuple[str, Line], ...]:
        return lines.line_page(connection, header, after=after, most=_AT_ONCE)

    while page := _read(reading, read):
        for charger, line in page:
            yield (
                header.statement_id,
                header.period,
                header.account_id,
                charger,
                line.connector_id,
                line.power_type,
                header.currency,
                line.price,
            )
        after = (page[-1][0], page[-1][1].connector_id)


def _excluded(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    after: tuple[str, int] | None = None

    def read(connection: psycopg.Connection[Any]) -> tuple[ExcludedConnector, ...]:
        return lines.excluded_page(connection, header, after=after, most=_AT_ONCE)

    while page := _read(reading, read):
        for one in page:
            yield (
                header.period,
                header.account_id,
                one.charger_id,
                one.connector_id,
                one.power_type,
                one.rule_id,
                rule_says(one.rule_id),
            )
        after = (page[-1].charger_id, page[-1].connector_id)


def _corrected(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    after: tuple[str, int] | None = None

    def read(connection: psycopg.Connection[Any]) -> tuple[CorrectedConnector, ...]:
        return lines.corrected_page(connection, header, header.statement_id, after=after, most=_AT_ONCE)

    while page := _read(reading, read):
        for one in page:
            yield (
                header.statement_id,
                header.corrects,
                one.charger_id,
                one.connector_id,
                one.power_type,
                header.currency,
                one.before,
                one.after,
                one.difference,
                one.rule_id,
                one.why,
            )
        after = (page[-1].charger_id, page[-1].connector_id)


def _items(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    offset = 0

    def read(connection: psycopg.Connection[Any]) -> tuple[Item, ...]:
        return lines.item_page(connection, header, offset=offset, most=_AT_ONCE)

    while page := _read(reading, read):
        for one in page:
            yield (
                header.statement_id,
                one.kind,
                one.item_id,
                one.occurred_at,
                one.description,
                header.currency,
                one.net,
                one.tax,
                one.total,
                one.settled,
            )
        offset += len(page)


def _read(reading: Reading, read: Callable[[psycopg.Connection[Any]], _Page]) -> _Page:
    with reading() as connection:
        return read(connection)
