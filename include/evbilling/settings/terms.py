"""What an account is billed by from a period on: the value object, free of files and databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from evbilling.period import Period


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


@dataclass(frozen=True, slots=True)
class RecordedTerms:
    """One setting as recorded, with who recorded it and when (UTC); `reason` is told by an account's history alone.

    Of two settings the one with the higher `setting_id` was recorded later.
    """

    terms: BillingTerms
    actor: str
    recorded_at: datetime
    setting_id: int
    reason: str | None = None
