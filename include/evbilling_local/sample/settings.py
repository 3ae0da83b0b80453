"""The billing settings that go with a made-up platform: fees that fit the currency, most from the start."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from evbilling.money import from_minor, minor_unit
from evbilling.period import Period
from evbilling.settings import BillingTerms
from evbilling_local.sample.accounts import Accounts, Sample, Topic
from evbilling_local.sample.people import admin_ids

_FIRST_MONTHS_BACK = 40
_BAD_FEE = Decimal("4.9999")
# Lowest monthly fee, and the range above it, in steps of minor units.
_FEES = {0: (400, 800, 10), 2: (300, 700, 1), 3: (1000, 2000, 50)}


def sample_settings(accounts: int, seed: int, today: date, connectors_per_account: int = 100) -> list[BillingTerms]:
    """The settings of the sample that `write_sample` makes from the same arguments, by account and period."""
    sample = Sample(accounts, seed, connectors_per_account)
    this_month = Period(today.year, today.month)
    return [terms for block in sample.blocks() for terms in _block_settings(block, this_month)]


def _block_settings(accounts: Accounts, this_month: Period) -> list[BillingTerms]:
    draws = accounts.draws(Topic.SETTINGS)
    admins = admin_ids(accounts).to_pylist()
    ids = accounts.ids().to_pylist()
    rolls = draws.below(1000, len(accounts) * 6).reshape(len(accounts), 6).tolist()
    found: list[BillingTerms] = []
    for at, (place, index, size) in enumerate(
        zip(accounts.places(), accounts.index.tolist(), accounts.size.tolist(), strict=True)
    ):
        fault = accounts.sample.faults.get(index)
        fee_roll, dc_roll, closed_roll, private_roll, start_roll, rise_roll = rolls[at]
        decimals = minor_unit(place.currency) or 0
        low, span, step = _FEES[decimals]
        fee_minor = low + fee_roll * span // 1000 // step * step
        dc_minor = fee_minor * 2 if dc_roll < 600 else None
        # Only small accounts are off or begin late, so that the month's count never jumps.
        is_small = index >= 10 and size * 8 < accounts.sample.connectors_per_account and fault is None
        months_back = 1 + start_roll % 30 if is_small and start_roll < 150 else _FIRST_MONTHS_BACK
        first = BillingTerms(
            account_id=ids[at],
            effective_from=this_month.shifted(-months_back),
            charge_connectors=not (is_small and start_roll >= 900),
            financial_admin_id=_admin(admins[at], fault),
            fee_per_connector=_BAD_FEE if fault == "fee with too many decimals" else from_minor(fee_minor, decimals),
            fee_per_dc_connector=None if dc_minor is None else from_minor(dc_minor, decimals),
            exclude_closed=closed_roll < 700,
            exclude_private=private_roll < 400,
            tax_rate=place.tax_rate,
        )
        found.append(first)
        if rise_roll < 300 and months_back == _FIRST_MONTHS_BACK and fault is None:
            raised = from_minor(fee_minor + step * 5, decimals)
            since = this_month.shifted(-(rise_roll % 18))
            found.append(replace(first, effective_from=since, fee_per_connector=raised))
    return found


def _admin(admin_id: str, fault: str | None) -> str | None:
    if fault == "no financial admin":
        return None
    return f"{admin_id}-gone" if fault == "financial admin unknown to the platform" else admin_id
