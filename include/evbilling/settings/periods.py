"""The periods that a setting can start in: which are billed, which is next, and the notes on a choice. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from evbilling.period import Period
from evbilling.settings.terms import BillingTerms, RecordedTerms

_EARLIER = 3
_LATER = 12


@dataclass(frozen=True, slots=True)
class BillingState:
    """How far an account is billed.

    `newest` is the newest period billed at all, None if there is none; `issued` are the periods of the account's own
    connector statements; `faults` are the periods on hold, each with its fault; newest first.
    """

    newest: Period | None
    issued: tuple[Period, ...] = ()
    faults: tuple[tuple[Period, str], ...] = ()

    @property
    def held(self) -> frozenset[Period]:
        """The periods in which the account is on hold because of a fault."""
        return frozenset(period for period, _ in self.faults)

    def next_period(self, now: datetime) -> Period:
        """The first period still to be billed: the newest again if the account is on hold in it."""
        if self.newest is None:
            return Period(now.year, now.month)
        return self.newest if self.newest in self.held else self.newest.shifted(1)


@dataclass(frozen=True, slots=True)
class PeriodChoice:
    """A period to choose, and a note on it."""

    period: Period
    note: str = ""


def period_choices(state: BillingState, now: datetime, also: Collection[Period] = ()) -> list[PeriodChoice]:
    """The periods around the next one to be billed, those on hold, and `also`; in order."""
    following = state.next_period(now)
    around = {following.shifted(months) for months in range(-_EARLIER, _LATER + 1)}
    return [PeriodChoice(period, _note(period, state)) for period in sorted(around | set(also) | set(state.held))]


def _note(period: Period, state: BillingState) -> str:
    if period in state.held:
        return "on hold: a fault to fix"
    if period in state.issued:
        return "issued"
    return "billed without this account" if state.newest is not None and period <= state.newest else ""


def preview_period(terms: BillingTerms, state: BillingState, history: Sequence[RecordedTerms], now: datetime) -> Period:
    """The period to preview the terms for: the first still to be billed under them, or else their first."""
    following = max(terms.effective_from, state.next_period(now))
    later = _later(terms, history)
    return terms.effective_from if later and later.terms.effective_from <= following else following


def _later(terms: BillingTerms, history: Sequence[RecordedTerms]) -> RecordedTerms | None:
    """The next setting after `terms`, the last recorded for its period."""
    later = [row for row in history if row.terms.effective_from > terms.effective_from]
    return min(later, key=lambda row: (row.terms.effective_from, -row.setting_id), default=None)


def notes_on_saving(terms: BillingTerms, state: BillingState, history: Sequence[RecordedTerms]) -> list[str]:
    """Notes to read before these terms are saved: what they don't change, and what will end them."""
    found = []
    issued = sorted(period for period in state.issued if period >= terms.effective_from)
    if issued:
        span = str(issued[0]) if len(issued) == 1 else f"{issued[0]} to {issued[-1]}"
        found.append(
            f"Connector statements of {span} are issued, and saving doesn't change them. To correct them, use Correct "
            "on the statement afterwards: it shows the difference and issues the correction."
        )
    if later := _later(terms, history):
        found.append(
            f"This applies until {later.terms.effective_from.shifted(-1)}: from {later.terms.effective_from} on "
            f"the setting recorded by {later.actor} applies. Save for that period too to replace it."
        )
    return found
