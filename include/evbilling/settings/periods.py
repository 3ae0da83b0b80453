"""From which period a setting may hold: what is billed already, what is next, and what to say about a choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from evbilling.period import Period
from evbilling.settings.terms import BillingTerms, RecordedTerms
from evbilling.warehouse.query import fetch_one, fetch_value

_EARLIER = 3
_LATER = 12


@dataclass(frozen=True, slots=True)
class BillingState:
    """How far an account is billed.

    `newest` is the newest period billed at all, None if none was; `issued` are the periods of the account's own
    connector statements; `faults` are those that still keep it from one, in words, with their periods; newest first.
    """

    newest: Period | None
    issued: tuple[Period, ...] = ()
    faults: tuple[tuple[Period, str], ...] = ()

    @property
    def held(self) -> frozenset[Period]:
        """The periods in which a fault keeps the account from a statement."""
        return frozenset(period for period, _ in self.faults)

    def next_period(self, now: datetime) -> Period:
        """The first period that is still to be billed: the newest again if the account was held back in it."""
        if self.newest is None:
            return Period(now.year, now.month)
        return self.newest if self.newest in self.held else self.newest.shifted(1)


@dataclass(frozen=True, slots=True)
class PeriodChoice:
    """A period to choose, and what is to be known about it."""

    period: Period
    note: str = ""


def billing_state(connection: psycopg.Connection, account_id: str) -> BillingState:
    """How far the account is billed, as the warehouse has it."""
    newest, issued, faults = fetch_one(connection, "settings/billing_state", account_id=account_id)
    return BillingState(
        Period.parse(newest) if newest else None,
        tuple(map(Period.parse, issued)),
        tuple((Period.parse(period), detail) for period, detail in faults),
    )


def next_period(connection: psycopg.Connection, now: datetime) -> Period:
    """The first period that is still to be billed of all accounts together."""
    newest = fetch_value(connection, "settings/newest_period")
    return BillingState(Period.parse(newest) if newest else None).next_period(now)


def choices(state: BillingState, now: datetime, also: Collection[Period] = ()) -> list[PeriodChoice]:
    """The periods around the next one to be billed, those in which the account is held back, and `also`; in order."""
    following = state.next_period(now)
    around = {following.shifted(months) for months in range(-_EARLIER, _LATER + 1)}
    return [PeriodChoice(period, _note(period, state)) for period in sorted(around | set(also) | set(state.held))]


def _note(period: Period, state: BillingState) -> str:
    if period in state.held:
        return "not billed yet: a fault to mend"
    if period in state.issued:
        return "issued"
    return "billed without this account" if state.newest is not None and period <= state.newest else ""


def previewed(terms: BillingTerms, state: BillingState, history: Sequence[RecordedTerms], now: datetime) -> Period:
    """The period to show the terms for: the first still to be billed under them, or else the first they hold for."""
    following = max(terms.effective_from, state.next_period(now))
    later = _later(terms, history)
    return terms.effective_from if later and later.terms.effective_from <= following else following


def _later(terms: BillingTerms, history: Sequence[RecordedTerms]) -> RecordedTerms | None:
    """The setting that takes over from `terms`, the last recorded for its period."""
    later = [row for row in history if row.terms.effective_from > terms.effective_from]
    return min(later, key=lambda row: (row.terms.effective_from, -row.setting_id), default=None)


def notes(terms: BillingTerms, state: BillingState, history: Sequence[RecordedTerms]) -> list[str]:
    """What is to be known before these terms are saved: what they don't change, and what will end them."""
    found = []
    issued = sorted(period for period in state.issued if period >= terms.effective_from)
    if issued:
        span = str(issued[0]) if len(issued) == 1 else f"{issued[0]} to {issued[-1]}"
        found.append(
            f"Connector statements of {span} are issued and don't change by this. Should they, run the DAG "
            "correct_statements for these periods after saving: it shows the differences and issues corrections."
        )
    if later := _later(terms, history):
        found.append(
            f"This holds up to {later.terms.effective_from.shifted(-1)}: from {later.terms.effective_from} on "
            f"the setting counts that {later.actor} has recorded for then. Save for that period, too, to replace it."
        )
    return found
