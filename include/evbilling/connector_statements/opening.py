"""Step 1 of a month: check the period and the source, fix the accounts and their terms, and split the inventory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
import pyarrow as pa

from evbilling import __version__
from evbilling.archive.record import refuse_archived
from evbilling.errors import BadInput, NotReady, SetFault
from evbilling.period import Period
from evbilling.platform import SHARD_ROWS, CountWindow, InventorySource, Survey, parts_for, shards_for
from evbilling.scope.billed_accounts import as_of_snapshot, billed_accounts
from evbilling.services import Services, evidence_folder
from evbilling.settings.in_force import terms_in_force
from evbilling.warehouse import runs
from evbilling.warehouse.schema import require_newest_schema

if TYPE_CHECKING:
    from evbilling.warehouse.runs import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Who asks for which period, how far the set may be off before the run stops, and whether mail follows."""

    period: Period
    dag_id: str
    airflow_run_id: str
    actor: str
    max_count_change_percent: float = 25.0
    max_orphan_connectors: int = 0
    # Whether what it issues is mailed: auto, yes or no.
    deliver: str = "auto"


def open_run(services: Services, request: RunRequest, *, now: datetime, shard_rows: int = SHARD_ROWS) -> dict[str, Any]:
    """Open a run and return what the next steps need: {"run_id", "parts": [0, ...], "shards": [0, 1, ...]}.

    Raises `BadInput` if the period's count lies in the future or the source breaks the contract, `SetFault` if its
    inventory can't be right or doesn't reach back to the period, `NotReady` if no account has billing on.
    """
    period = str(request.period)
    with services.warehouse() as connection:
        require_newest_schema(connection)
        run_id = runs.insert_run(
            connection,
            dag_id=request.dag_id,
            airflow_run_id=request.airflow_run_id,
            period=period,
            actor=request.actor,
            code_version=__version__,
            source="",
            deliver=request.deliver,
        )
    with services.recording_failure(run_id):
        return _plan(services, request, run_id, now, shard_rows)


def _plan(services: Services, request: RunRequest, run_id: int, now: datetime, shard_rows: int) -> dict[str, Any]:
    period = str(request.period)
    if request.period.count_instant("Pacific/Kiritimati") > now:
        raise BadInput(
            f"{period} has not begun anywhere yet, so its connectors can't be counted",
            where="period",
            fix="ask for a month whose 1st has come",
        )
    with services.warehouse() as connection:
        refuse_archived(connection, period)
    source = services.source(run_id)
    source.check_contract()
    with services.warehouse() as connection:
        connection.execute("update billing.run set source = %s where run_id = %s", (source.label, run_id))
        terms = terms_in_force(connection, request.period)
        snapshot = runs.latest_settled_run(connection, period)
        previous = _previous_count(connection, request.period)
        first_setting = connection.execute("select min(effective_from) from billing.account_setting").fetchone()
    if terms.empty:
        raise NotReady(
            f"no account is billed per connector in {period}"
            + (f"; the first setting takes effect in {first_setting[0]}" if first_setting and first_setting[0] else ""),
            where="billing settings",
            fix="load settings with `evbilling settings load FILE.csv`",
        )
    accounts, window, survey = _survey(source, terms, request.period)
    if window.last > now:
        waiting = int((accounts["count_instant"] > pd.Timestamp(now)).sum())
        raise BadInput(
            f"{period} has not begun yet for {waiting} of {len(accounts)} accounts"
            f" (the last count is at {window.last:%Y-%m-%d %H:%M} UTC)",
            where="period",
            fix="run it when the 1st has come everywhere; the schedule does at 12:00 UTC",
        )
    kept = _judge(source, survey, window, request, snapshot)
    shards = shards_for(survey.connector_rows, shard_rows)
    facts = {
        "accounts": len(accounts),
        "connector_rows": survey.connector_rows,
        "homeless_chargers": survey.homeless_chargers,
        "first_count": window.first.isoformat(),
        "last_count": window.last.isoformat(),
        "previous_extracted": previous,
        "max_count_change_percent": request.max_count_change_percent,
        "max_orphan_connectors": request.max_orphan_connectors,
    }
    if kept:
        shards, facts["snapshot_of_run"] = kept.shard_count, kept.run_id
        accounts = as_of_snapshot(accounts, services.accounts(kept))
        log.info("%s lies before the source's history: billing from the snapshot of run %s", period, kept.run_id)
    stored = services.evidence.put_table(
        evidence_folder(period, run_id), "accounts", pa.Table.from_pandas(accounts, preserve_index=False)
    )
    with services.warehouse() as connection:
        runs.plan_run(connection, run_id, shards=shards, accounts=(stored.key, stored.sha256), facts=facts)
    log.info(
        "run %s of %s: %s accounts with billing on (%s at fault), %s connector rows in the source, %s shard(s)",
        run_id,
        period,
        len(accounts),
        int(accounts["is_quarantined"].sum()),
        survey.connector_rows,
        shards,
    )
    return {"run_id": run_id, "parts": list(range(parts_for(shards))), "shards": list(range(shards))}


def _survey(source: InventorySource, terms: pd.DataFrame, period: Period) -> tuple[pd.DataFrame, CountWindow, Survey]:
    platform_accounts = source.read_accounts()
    users = source.read_users(_present(terms["financial_admin_id"]))
    accounts = billed_accounts(platform_accounts, users, terms, period, {})
    window = CountWindow(
        accounts["count_instant"].min().to_pydatetime(), accounts["count_instant"].max().to_pydatetime()
    )
    survey = source.survey(window)
    if survey.nameless_chargers:
        accounts = billed_accounts(platform_accounts, users, terms, period, survey.nameless_chargers)
    return accounts, window, survey


def _judge(
    source: InventorySource, survey: Survey, window: CountWindow, request: RunRequest, snapshot: Run | None
) -> Run | None:
    """The earlier run whose snapshot is to be billed, or None for the source itself; raises if neither will do."""
    if survey.connector_rows == 0:
        raise SetFault("the inventory is empty: the connector table has no rows", where=source.label, fix="fill it")
    if survey.history_begins is None or survey.history_begins > window.last:
        if snapshot:
            return snapshot
        begins = f"begins {survey.history_begins.astimezone(UTC):%Y-%m-%d}" if survey.history_begins else "is empty"
        raise SetFault(
            f"the history of its chargers {begins}, after the count of {request.period},"
            " and no snapshot of that month is stored",
            where=source.label,
            fix="a month can only be billed from its own inventory: restore the source's history, or bill it by hand",
        )
    return None


def _previous_count(connection: psycopg.Connection[Any], period: Period) -> int | None:
    before = runs.latest_settled_run(connection, str(period.shifted(-1)))
    return None if before is None else before.facts.get("extracted")


def _present(values: pd.Series[Any]) -> Sequence[str]:
    return [str(value) for value in values.dropna().unique()]
