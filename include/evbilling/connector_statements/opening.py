"""Task open_run: check period and source, read the accounts and their settings, and split the inventory into parts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa

from evbilling import run_steps
from evbilling.archive import refuse_archived
from evbilling.connector_statements.doubts import doubts_of_source
from evbilling.errors import BadInput, NotReady, SetFault
from evbilling.period import Period
from evbilling.platform import SHARD_ROWS, CountWindow, InventorySource, Survey, parts_for, shards_for
from evbilling.run_steps import RunRequest
from evbilling.scope import as_of_snapshot, billed_accounts, shared_customers
from evbilling.services import Services
from evbilling.settings import terms_in_force
from evbilling.warehouse import runs, select_value
from evbilling.warehouse.runs import Run

log = logging.getLogger(__name__)

# The log names this many customers that pay for several accounts.
_NAMED = 5


def open_run(services: Services, request: RunRequest, *, now: datetime, shard_rows: int = SHARD_ROWS) -> dict[str, Any]:
    """Open a run and return what the next steps need: {"run_id", "parts": [0, ...], "shards": [0, 1, ...]}.

    Raises `BadInput` if the period's count is in the future or the source breaks the contract, `SetFault` if its
    inventory can't be right or doesn't reach back to the period, `NotReady` if no account has billing on.
    """
    with services.warehouse() as connection:
        run_id = run_steps.insert_run(connection, request)
    with run_steps.running(services, run_id):
        shards = _plan(services, request, run_id, now, shard_rows)
    return {"run_id": run_id, "parts": list(range(parts_for(shards))), "shards": list(range(shards))}


def _plan(services: Services, request: RunRequest, run_id: int, now: datetime, shard_rows: int) -> int:
    """Record the run's accounts, limits and number of shards; returns the number."""
    period = str(request.period)
    if request.period.count_instant("Pacific/Kiritimati") > now:
        raise BadInput(
            f"{period} has not begun anywhere yet, so its connectors can't be counted",
            where="period",
            fix="choose a month whose 1st has come",
        )
    with services.warehouse() as connection:
        refuse_archived(connection, period)
    source = services.source(run_id)
    source.check_contract()
    with services.warehouse() as connection:
        runs.name_source(connection, run_id, source.label)
        terms = _terms(connection, request.period)
        snapshot = runs.latest_settled_run(connection, period)
        last_billed = runs.last_settled_before(connection, period)
    accounts, window, survey, shared, doubts = _survey(source, terms, request.period)
    _require_counted(request.period, accounts, window, now)
    facts = {
        "accounts": len(accounts),
        "connector_rows": survey.connector_rows,
        "homeless_chargers": survey.homeless_chargers,
        "shared_customers": len(shared),
        **doubts,
        "first_count": window.first.isoformat(),
        "last_count": window.last.isoformat(),
        "previous_period": last_billed.period if last_billed else None,
        "previous_extracted": last_billed.facts.get("extracted") if last_billed else None,
        "missed_months": _missed(last_billed.period if last_billed else None, request.period),
        "max_count_change_percent": request.max_count_change_percent,
        "max_orphan_connectors": request.max_orphan_connectors,
        **request.order,
    }
    shards = shards_for(survey.connector_rows, shard_rows)
    if billed_from := _snapshot_to_bill(source, survey, window, request.period, snapshot):
        shards, facts["snapshot_of_run"] = billed_from.shard_count, billed_from.run_id
        accounts = as_of_snapshot(accounts, run_steps.accounts_of(services, billed_from))
        log.info("%s is older than the source's history: billing the snapshot of run %s", period, billed_from.run_id)
    if shared:
        log.warning(
            "%s customers of the gateway pay for several accounts each, for example %s; check that it is meant",
            len(shared),
            ", ".join(shared[:_NAMED]),
        )
    stored = services.evidence.put_table(
        run_steps.evidence_folder(period, run_id), "accounts", pa.Table.from_pandas(accounts, preserve_index=False)
    )
    with services.warehouse() as connection:
        runs.plan_run(connection, run_id, shards=shards, accounts=(stored.key, stored.sha256), facts=facts)
    log.info(
        "run %s of %s: %s accounts with billing on (%s with a fault), %s connector rows in the source, %s shard(s)",
        run_id,
        period,
        len(accounts),
        int(accounts["is_quarantined"].sum()),
        survey.connector_rows,
        shards,
    )
    return shards


def _missed(last_billed: str | None, period: Period) -> str | None:
    """The months between the last one billed and this one, in words; None if there is none."""
    first, last = Period.parse(last_billed).shifted(1) if last_billed else period, period.shifted(-1)
    if first > last:
        return None
    return f"{first} was never billed" if first == last else f"{first} to {last} were never billed"


def _terms(connection: psycopg.Connection[Any], period: Period) -> pd.DataFrame:
    """The settings in force, a row per account with billing on; raises `NotReady` if there is none."""
    terms = terms_in_force(connection, period)
    if terms.empty:
        first = select_value(connection, "select min(effective_from) from billing.account_setting")
        raise NotReady(
            f"no account is billed per connector in {period}"
            + (f"; the first setting takes effect in {first}" if first else ""),
            where="billing settings",
            fix="load settings with `evbilling settings load FILE.csv`",
        )
    return terms


def _survey(
    source: InventorySource, terms: pd.DataFrame, period: Period
) -> tuple[pd.DataFrame, CountWindow, Survey, list[str], dict[str, str | None]]:
    """The accounts to bill, the window of their counts, the source's own figures, shared customers, doubts."""
    platform_accounts = source.read_accounts()
    users = source.read_users(terms["financial_admin_id"].dropna().unique().tolist())
    accounts = billed_accounts(platform_accounts, users, terms, period, {})
    window = CountWindow(
        accounts["count_instant"].min().to_pydatetime(), accounts["count_instant"].max().to_pydatetime()
    )
    survey = source.survey(window)
    if survey.nameless_chargers:
        accounts = billed_accounts(platform_accounts, users, terms, period, survey.nameless_chargers)
    doubts = doubts_of_source(survey, platform_accounts, terms)
    return accounts, window, survey, shared_customers(accounts, users), doubts


def _require_counted(period: Period, accounts: pd.DataFrame, window: CountWindow, now: datetime) -> None:
    """Raise `BadInput` if the count of some account is still to come."""
    if window.last > now:
        waiting = int((accounts["count_instant"] > pd.Timestamp(now)).sum())
        raise BadInput(
            f"{period} has not begun yet for {waiting} of {len(accounts)} accounts"
            f" (the last count is at {window.last:%Y-%m-%d %H:%M} UTC)",
            where="period",
            fix="run it when the 1st has come everywhere; the schedule does at 12:00 UTC",
        )


def _snapshot_to_bill(
    source: InventorySource, survey: Survey, window: CountWindow, period: Period, snapshot: Run | None
) -> Run | None:
    """The earlier run whose snapshot must be billed, None to bill the source itself; raises `SetFault` without both."""
    if survey.connector_rows == 0:
        raise SetFault("the inventory is empty: the connector table has no rows", where=source.label, fix="fill it")
    if survey.history_begins is not None and survey.history_begins <= window.last:
        return None
    if snapshot is None:
        begins = f"begins {survey.history_begins.astimezone(UTC):%Y-%m-%d}" if survey.history_begins else "is empty"
        raise SetFault(
            f"the history of its chargers {begins}, after the count of {period},"
            " and no snapshot of that month is stored",
            where=source.label,
            fix="a month can only be billed from its own inventory: restore the source's history, or bill it by hand",
        )
    return snapshot
