"""A warehouse full of statements: months published by the product's own functions, most of them paid."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from evbilling.period import Period

log = logging.getLogger(__name__)

_MONTH = Path(__file__).with_name("filled.sql").read_text(encoding="utf-8")
_SETTINGS = """
insert into billing.account_setting (
    account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector, exclude_closed,
    exclude_private, tax_rate, actor)
select 'acc-' || lpad(n::text, 6, '0'), '2020-01', true, 'user-' || n, 5, false, false, 0.19, 'bench'
from generate_series(1, %s) n
"""
_RUN = """
insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, shard_count)
values ('connector_statements', 'bench', %(period)s, 'bench', 'bench', 'bench', 1)
returning run_id, billing.raise_fence('issue ' || %(period)s)
"""


def fill(admin_url: str, accounts: int, periods: Sequence[Period]) -> None:
    """Issue so many connector and account statements in each period, and have most of them paid."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(_SETTINGS, (accounts,))
        for period in periods:
            _fill_month(connection, accounts, period)
        connection.execute("vacuum analyze")


def _fill_month(connection: psycopg.Connection[Any], accounts: int, period: Period) -> None:
    values = {"accounts": accounts, "period": str(period), "first": period.first_day}
    run_id, epoch = connection.execute(_RUN, values).fetchone()  # type: ignore[misc]
    connection.execute("select billing.open_stage(%s)", (run_id,))
    transfers = f"billing.transfer_{str(period).replace('-', '_')}"
    parts = {"table": f"run_{run_id}_statement", "run": run_id, "epoch": epoch, "transfers": transfers}
    for part in _MONTH.split("------ ")[1:]:
        title, _, statement = part.partition("\n")
        start = time.monotonic()
        statement = statement.format(**parts)
        connection.execute(statement.encode(), values if "%" in statement else None)
        log.info("%s, %s: %.2f s", period, title, time.monotonic() - start)
