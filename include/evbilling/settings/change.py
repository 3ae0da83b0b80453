"""One change to an account's billing: what isn't given carries over from the setting in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.settings.terms import BillingTerms

_OPTIONS = {
    "charge_connectors": "--charge or --no-charge",
    "financial_admin_id": "--admin",
    "fee_per_connector": "--fee",
    "exclude_closed": "--exclude-closed or --no-exclude-closed",
    "exclude_private": "--exclude-private or --no-exclude-private",
    "tax_rate": "--tax-rate",
}


def carry_over(
    current: BillingTerms | None, account_id: str, effective_from: Period, given: Mapping[str, Any]
) -> BillingTerms:
    """The terms of `account_id` from `effective_from` on: `given` fields, the others as in `current`.

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
    names = {field.name for field in fields(BillingTerms)} - {"account_id", "effective_from"}
    return BillingTerms(account_id, effective_from, **{name: given.get(name) for name in names})  # type: ignore[arg-type]
