"""A change of one setting keeps the others as they are in force."""

from __future__ import annotations

from decimal import Decimal

import pytest

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.settings import BillingTerms, carry_over

NOW = BillingTerms("a", Period(2020, 1), True, "u", Decimal(4), Decimal(9), False, True, Decimal("0.07"))


def test_what_is_not_given_carries_over() -> None:
    later = carry_over(NOW, "a", Period(2020, 5), {"fee_per_connector": Decimal(5)})
    assert later == BillingTerms("a", Period(2020, 5), True, "u", Decimal(5), Decimal(9), False, True, Decimal("0.07"))


def test_none_is_a_value_too() -> None:
    later = carry_over(NOW, "a", Period(2020, 5), {"fee_per_dc_connector": None, "financial_admin_id": None})
    assert later.fee_per_dc_connector is None
    assert later.financial_admin_id is None


def test_a_new_account_needs_everything_but_the_dc_fee() -> None:
    given = {
        "charge_connectors": True,
        "financial_admin_id": "u",
        "fee_per_connector": Decimal(4),
        "exclude_closed": False,
        "exclude_private": False,
        "tax_rate": Decimal(0),
    }
    assert carry_over(None, "b", Period(2020, 5), given).fee_per_dc_connector is None
    with pytest.raises(BadInput, match=r"give --charge or --no-charge, --admin, .*--tax-rate too"):
        carry_over(None, "b", Period(2020, 5), {"fee_per_connector": Decimal(4)})
