"""The lines of one statement as a CSV file of any size: connectors billed or not, items, corrected connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import psycopg

from evbilling.csv_output import csv_chunks
from evbilling.errors import NotReady
from evbilling.paging import all_rows
from evbilling.read_models.statement.lines import corrected_page, excluded_page, item_page, line_page
from evbilling.read_models.statement.view import ACCOUNT, CORRECTION, Header, Item

Reading = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
Lines = Literal["billed", "excluded"]

_PAGE_ROWS = 5_000


class _Row(NamedTuple):
    """A row of the file: a line, and the header of its statement."""

    header: Header
    line: Any


# Each column's heading, and where its value is in a `_Row`.
_ITEMS = {
    "Statement": "header.statement_id",
    "Kind": "line.kind",
    "Item": "line.item_id",
    "Occurred at (UTC)": "line.occurred_at",
    "Description": "line.description",
    "Currency": "header.currency",
    "Net": "line.net",
    "Tax": "line.tax",
    "Total": "line.total",
    "Settled before": "line.settled",
}
_CORRECTED = {
    "Correction": "header.statement_id",
    "Corrects": "header.corrects",
    "Charger": "line.charger_id",
    "Connector": "line.connector_id",
    "Power type": "line.power_type",
    "Currency": "header.currency",
    "Before": "line.before",
    "Now": "line.after",
    "Difference": "line.difference",
    "Rule": "line.rule_id",
    "Why": "line.why",
    "Charger name": "line.name",
    "Site": "line.site",
}
_NAMES = {
    "Charger name": "line.name",
    "Site": "line.site",
    "Scope status": "line.scope_status",
    "Standard": "line.standard",
}
_BILLED = {
    "Statement": "header.statement_id",
    "Period": "header.period",
    "Account": "header.account_id",
    "Charger": "line.charger_id",
    "Connector": "line.connector_id",
    "Power type": "line.power_type",
    "Currency": "header.currency",
    "Net": "line.price",
    **_NAMES,
}
_EXCLUDED = {
    "Period": "header.period",
    "Account": "header.account_id",
    "Charger": "line.charger_id",
    "Connector": "line.connector_id",
    "Power type": "line.power_type",
    "Rule": "line.rule_id",
    "Why": "line.says",
    **_NAMES,
}


def lines_csv(reading: Reading, header: Header, *, is_archived: bool, what: Lines = "billed") -> Iterator[bytes]:
    """The file in pieces. Lines never change once issued, so each page is read on a connection of its own.

    Raises `NotReady` before the first piece if the lines of the statement's period are archived.
    """
    if is_archived:
        raise NotReady(
            f"the lines of {header.period} are archived",
            fix="the operator finds them in the files described in docs/runbooks/archiving.md",
        )
    lines: Iterator[Any]
    if header.kind == ACCOUNT:
        columns, lines = _ITEMS, _items(reading, header)
    elif header.kind == CORRECTION:
        read = partial(corrected_page, correction_id=header.statement_id)
        columns, lines = _CORRECTED, _connectors(reading, header, read)
    elif what == "billed":
        columns, lines = _BILLED, _connectors(reading, header, line_page)
    else:
        columns, lines = _EXCLUDED, _connectors(reading, header, excluded_page)
    cells = attrgetter(*columns.values())
    return csv_chunks(tuple(columns), (cells(_Row(header, line)) for line in lines))


def _connectors(reading: Reading, header: Header, read: Callable[..., Sequence[Any]]) -> Iterator[Any]:
    def page(after: tuple[str, int] | None) -> Sequence[Any]:
        with reading() as connection:
            return read(connection, header, after=after, most=_PAGE_ROWS)

    return all_rows(page, attrgetter("charger_id", "connector_id"))


def _items(reading: Reading, header: Header) -> Iterator[Item]:
    offset = 0
    while True:
        with reading() as connection:
            page = item_page(connection, header, offset=offset, most=_PAGE_ROWS)
        if not page:
            return
        yield from page
        offset += len(page)
