"""The lines of one statement as a CSV file of any size: connectors billed or not, items, corrected connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Literal, TypeVar

import psycopg

from evbilling.csv_output import Cell, csv_chunks
from evbilling.errors import NotReady
from evbilling.paging import all_rows
from evbilling.read_models.statement.labels import rule_says
from evbilling.read_models.statement.lines import corrected_page, excluded_page, item_page, line_page
from evbilling.read_models.statement.view import ACCOUNT, CORRECTION, Header, Item

Reading = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
Lines = Literal["billed", "excluded"]

T = TypeVar("T")
K = TypeVar("K")

_PAGE_ROWS = 5_000

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


def lines_csv(reading: Reading, header: Header, *, is_archived: bool, what: Lines = "billed") -> Iterator[bytes]:
    """The file in pieces. Lines never change once issued, so each page is read on a connection of its own.

    Raises `NotReady` before the first piece if the lines of the statement's period are archived.
    """
    if is_archived:
        raise NotReady(
            f"the lines of {header.period} are archived",
            fix="the operator finds them in the files described in docs/runbooks/archiving.md",
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
    for charger, line in _all(reading, partial(line_page, header=header), lambda row: (row[0], row[1].connector_id)):
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


def _excluded(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    for row in _all(reading, partial(excluded_page, header=header), attrgetter("charger_id", "connector_id")):
        yield (
            header.period,
            header.account_id,
            row.charger_id,
            row.connector_id,
            row.power_type,
            row.rule_id,
            rule_says(row.rule_id),
        )


def _corrected(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    read = partial(corrected_page, header=header, correction_id=header.statement_id)
    for row in _all(reading, read, attrgetter("charger_id", "connector_id")):
        yield (
            header.statement_id,
            header.corrects,
            row.charger_id,
            row.connector_id,
            row.power_type,
            header.currency,
            row.before,
            row.after,
            row.difference,
            row.rule_id,
            row.why,
        )


def _items(reading: Reading, header: Header) -> Iterator[tuple[Cell, ...]]:
    def read(connection: psycopg.Connection[Any], *, after: int | None, most: int) -> list[tuple[int, Item]]:
        offset = after or 0
        return list(enumerate(item_page(connection, header, offset=offset, most=most), offset + 1))

    for _, item in _all(reading, read, itemgetter(0)):
        yield (
            header.statement_id,
            item.kind,
            item.item_id,
            item.occurred_at,
            item.description,
            header.currency,
            item.net,
            item.tax,
            item.total,
            item.settled,
        )


def _all(reading: Reading, read: Callable[..., Sequence[T]], key: Callable[[T], K]) -> Iterator[T]:
    def page(after: K | None) -> Sequence[T]:
        with reading() as connection:
            return read(connection, after=after, most=_PAGE_ROWS)

    return all_rows(page, key)
