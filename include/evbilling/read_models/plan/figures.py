"""A plan as pages and the command line show it. Amounts are in major units. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from evbilling.causes import CauseFigure


@dataclass(frozen=True, slots=True)
class CurrencyPlan:
    """All accounts of a currency that are billed, or were in the month before."""

    currency: str
    accounts: int
    connectors_before: int
    connectors_change: int
    total_before: Decimal
    change: Decimal
    causes: tuple[CauseFigure, ...]

    @property
    def connectors_now(self) -> int:
        """Connectors that the plan bills."""
        return self.connectors_before + self.connectors_change

    @property
    def total_now(self) -> Decimal:
        """What the plan bills, tax included."""
        return self.total_before + self.change


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account in one currency, beside the month before, and why it differs."""

    account_id: str
    account_name: str | None
    currency: str
    connectors_before: int
    connectors_now: int
    total_before: Decimal
    total_now: Decimal
    is_on_hold: bool
    is_first: bool
    expected_connectors: int | None
    expected: Decimal | None
    causes: tuple[CauseFigure, ...] = ()

    @property
    def change(self) -> Decimal:
        """The total planned less that of the month before."""
        return self.total_now - self.total_before

    @property
    def connectors_change(self) -> int:
        """Connectors planned less those of the month before."""
        return self.connectors_now - self.connectors_before


@dataclass(frozen=True, slots=True)
class MonthPlan:
    """A plan: its state (planned, issued, superseded), its counts and sums; `plans` is how many the month has."""

    plan_id: int
    run_id: int
    state: str
    run_state: str
    plan_hash: str
    compared_with: str | None
    not_compared: str | None
    statements: int
    connectors: int
    on_hold: int
    first_billed: int
    made_at: datetime
    canary_issued_at: datetime | None
    issued_at: datetime | None
    superseded_at: datetime | None
    superseded_by_run_id: int | None
    plans: int
    currencies: tuple[CurrencyPlan, ...] = ()
    held: tuple[AccountPlan, ...] = ()

    @property
    def says(self) -> str:
        """Its state in a sentence."""
        if self.state == "issued":
            return f"Issued on {self.issued_at:%-d %B %Y, %H:%M} UTC."
        if self.state == "superseded":
            return f"Superseded by run {self.superseded_by_run_id}: it can't be issued any more."
        if self.canary_issued_at:
            return f"Only its canary is issued, on {self.canary_issued_at:%-d %B %Y, %H:%M} UTC."
        if self.run_state == "failed":
            return f"Not issued: run {self.run_id} stopped."
        return "Not issued yet."

    @property
    def compared(self) -> str:
        """What it is compared with, in a sentence."""
        if self.compared_with:
            return f"Compared with {self.compared_with}, the last month billed before it, as it was first issued."
        return f"Compared with nothing: {self.not_compared}."
