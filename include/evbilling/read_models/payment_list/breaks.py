"""Breaks: what the gateway has and we don't, the other way, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.money import from_minor, minor_unit
from evbilling.paging import Page, make_page
from evbilling.payments.reconciliation import WHAT_TO_DO
from evbilling.warehouse import fetch_as, select_value

BREAK_WORDS = {
    "charged_not_recorded": "Charged, and not recorded by us",
    "recorded_not_charged": "Recorded by us, and not charged",
    "amount_differs": "Another amount than was asked for",
    "duplicate": "Charged twice",
    "refunded": "Refunded at the gateway",
    "dispute_opened": "Disputed",
    "dispute_won": "Dispute won",
    "dispute_lost": "Dispute lost",
}
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class ListedBreak:
    """A row of finance.payment_breaks with its account, if a statement is known."""

    break_id: int
    kind: str
    gateway_payment_id: str
    statement_id: str | None
    currency: str
    recorded_minor: int
    gateway_minor: int
    detail: str
    first_seen_at: datetime
    last_seen_at: datetime
    is_open: bool
    account_id: str | None
    account_name: str | None

    @property
    def words(self) -> str:
        """The kind in words."""
        return BREAK_WORDS[self.kind]

    @property
    def what_to_do(self) -> str:
        """What to do about it, as the comparison found it."""
        return self.detail.partition("; ")[2] or WHAT_TO_DO[self.kind]

    @property
    def recorded(self) -> Decimal:
        """What we have of it, in major units."""
        return from_minor(self.recorded_minor, minor_unit(self.currency) or 0)

    @property
    def at_gateway(self) -> Decimal:
        """What the gateway has of it, in major units."""
        return from_minor(self.gateway_minor, minor_unit(self.currency) or 0)


def list_breaks(
    connection: psycopg.Connection[Any], *, is_all: bool = False, below: int | None = None
) -> Page[ListedBreak]:
    """A page of the breaks that are open, or of all, the newest first, with numbers below `below`."""
    values = {"is_all": is_all, "below": below, "most": PAGE_SIZE + 1}
    found = fetch_as(connection, ListedBreak, "read_models/payment_list/breaks", **values)
    return make_page(found, PAGE_SIZE, is_first=below is None)


def open_breaks(connection: psycopg.Connection[Any]) -> int:
    """How many breaks are open."""
    return int(select_value(connection, "select count(*) from billing.payment_break where gone_at is null"))
