"""Three real months of account statements counted a second time, from the files and the connector statements alone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
import pytest

from evbilling.account_statements import assemble, validate
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.connector_statements import apply_scope_rules, extract_inventory, open_run
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from evbilling.settings import read_settings, record_settings
from evbilling_local.sample import load_folder
from tests.support.month import plan_and_issue, request, rows

pytestmark = pytest.mark.postgres

MONTHS = ("2020-08", "2020-09", "2020-10")
NOW = datetime(2026, 12, 5, 12, tzinfo=UTC)


def _bill(services: Services, month: str) -> None:
    run_id = open_run(services, request(month), now=NOW)["run_id"]
    extract_inventory(services, run_id, 0)
    apply_scope_rules(services, run_id, 0)
    plan_and_issue(services, run_id)


def _state(services: Services, month: str) -> int:
    asked = RunRequest(Period.parse(month), "account_statements", month, "ann")
    run_id = assemble(services, asked, now=NOW)["run_id"]
    assert validate(services, run_id)["expectations"] == 13
    issued = issue_account_statements(services, run_id)
    assert close_account_run(services, run_id)["not_ok"] == []
    return int(issued["statements"])


def _begins(month: pd.Period, zone: str) -> pd.Timestamp:
    return pd.Timestamp(datetime(month.year, month.month, 1, tzinfo=ZoneInfo(zone)))


def _recount(folder: Path, billed: pd.DataFrame, settled_later: set[str]) -> dict[str, dict[str, Decimal]]:
    """Closing balance by month and account. `billed`: a row per connector statement: account_id, period, total."""
    read = {"dtype": str, "keep_default_na": False}
    accounts = pd.read_csv(folder / "account.csv", **read).set_index("account_id")
    users = pd.read_csv(folder / "app_user.csv", **read).set_index("user_id")
    settings = pd.read_csv(folder / "billing_settings.csv", **read)
    charges = pd.read_csv(folder / "account_charge.csv", **read)
    charges["at"] = pd.to_datetime(charges["occurred_at"], utc=True)
    for name in ("net_amount", "tax_amount", "settled_amount"):
        charges[name] = charges[name].map(Decimal)
    charges["total"] = charges["net_amount"] + charges["tax_amount"]
    charges["open"] = charges["total"] - charges["settled_amount"]
    by_account = dict(iter(charges.groupby("account_id")))

    closing: dict[str, dict[str, Decimal]] = {month: {} for month in MONTHS}
    for account, group in settings.groupby("account_id"):
        since, balance, listed = None, Decimal(0), set()
        own = by_account.get(account, charges.iloc[:0])
        for month in MONTHS:
            term = group[group["effective_from"] <= month].sort_values("effective_from", kind="stable").tail(1)
            if term.empty or term["charge_connectors"].item() != "true":
                assert not balance
                continue
            admin = term["financial_admin_id"].item()
            if admin not in users.index or users.loc[admin, "account_id"] != account:
                continue
            if users.loc[admin, "active"].lower() != "true":
                continue
            zone = accounts.loc[account, "time_zone"]
            start = since if since is not None else _begins(pd.Period(month), zone)
            window = own[(own["at"] >= start) & (own["at"] < _begins(pd.Period(month) + 1, zone))]
            fresh = window[~window["charge_id"].isin(listed)]
            # Before the second month the platform says of some charges of the first that they are settled in full.
            done = settled_later if month != MONTHS[0] else set()
            if month == MONTHS[1]:
                balance -= sum(window.loc[window["charge_id"].isin(listed & done), "open"], Decimal(0))
            balance += sum(fresh.loc[~fresh["charge_id"].isin(done), "open"], Decimal(0))
            due = billed[(billed["account_id"] == account) & (billed["period"] == month)]
            balance += sum(due["total"], Decimal(0))
            if len(fresh) or len(due) or balance or since is not None:
                closing[month][account], since = balance, start
                listed |= set(window["charge_id"])
    return closing


@pytest.mark.full
def test_three_real_months_equal_a_plain_recount(
    platform_db: str, warehouse_db: Any, real_data: Path, tmp_path: Path
) -> None:
    """Every account's closing balance, every month, to the cent; some charges are settled after they were listed."""
    load_folder(platform_db, str(real_data))
    record_settings(warehouse_db.writer_url, read_settings(real_data / "billing_settings.csv"), "ann")
    services = Services(platform_db, warehouse_db.writer_url, str(tmp_path))
    settled_later: set[str] = set()
    for month in MONTHS:
        _bill(services, month)
        if month == MONTHS[1]:
            with psycopg.connect(platform_db) as connection:
                settled = connection.execute(
                    """update platform.account_charge set settled_amount = net_amount + tax_amount
                       where settled_amount < net_amount + tax_amount and charge_id like '%-2020-08-_'
                         and account_id < 'f' returning charge_id"""
                )
                settled_later = {charge_id for (charge_id,) in settled}
        assert _state(services, month) > 400
    assert len(settled_later) > 20
    query = "select account_id, period, total_amount from finance.statements where kind = %s"
    billed = pd.DataFrame(
        rows(warehouse_db.finance_url, query, "connector"), columns=["account_id", "period", "total"], dtype=object
    )
    stated: dict[str, dict[str, Decimal]] = {month: {} for month in MONTHS}
    for account, month, total in rows(warehouse_db.finance_url, query, "account"):
        stated[month][account] = total
    expected = _recount(real_data, billed, settled_later)
    for month in MONTHS:
        differing = {a for a in {*stated[month], *expected[month]} if stated[month].get(a) != expected[month].get(a)}
        assert differing == set(), month
