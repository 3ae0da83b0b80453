"""Step 1 of a month's end: what each account's statement lists, from our own record and the platform's charges."""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
import pyarrow as pa

from evbilling import __version__
from evbilling.account_statements import stage
from evbilling.account_statements.eligibility import addressed, amount_faults
from evbilling.errors import BadInput, NotReady, StaleTry
from evbilling.period import Period
from evbilling.platform import CHARGE_TABLES
from evbilling.services import Services, evidence_folder
from evbilling.settings.in_force import terms_in_force
from evbilling.warehouse import runs
from evbilling.warehouse.query import copy_frame, fetch_frame
from evbilling.warehouse.schema import require_newest_schema

if TYPE_CHECKING:
    from evbilling.platform import InventorySource

log = logging.getLogger(__name__)

_CANDIDATE_TYPES = {"is_on": pa.bool_(), "opening_minor": pa.int64(), "newest_minor_unit": pa.int64()}
_MOST_WAITING = 2
_FOUND_COLUMNS = ["account_id", "reason_id", "hits", "first_id", "shown"]


@dataclass(frozen=True, slots=True)
class AccountRunRequest:
    """Who asks for the account statements of which period, and whether they are mailed (auto, yes, no)."""

    period: Period
    dag_id: str
    airflow_run_id: str
    actor: str
    deliver: str = "auto"


def assemble(services: Services, request: AccountRunRequest, *, now: datetime) -> dict[str, Any]:
    """Stage the account statements of a period; returns {"run_id", "accounts", "items", "withheld"}.

    `accounts` get a statement with `items` in all, `withheld` have something to state but can't be stated yet. Raises
    `BadInput` if the period hasn't come to its last day (UTC) or the source breaks the contract, `NotReady` if the
    warehouse is behind its migrations or the period's connector statements aren't issued: nothing is written then.
    """
    period = str(request.period)
    with services.warehouse() as connection:
        require_newest_schema(connection)
        _require_its_time(connection, request.period, now)
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
        runs.supersede_earlier_tries(connection, run_id)
    with services.recording_failure(run_id):
        source = services.source(run_id, CHARGE_TABLES)
        source.check_contract()
        candidates, faults = _candidates(services, source, request.period, run_id)
        with ThreadPoolExecutor(1) as beside:
            evidence = beside.submit(_keep_candidates, services, request.period, run_id, candidates)
            charges = _stage_charges(services, source, run_id, candidates)
            evidence.result()
        counts = _stage_items(services, run_id, period, candidates, faults, now)
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


def _require_its_time(connection: psycopg.Connection[Any], period: Period, now: datetime) -> None:
    last_day = datetime.combine(period.shifted(1).first_day, datetime.min.time(), UTC) - timedelta(days=1)
    if now < last_day:
        raise BadInput(
            f"{period} has not come to its last day, so its account statements would lack what is still to come",
            where="period",
            fix=f"run it from {last_day:%Y-%m-%d} on; the schedule does at 12:00 UTC on the last day",
        )
    anybody = connection.execute(
        "select exists (select from billing.settings_in_force(%s) where charge_connectors)", (str(period),)
    ).fetchone()
    # Where nobody is billed there is no such run, but there may still be balances.
    if anybody and anybody[0] and runs.latest_settled_run(connection, str(period)) is None:
        raise NotReady(
            f"the connector statements of {period} are not issued",
            where="warehouse",
            fix=f"run connector_statements for {period} first",
        )


def _candidates(
    services: Services, source: InventorySource, period: Period, run_id: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Whom the run may state, and the faults of their addresses."""
    with ThreadPoolExecutor(1) as beside:
        addresses = beside.submit(_addresses, services, source, period)
        with services.warehouse() as connection:
            connection.execute("update billing.run set source = %s where run_id = %s", (source.label, run_id))
            stage.give_room(connection)
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
    """Keep whom the run may state as its evidence."""
    stored = services.evidence.put_table(
        evidence_folder(str(period), run_id), "accounts", pa.Table.from_pandas(candidates, preserve_index=False)
    )
    with services.warehouse() as connection:
        runs.plan_run(
            connection, run_id, shards=1, accounts=(stored.key, stored.sha256), facts={"candidates": len(candidates)}
        )


def _stage_charges(services: Services, source: InventorySource, run_id: int, candidates: pd.DataFrame) -> int:
    """Make the run's staging tables and fill in the candidates and their charges; returns how many charges."""
    tables = stage.relations(run_id)
    with services.warehouse() as connection:
        stage.drop_stage(connection, *runs.ended_runs(connection, run_id))
        stage.run_script(connection, "stage", run_id)
        # Written beside the reading. No more than a few batches wait, so that memory stays flat.
        with ThreadPoolExecutor(1) as pool:
            under_way = deque([pool.submit(copy_frame, connection, tables["candidate"], candidates, frozen=True)])

            def keep(part: pa.Table) -> None:
                under_way.append(pool.submit(copy_frame, connection, tables["charge"], part, frozen=True))
                if len(under_way) > _MOST_WAITING:
                    under_way.popleft().result()

            counted = source.read_charges(
                candidates["account_id"].tolist(),
                _plain(candidates["charges_since"]),
                _plain(candidates["charges_until"]),
                keep,
            )
            for written in under_way:
                written.result()
        copy_frame(connection, tables["counted"], pa.Table.from_pandas(counted, preserve_index=False))
    return int(counted["charges"].sum())


def _plain(instants: pd.Series[Any]) -> list[datetime]:
    """As Python has them: pandas' own kind takes several times as long to be written."""
    plain: list[datetime] = pd.DatetimeIndex(instants).to_pydatetime().tolist()
    return plain


def _stage_items(
    services: Services, run_id: int, period: str, candidates: pd.DataFrame, faults: pd.DataFrame, now: datetime
) -> dict[str, int]:
    """Stage what each account's statement lists and who is withheld, all as of one moment of our own record."""
    tables = stage.relations(run_id)
    with services.warehouse() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if (run := runs.get_run(connection, run_id)).state == "superseded":
            raise StaleTry(f"a newer try of the same task has taken over from run {run_id}", where=run.period)
        stage.give_room(connection)
        stage.run_script(connection, "charges", run_id)
        with ThreadPoolExecutor(1) as beside:
            figures = beside.submit(_stage_figures, services, run_id, period, stage.moment(connection))
            stage.run_script(connection, "items", run_id, period=period, now=now)
            rows = stage.fetch_staged(connection, "faults", run_id)
            found = amount_faults(pd.DataFrame(rows, columns=_FOUND_COLUMNS), candidates)
            copy_frame(connection, tables["withheld"], pd.concat([faults, found], ignore_index=True).astype(object))
            stage.run_script(connection, "statements", run_id)
            figures.result()
        ((accounts, items, withheld),) = stage.fetch_staged(connection, "staged_counts", run_id)
        counts = {"accounts": accounts, "items": items, "withheld": withheld}
        runs.add_facts(connection, run_id, {"assembled": counts}, [])
    return counts


def _stage_figures(services: Services, run_id: int, period: str, moment: str) -> None:
    """Stage what the statements must come to, as of the moment of the items, which another session holds."""
    with services.warehouse() as connection:
        stage.share(connection, moment)
        stage.give_room(connection)
        stage.run_script(connection, "figures", run_id, period=period)
