"""Task assemble: stage the items of each account's statement, from the ledger and the platform's charges."""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa

from evbilling import run_steps
from evbilling.account_statements import stage
from evbilling.account_statements.eligibility import addressed, amount_faults
from evbilling.errors import BadInput, NotReady, StaleTry
from evbilling.period import Period
from evbilling.platform import CHARGE_TABLES, InventorySource
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from evbilling.settings import terms_in_force
from evbilling.warehouse import copy_frame, fetch_frame, runs, select_value

log = logging.getLogger(__name__)

_CANDIDATE_TYPES = {"is_on": pa.bool_(), "opening_minor": pa.int64(), "newest_minor_unit": pa.int64()}
_MOST_WAITING = 2
_FOUND_COLUMNS = ["account_id", "reason_id", "hits", "first_id", "shown"]


def assemble(services: Services, request: RunRequest, *, now: datetime) -> dict[str, Any]:
    """Stage the account statements of a period; returns {"run_id", "accounts", "items", "withheld"}.

    `accounts` get a statement, with `items` in total; `withheld` accounts have items but can't be stated yet. Raises
    `BadInput` if the period hasn't come to its last day (UTC) or the source breaks the contract, `NotReady` if the
    warehouse is behind its migrations or the period's connector statements aren't issued: nothing is written then.
    """
    period = str(request.period)
    with services.warehouse() as connection:
        run_id = run_steps.insert_run(connection, request)
        _require_month_end(connection, request.period, now)
        runs.supersede_earlier_tries(connection, run_id)
    with run_steps.running(services, run_id):
        source = services.source(run_id, CHARGE_TABLES)
        source.check_contract()
        candidates, faults = _candidates(services, source, request.period, run_id)
        with ThreadPoolExecutor(1) as pool:
            evidence = pool.submit(_keep_candidates, services, request.period, run_id, candidates)
            charges = _stage_charges(services, source, run_id, candidates)
            evidence.result()
        counts = _stage_items(services, run_id, candidates, faults, now)
    log.info(
        "run %s of %s: %s account statements with %s items assembled, %s accounts withheld; %s charges read",
        run_id,
        period,
        counts["accounts"],
        counts["items"],
        counts["withheld"],
        charges,
    )
    return {"run_id": run_id, **counts}


def _require_month_end(connection: psycopg.Connection[Any], period: Period, now: datetime) -> None:
    """Raise an error, which rolls the new run back, if the month isn't over or its connectors aren't billed."""
    last_day = datetime.combine(period.last_day, time.min, UTC)
    if now < last_day:
        raise BadInput(
            f"{period} has not reached its last day, so its account statements would be incomplete",
            where="period",
            fix=f"run it from {last_day:%Y-%m-%d} on; the schedule does at 12:00 UTC on the last day",
        )
    anybody = "select exists (select from billing.settings_in_force(%s) where charge_connectors)"
    # Without any billed account there is no such run, but there may still be balances.
    if select_value(connection, anybody, str(period)) and runs.latest_settled_run(connection, str(period)) is None:
        raise NotReady(
            f"the connector statements of {period} are not issued",
            where="warehouse",
            fix=f'bill {period} first: airflow dags test connector_statements -c \'{{"period": "{period}"}}\'',
        )


def _candidates(
    services: Services, source: InventorySource, period: Period, run_id: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The accounts that may get a statement, and the faults of their recipients."""
    with ThreadPoolExecutor(1) as pool:
        addresses = pool.submit(_addresses, services, source, period)
        with services.warehouse() as connection:
            runs.name_source(connection, run_id, source.label)
            stage.set_work_mem(connection)
            found = fetch_frame(connection, "account_statements/candidates", _CANDIDATE_TYPES, period=str(period))
        return addressed(found, *addresses.result(), period)


def _addresses(
    services: Services, source: InventorySource, period: Period
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The platform's accounts, its users that are financial admins, and the settings in force."""
    with services.warehouse() as connection:
        in_force = terms_in_force(connection, period)
    users = source.read_users(in_force["financial_admin_id"].dropna().unique().tolist())
    return source.read_accounts(), users, in_force


def _keep_candidates(services: Services, period: Period, run_id: int, candidates: pd.DataFrame) -> None:
    """Keep the candidates as the run's evidence."""
    table = pa.Table.from_pandas(candidates, preserve_index=False)
    stored = services.evidence.put_table(run_steps.evidence_folder(str(period), run_id), "accounts", table)
    with services.warehouse() as connection:
        runs.plan_run(
            connection, run_id, shards=1, accounts=(stored.key, stored.sha256), facts={"candidates": len(candidates)}
        )


def _stage_charges(services: Services, source: InventorySource, run_id: int, candidates: pd.DataFrame) -> int:
    """Create the run's staging tables, fill in the candidates and their charges; returns the number of charges."""
    tables = stage.staging_tables(run_id)
    services.progress.begin("charges")
    with services.warehouse() as connection:
        stage.sweep_stages(connection, run_id)
        connection.execute("select billing.open_account_stage(%s)", (run_id,))
        # Written while the next batch is read. Only a few batches wait, so that memory stays flat.
        with ThreadPoolExecutor(1) as pool:
            pending = deque([pool.submit(copy_frame, connection, tables["candidate"], candidates, frozen=True)])

            def write(part: pa.Table) -> None:
                pending.append(pool.submit(copy_frame, connection, tables["charge"], part, frozen=True))
                if len(pending) > _MOST_WAITING:
                    pending.popleft().result()
                services.progress.advance(part.num_rows)

            counted = source.read_charges(
                candidates["account_id"].tolist(),
                _datetimes(candidates["charges_since"]),
                _datetimes(candidates["charges_until"]),
                write,
            )
            for written in pending:
                written.result()
        copy_frame(connection, tables["counted"], pa.Table.from_pandas(counted, preserve_index=False))
    return int(counted["charges"].sum())


def _datetimes(instants: pd.Series[Any]) -> list[datetime]:
    """As Python's datetimes: pandas' own take several times as long to write."""
    converted: list[datetime] = pd.DatetimeIndex(instants).to_pydatetime().tolist()
    return converted


def _stage_items(
    services: Services, run_id: int, candidates: pd.DataFrame, faults: pd.DataFrame, now: datetime
) -> dict[str, int]:
    """Stage each account's items and the withheld accounts, all from one snapshot of the ledger."""
    tables = stage.staging_tables(run_id)
    with services.warehouse() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if (run := runs.get_run(connection, run_id)).state == "superseded":
            raise StaleTry(f"a newer try of the same task has taken over from run {run_id}", where=run.period)
        stage.set_work_mem(connection)
        connection.execute("select billing.stage_charges(%s)", (run_id,))
        with ThreadPoolExecutor(1) as pool:
            snapshot = stage.export_snapshot(connection)
            figures = pool.submit(_stage_figures, services, run_id, snapshot)
            connection.execute("select billing.stage_items(%s, %s)", (run_id, now))
            rows = stage.fetch_staged(connection, "faults", run_id)
            found = amount_faults(pd.DataFrame(rows, columns=_FOUND_COLUMNS), candidates)
            copy_frame(connection, tables["withheld"], pd.concat([faults, found], ignore_index=True).astype(object))
            connection.execute("select billing.stage_account_statements(%s)", (run_id,))
            figures.result()
        ((accounts, items, withheld),) = stage.fetch_staged(connection, "staged_counts", run_id)
        counts = {"accounts": accounts, "items": items, "withheld": withheld}
        runs.add_facts(connection, run_id, {"assembled": counts}, [])
    return counts


def _stage_figures(services: Services, run_id: int, snapshot: str) -> None:
    """Stage the figures that the statements must come to, from the snapshot that the items are read from."""
    with services.warehouse() as connection:
        stage.use_snapshot(connection, snapshot)
        stage.set_work_mem(connection)
        connection.execute("select billing.stage_figures(%s)", (run_id,))
