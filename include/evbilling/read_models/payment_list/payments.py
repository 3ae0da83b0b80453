"""The list of payments: a page of it, and all of them as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import psycopg

from evbilling.csv_output import CsvForm, csv_chunks
from evbilling.errors import BadInput
from evbilling.paging import Page, all_rows, make_page
from evbilling.period import Period
from evbilling.warehouse import fetch_as

WAYS = {"gateway": "Payment gateway", "outside": "Other means"}
PAGE_SIZE = 50
_EXPORTED_AT_ONCE = 2_000
_OUTSIDE = re.compile(r"paid-outside-([0-9]{1,18})(?:-undone)?")
_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)

_COLUMNS = {
    "Paid on": "paid_on",
    "Statement": "statement_id",
    "Account": "account_id",
    "Account name": "account_name",
    "Currency": "currency",
    "Amount": "amount",
    "Method": "method",
    "Payment": "payment_id",
    "Reference": "reference",
    "Takes back": "reverses_payment_id",
    "Recorded by": "recorded_by",
    "Recorded at (UTC)": "recorded_at",
}


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments: recorded in the month `period` (UTC), by a way of `WAYS`; None: any.

    `search`: exactly this id or reference, in all months.
    """

    period: Period | None = None
    way: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class ListedPayment:
    """A row of finance.payments with its account's name; `amount` in major units, below zero for what went back."""

    paid_by: str
    payment_id: str
    statement_id: str
    account_id: str
    account_name: str | None
    paid_on: date
    currency: str
    amount: Decimal
    recorded_by: str
    recorded_at: datetime
    reference: str | None
    reverses_payment_id: str | None

    @property
    def method(self) -> str:
        """How it was paid, in words."""
        return WAYS[self.paid_by]

    @property
    def key(self) -> str:
        """Its place in the list, for an address."""
        return f"{self.recorded_at.astimezone(UTC).isoformat()} {self.payment_id}"


def list_payments(
    connection: psycopg.Connection[Any], wanted: PaymentFilter, *, before: str | None = None, most: int = PAGE_SIZE
) -> Page[ListedPayment]:
    """A page of payments, the newest first, from below the place `before`; raises `BadInput` if it is no place."""
    return make_page(_read(connection, wanted, before, most + 1), most, is_first=before is None)


def payments_csv(connection: psycopg.Connection[Any], wanted: PaymentFilter, form: CsvForm) -> Iterator[bytes]:
    """All that the filter matches as a CSV file, in pieces."""
    rows: Iterator[ListedPayment] = all_rows(
        lambda before: _read(connection, wanted, before, _EXPORTED_AT_ONCE), attrgetter("key")
    )
    return csv_chunks(tuple(_COLUMNS), map(attrgetter(*_COLUMNS.values()), rows), form)


def _read(
    connection: psycopg.Connection[Any], wanted: PaymentFilter, before: str | None, most: int
) -> list[ListedPayment]:
    period = None if wanted.search else wanted.period
    before_at, before_id = _place(before) if before else (_LATEST, "")
    return fetch_as(
        connection,
        ListedPayment,
        "read_models/payment_list/page",
        since=period.count_instant("UTC") if period else _EARLIEST,
        until=period.shifted(1).count_instant("UTC") if period else _LATEST,
        before_at=before_at,
        before_id=before_id,
        way=wanted.way,
        search=wanted.search,
        outside_id=int(found[1]) if (found := _OUTSIDE.fullmatch(wanted.search or "")) else None,
        most=most,
    )


def _place(text: str) -> tuple[datetime, str]:
    at, _, payment_id = text.partition(" ")
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not payment_id or "\0" in payment_id:
        raise BadInput("the address names no place in the list", where="before", fix="begin with the newest payments")
    return found, payment_id
