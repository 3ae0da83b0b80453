"""Every asset, defined once: the same name with another address would make one of them inactive."""

from __future__ import annotations

from airflow.sdk import Asset

CONNECTOR_STATEMENTS = Asset(
    name="connector_statements",
    uri="x-evbilling://warehouse/finance/statements/connector",
    group="evbilling",
)

ACCOUNT_STATEMENTS = Asset(
    name="account_statements",
    uri="x-evbilling://warehouse/finance/statements/account",
    group="evbilling",
)
