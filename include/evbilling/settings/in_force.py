"""The billing terms in force in a period, as the month's runs compute with them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa

from evbilling.period import Period
from evbilling.warehouse.query import fetch_frame

_TYPES = {
    **dict.fromkeys(("setting_id", "fee_e4", "dc_fee_e4", "tax_rate_e6"), pa.int64()),
    **dict.fromkeys(("exclude_closed", "exclude_private"), pa.bool_()),
}


def terms_in_force(connection: psycopg.Connection[Any], period: Period) -> pd.DataFrame:
    """A row per account that is billed per connector in `period`, by account_id.

    Columns account_id, setting_id, financial_admin_id (None if there is none), fee_e4 and dc_fee_e4 (1/10000 of the
    major unit), exclude_closed, exclude_private, tax_rate_e6 (1/1000000).
    """
    return fetch_frame(connection, "settings/terms_in_force", _TYPES, period=str(period))
