"""A month as a notebook would do it: read_sql, merge, to_sql. On a tenth of the platform, since it is slow."""

from __future__ import annotations

import warnings
from typing import Any

import psycopg

from tests.benchmarks.measure import Measured, measured
from tests.benchmarks.month import World

_TABLES = """
drop table if exists billing.naive_line, billing.naive_statement;
create table billing.naive_line (
    like billing.connector_decision including constraints,
    primary key (account_id, charger_id, connector_id, period));
create unique index on billing.naive_line (charger_id, connector_id, period) where rule_id is null;
create table billing.naive_statement (account_id text primary key, period text, net_minor bigint, tax_minor bigint)
"""


def naive_month(world: World) -> list[Measured]:
    """One measured step: everything, in one process."""
    with psycopg.connect(world.admin_url, autocommit=True) as connection:
        connection.execute(_TABLES.encode())
    return [measured("naive pandas", [(_bill, (world.admin_url,))])]


def _bill(url: str) -> int:
    import pandas as pd
    import sqlalchemy

    warnings.simplefilter("ignore")
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    accounts = pd.read_sql("select * from platform.account", engine)
    terms = pd.read_sql("select * from billing.settings_in_force('2026-11') where charge_connectors", engine)
    chargers = pd.read_sql("select * from platform.charger", engine)
    connectors = pd.read_sql("select * from platform.connector", engine)
    when = pd.Timestamp("2026-11-01", tz="UTC")
    terms = terms.merge(accounts, on="account_id")
    chargers = _at(chargers, when).drop_duplicates("charger_id")
    connectors = _at(connectors, when).drop_duplicates(["charger_id", "connector_id"])
    lines = connectors.merge(chargers, on="charger_id").merge(terms, on="account_id")
    lines["period"], lines["rule_id"] = "2026-11", None
    for rule, applies in (
        ("SCOPE-PRIVATE", (lines["scope_status"] == "Private") & lines["exclude_private"]),
        ("SCOPE-CLOSED", (lines["scope_status"] == "Closed") & lines["exclude_closed"]),
        ("NOT-IN-SERVICE", lines["status"] != "in_service"),
        ("STATION-ITSELF", lines["connector_id"] == 0),
    ):
        lines.loc[applies, "rule_id"] = rule
    fee = lines["fee_per_dc_connector"].where(lines["power_type"] == "DC").fillna(lines["fee_per_connector"])
    lines["unit_price_minor"] = (fee * 100).round().where(lines["rule_id"].isna()).astype("Int64")
    columns = [
        "period",
        "account_id",
        "charger_id",
        "connector_id",
        "power_type",
        "rule_id",
        "unit_price_minor",
    ]
    lines[columns].to_sql("naive_line", engine, schema="billing", if_exists="append", index=False)
    net: Any = lines.groupby("account_id")["unit_price_minor"].sum().rename("net_minor").reset_index()
    net["period"], net["tax_minor"] = "2026-11", (net["net_minor"] * 0.19).round().astype("Int64")
    net.to_sql("naive_statement", engine, schema="billing", if_exists="append", index=False)
    engine.dispose()
    return len(lines)


def _at(history: Any, when: Any) -> Any:
    begun = history["valid_from"].isna() | (history["valid_from"] <= when)
    return history[begun & (history["valid_to"].isna() | (history["valid_to"] > when))]
