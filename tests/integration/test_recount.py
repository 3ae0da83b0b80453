"""The real inventory counted a second time by plain Python that knows docs/contract.md and not one product function."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg
import pytest

from evbilling.platform.files import copy_into
from evbilling.services import Services
from evbilling.settings import read_settings, record_settings
from tests.support.month import bill, one, rows
from tests.support.plans import Changes, Month, Place, Recount, Terms, planned_changes

pytestmark = pytest.mark.postgres

MONTHS = [f"2020-{month:02d}" for month in range(1, 11)]
CENT = Decimal("0.01")
Amounts = dict[str, tuple[int, Decimal, Decimal, Decimal]]


class Seen(NamedTuple):
    """A connector at the count of its account."""

    at: datetime
    account_id: str
    scope: str
    row: dict[str, str]


@dataclass(frozen=True)
class Files:
    """The files as read, times as datetimes."""

    accounts: dict[str, dict[str, str]]
    users: dict[str, dict[str, str]]
    chargers: dict[str, list[dict[str, str]]]
    connectors: list[tuple[dict[str, str], datetime, datetime | None]]
    settings: list[dict[str, str]]


def _read(folder: Path, name: str) -> Iterator[dict[str, str]]:
    packed = folder / f"{name}.csv.gz"
    if packed.exists():
        with gzip.open(packed, "rt", encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)
    else:
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _files(folder: Path) -> Files:
    chargers: dict[str, list[dict[str, str]]] = {}
    for row in _read(folder, "charger"):
        chargers.setdefault(row["charger_id"], []).append(row)
    return Files(
        accounts={row["account_id"]: row for row in _read(folder, "account")},
        users={row["user_id"]: row for row in _read(folder, "app_user")},
        chargers=chargers,
        connectors=[
            (r, datetime.fromisoformat(r["valid_from"]), _time(r["valid_to"])) for r in _read(folder, "connector")
        ],
        settings=list(_read(folder, "billing_settings")),
    )


def _terms(files: Files, period: str) -> dict[str, dict[str, str]]:
    """Of each account the latest setting that is effective by the period, if billing is on in it."""
    latest: dict[str, dict[str, str]] = {}
    for row in files.settings:
        known = latest.get(row["account_id"])
        if row["effective_from"] <= period and (known is None or row["effective_from"] >= known["effective_from"]):
            latest[row["account_id"]] = row
    return {account: row for account, row in latest.items() if row["charge_connectors"] == "true"}


def _counted(files: Files, period: str) -> tuple[dict[str, dict[str, str]], set[str], list[Seen]]:
    """The terms of each account, the accounts with a fault, and each connector that an account has at its count."""
    terms = _terms(files, period)
    instants, held = {}, set()
    for account, row in terms.items():
        zone = ZoneInfo(files.accounts[account]["time_zone"])
        instants[account] = datetime(int(period[:4]), int(period[5:]), 1, tzinfo=zone).astimezone(UTC)
        admin = files.users.get(row["financial_admin_id"])
        fees = [Decimal(row["fee_per_connector"]), Decimal(row["fee_per_dc_connector"] or row["fee_per_connector"])]
        if admin is None or admin["account_id"] != account or admin["active"].lower() != "true":
            held.add(account)
        if any(fee != fee.quantize(CENT) for fee in fees):  # every account's currency is USD
            held.add(account)

    seen: list[Seen] = []
    for row, begins, ends in files.connectors:
        for charger in files.chargers.get(row["charger_id"], []):
            account = charger["account_id"]
            if account not in terms:
                continue
            instant, closes = instants[account], _time(charger["valid_to"])
            if datetime.fromisoformat(charger["valid_from"]) > instant or (closes is not None and closes <= instant):
                continue
            if begins > instant or (ends is not None and ends <= instant):
                continue
            seen.append(Seen(instant, account, charger["scope_status"], row))
            if charger["scope_status"] not in {"Public", "Private", "Closed"}:
                held.add(account)
    times = Counter((at.account_id, at.row["charger_id"], at.row["connector_id"]) for at in seen)
    held |= {account for (account, _, _), count in times.items() if count > 1}
    return terms, held, seen


def _recount(files: Files, period: str) -> Amounts:
    """Connectors, net, tax and total of each account that gets a statement."""
    terms, held, seen = _counted(files, period)
    would_bill: dict[tuple[str, str], list[tuple[datetime, str, str]]] = {}
    for instant, account, scope, row in seen:
        if row["connector_id"] == "0" or row["status"] != "in_service":
            continue
        if scope == "Closed" and terms[account]["exclude_closed"] == "true":
            continue
        if scope == "Private" and terms[account]["exclude_private"] == "true":
            continue
        rivals = would_bill.setdefault((row["charger_id"], row["connector_id"]), [])
        rivals.append((instant, account, row["power_type"]))

    lines: dict[str, list[Decimal]] = {}
    for rivals in would_bill.values():
        _, account, power = min(rivals)
        fee = terms[account]["fee_per_connector"]
        lines.setdefault(account, []).append(Decimal((power == "DC" and terms[account]["fee_per_dc_connector"]) or fee))
    amounts = {}
    for account, prices in lines.items():
        net = sum(prices, Decimal(0))
        tax = (net * Decimal(terms[account]["tax_rate"])).quantize(CENT, ROUND_HALF_UP)
        if account not in held and net:
            amounts[account] = (len(prices), net, tax, net + tax)
    return amounts


def _statements(finance_url: str, period: str) -> Amounts:
    query = """select account_id, connector_count, net_amount, tax_amount, total_amount
               from finance.statements where kind = 'connector' and period = %s"""
    return {row[0]: row[1:] for row in rows(finance_url, query, period)}


def _settings(warehouse_url: str, folder: Path) -> None:
    record_settings(warehouse_url, read_settings(folder / "billing_settings.csv"), "ann")


def _month(files: Files, period: str) -> Month:
    """The accounts and connectors of a month, as a recount of its change needs them."""
    terms: dict[str, Terms] = {}
    places: dict[tuple[str, int], Place] = {}
    chosen, held, seen = _counted(files, period)
    for account, row in chosen.items():
        fee, dc_fee = row["fee_per_connector"], row["fee_per_dc_connector"] or row["fee_per_connector"]
        excludes = [row[name] == "true" for name in ("exclude_closed", "exclude_private")]
        minor = [int(Decimal(amount) * 100) for amount in (fee, dc_fee)]
        terms[account] = Terms(*minor, Decimal(row["tax_rate"]), *excludes, "USD", account in held)
    # The account whose count came first has it last.
    for _, account, scope, row in sorted(seen, key=itemgetter(0), reverse=True):
        is_in_service = row["status"] == "in_service" and row["connector_id"] != "0"
        key = (row["charger_id"], int(row["connector_id"]))
        places[key] = Place(account, row["power_type"], is_in_service, scope)
    return Month(terms, places)


def _plan(url: str, period: str) -> tuple[dict[str, Decimal], Changes]:
    """The totals of the plan that was issued, and its changes."""
    with psycopg.connect(url) as connection:
        query = """select a.account_id, a.total_now from finance.plan_accounts a join finance.plans p using (plan_id)
                   where p.period = %s and p.state = 'issued' and a.total_now > 0"""
        totals = dict(connection.execute(query, (period,)).fetchall())
        plan = connection.execute("select plan_id, compared_with from billing.plan where period = %s", (period,))
        ((plan_id, compared_with),) = plan
        return totals, planned_changes(connection, plan_id) if compared_with else {}


def test_ten_real_months_equal_a_plain_recount(
    platform_db: str, warehouse_db: Any, real_data: Path, tmp_path: Path, full: bool
) -> None:
    """Connectors, net, tax and total of every account agree to the cent with the recount, and counts grow monthly.

    So does the plan that was issued, and its change against the month before by cause, connector by connector.

    Without `--full` every fifth of the months.
    """
    with psycopg.connect(platform_db) as connection:
        copy_into(connection, str(real_data), "platform")
    _settings(warehouse_db.writer_url, real_data)
    services = Services(platform_db, warehouse_db.writer_url, str(tmp_path))
    files = _files(real_data)
    counts, before = [], None
    for month in MONTHS if full else MONTHS[::5]:
        billed = bill(services, month)
        expected = _recount(files, month)
        assert len(expected) > 400
        assert _statements(warehouse_db.finance_url, month) == expected
        assert billed.closed["not_ok"] == []
        now = _month(files, month)
        assert _plan(warehouse_db.admin_url, month) == (
            {a: total for a, (*_, total) in expected.items()},
            (Recount(before, {}, now).count() if before else {}),
        )
        before = now
        counts.append(sum(count for count, *_ in expected.values()))
    assert counts == sorted(set(counts))
    assert one(warehouse_db.finance_url, "select bool_and(is_ok) from finance.tie_out")


def test_the_folder_itself_as_source_gives_the_same_month(warehouse_db: Any, real_data: Path, tmp_path: Path) -> None:
    """Files are read as they lie, and give the same statements as the recount; nothing of them stays in staging."""
    _settings(warehouse_db.writer_url, real_data)
    billed = bill(Services(str(real_data), warehouse_db.writer_url, str(tmp_path)), "2020-10")
    assert _statements(warehouse_db.finance_url, "2020-10") == _recount(_files(real_data), "2020-10")
    assert billed.closed["not_ok"] == []
    assert (
        one(warehouse_db.admin_url, "select count(*) from pg_class where relnamespace = 'staging'::regnamespace") == 0
    )
