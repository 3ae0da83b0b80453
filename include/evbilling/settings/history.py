"""An account's settings as a history to read: which one counts, and what each has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evbilling.period import Period
from evbilling.settings.terms import BillingTerms, RecordedTerms

COMPARED = (
    "charge_connectors",
    "financial_admin_id",
    "fee_per_connector",
    "fee_per_dc_connector",
    "exclude_closed",
    "exclude_private",
    "tax_rate",
)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One setting: `changed` are the fields that differ from the setting it took over from (all, if it is the first).

    `is_replaced`: a later record of the same period has taken its place.
    """

    recorded: RecordedTerms
    changed: frozenset[str]
    is_replaced: bool
    is_in_force: bool


def history_of(recorded: Sequence[RecordedTerms], period: Period) -> list[HistoryEntry]:
    """All of an account's settings as recorded, the last recorded first; `is_in_force` is told for `period`."""
    by_record = sorted(recorded, key=lambda row: row.setting_id)
    latest = _in_force(by_record, period)
    entries = []
    for place, row in enumerate(by_record):
        # What would have counted in its first period without it, at the time it was recorded.
        before = _in_force(by_record[:place], row.terms.effective_from)
        same_period = [
            later for later in by_record[place + 1 :] if later.terms.effective_from == row.terms.effective_from
        ]
        entries.append(
            HistoryEntry(
                row,
                changed=_changed(before.terms if before else None, row.terms),
                is_replaced=bool(same_period),
                is_in_force=latest is row,
            )
        )
    return entries[::-1]


def _in_force(recorded: Sequence[RecordedTerms], period: Period) -> RecordedTerms | None:
    by_then = [row for row in recorded if row.terms.effective_from <= period]
    return max(by_then, key=lambda row: (row.terms.effective_from, row.setting_id), default=None)


def _changed(before: BillingTerms | None, after: BillingTerms) -> frozenset[str]:
    if before is None:
        return frozenset(COMPARED)
    return frozenset(name for name in COMPARED if getattr(before, name) != getattr(after, name))
