"""An account's billing settings as values: the terms, a change that carries the others over, and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.period import Period

# The options of `evbilling settings set` for the fields that a first setting needs.
_OPTIONS = {
    "charge_connectors": "--charge or --no-charge",
    "financial_admin_id": "--admin",
    "fee_per_connector": "--fee",
    "exclude_closed": "--exclude-closed or --no-exclude-closed",
    "exclude_private": "--exclude-private or --no-exclude-private",
    "tax_rate": "--tax-rate",
}


@dataclass(frozen=True, slots=True)
class BillingTerms:
    """The settings of one account from `effective_from` on.

    Fees are in major units of the account's currency, which only the platform knows: whether a fee has too
    many decimals for it is judged when the month is billed. `fee_per_dc_connector` None means the same fee as
    for AC.
    `tax_rate` is a fraction: 0.07 is 7 %.
    """

    account_id: str
    effective_from: Period
    charge_connectors: bool
    financial_admin_id: str | None
    fee_per_connector: Decimal
    fee_per_dc_connector: Decimal | None
    exclude_closed: bool
    exclude_private: bool
    tax_rate: Decimal


# What can change from one setting to the next.
COMPARED = tuple(field.name for field in fields(BillingTerms) if field.name not in {"account_id", "effective_from"})


@dataclass(frozen=True, slots=True)
class RecordedTerms:
    """One setting as recorded, with who recorded it and when (UTC); only an account's history has `reason`.

    Of two settings the one with the higher `setting_id` was recorded later.
    """

    terms: BillingTerms
    actor: str
    recorded_at: datetime
    setting_id: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One setting: `changed` are the fields that differ from the setting it replaced (all, for the first).

    `is_replaced`: a later record for the same period has replaced it.
    """

    recorded: RecordedTerms
    changed: frozenset[str]
    is_replaced: bool
    is_in_force: bool


def carry_over(
    current: BillingTerms | None, account_id: str, effective_from: Period, given: Mapping[str, Any]
) -> BillingTerms:
    """The terms of `account_id` from `effective_from` on: the `given` fields, the others as in `current`.

    Raises `BadInput` that lists what is missing if the account has no setting in force yet.
    """
    if current is not None:
        return replace(current, account_id=account_id, effective_from=effective_from, **given)
    missing = [option for name, option in _OPTIONS.items() if name not in given]
    if missing:
        raise BadInput(
            f"{account_id} has no billing setting in force at {effective_from} to carry over from",
            fix=f"give {', '.join(missing)} too",
        )
    return BillingTerms(account_id, effective_from, **{name: given.get(name) for name in COMPARED})  # type: ignore[arg-type]


def history_of(recorded: Sequence[RecordedTerms], period: Period) -> list[HistoryEntry]:
    """All of an account's settings as recorded, the last recorded first; `is_in_force` is for `period`."""
    by_record = sorted(recorded, key=lambda row: row.setting_id)
    latest = _in_force(by_record, period)
    entries = []
    for position, row in enumerate(by_record):
        # The setting in force for its first period when it was recorded.
        before = _in_force(by_record[:position], row.terms.effective_from)
        same_period = [
            later for later in by_record[position + 1 :] if later.terms.effective_from == row.terms.effective_from
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
