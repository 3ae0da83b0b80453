"""The staging tables of a run of connector statements: its decisions, and the drafts that they add up to."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from evbilling.connector_statements.drafts import FEE_ZERO, Drafts, draft_statements
from evbilling.errors import BadInput, NotReady, StaleTry
from evbilling.missed_months import forgiven_accounts
from evbilling.money import from_minor
from evbilling.period import Period
from evbilling.run_steps import accounts_of
from evbilling.services import Services
from evbilling.warehouse import copy_frame, fetch_table, fetch_value, runs, select_value
from evbilling.warehouse.runs import RegisteredShard, Run

_SUMMARY = pa.schema({
    "account_id": pa.string(),
    "item": pa.string(),
    "power_type": pa.string(),
    "connectors": pa.int64(),
    "detail": pa.string(),
})

_DECIDE = "clear the task apply_scope_rules too"

_DRAFT_COLUMNS = [
    "account_id",
    "account_name",
    "financial_admin_id",
    "time_zone",
    "count_instant",
    "currency",
    "minor_unit",
    "setting_id",
    "fee_minor",
    "dc_fee_minor",
    "exclude_closed",
    "exclude_private",
    "tax_rate",
    "ac_count",
    "dc_count",
    "net_minor",
    "tax_minor",
    "total_minor",
]


def staging_tables(run_id: int) -> dict[str, sql.Identifier]:
    """The staging tables of a run as query parts: its decisions (stage), drafts and unbilled accounts."""
    suffixes = {"stage": "", "draft": "_statement", "unbilled": "_unbilled"}
    return {part: sql.Identifier("staging", f"run_{run_id}{suffix}") for part, suffix in suffixes.items()}


def has_stage(connection: psycopg.Connection[Any], run_id: int, shards: int) -> bool:
    """True if all shards of the run are staged, and neither published nor dropped yet."""
    return bool(fetch_value(connection, "connector_statements/staged_shards", run_id=run_id) == shards)


def staged_counts(connection: psycopg.Connection[Any], run_id: int) -> pd.DataFrame:
    """A row per account, rule (`billed` for none), power type and price with its number of staged connectors."""
    types = {"unit_price_minor": pa.int64(), "connectors": pa.int64()}
    counts = fetch_table(connection, "connector_statements/staged_counts", types, **staging_tables(run_id))
    frame: pd.DataFrame = counts.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.astype({"connectors": "int64"})


def require_decisions(connection: psycopg.Connection[Any], run: Run) -> list[RegisteredShard]:
    """The shards of a run whose decisions are all staged; raises `NotReady` if they aren't.

    Raises `StaleTry` if they were dropped because a newer run of the period has published.
    """
    if not has_stage(connection, run.run_id, run.shard_count):
        if run.state == "superseded":
            raise StaleTry("its staging tables were dropped", where=f"run {run.run_id} of {run.period}")
        raise NotReady(f"the decisions of run {run.run_id} are not staged", fix=_DECIDE)
    return runs.get_shards(connection, run.run_id)


def draft_run(services: Services, run: Run, shards: list[RegisteredShard]) -> Drafts:
    """The drafts by the evidence of all shards alone, whatever is published already."""
    return draft_statements(accounts_of(services, run), _read_summary(services, run, shards))


def stage_drafts(services: Services, run: Run) -> tuple[int, Drafts]:
    """Draft the statements of a run's staged decisions and stage them beside the decisions.

    Of a run of some accounts, only theirs are staged; the decisions are those of the whole month. Returns the epoch
    that the caller must still hold to publish them, and the drafts, of all accounts. Raises `NotReady` if the
    decisions aren't staged, `BadInput` if the month of an account that the run names is forgiven.
    """
    accounts, summary = _decided(services, run)
    with services.warehouse() as connection:
        epoch = _raise_fence(connection, run)
    with services.warehouse() as connection:
        return epoch, _fill(connection, run, epoch, accounts, summary)


@contextmanager
def drafts_to_look_at(services: Services, run: Run) -> Generator[tuple[psycopg.Connection[Any], Drafts]]:
    """As `stage_drafts`, in a transaction that is rolled back: for a look, after which a plan still waits as it did."""
    accounts, summary = _decided(services, run)
    with services.warehouse() as connection, connection.transaction(force_rollback=True):
        yield connection, _fill(connection, run, _raise_fence(connection, run), accounts, summary)


def _decided(services: Services, run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The run's accounts, and what was decided on their connectors."""
    with services.warehouse() as connection:
        shards = require_decisions(connection, run)
    return accounts_of(services, run), _read_summary(services, run, shards)


def _raise_fence(connection: psycopg.Connection[Any], run: Run) -> int:
    return int(select_value(connection, "select billing.raise_fence(%s)", f"issue {run.period}"))


def _fill(
    connection: psycopg.Connection[Any], run: Run, epoch: int, accounts: pd.DataFrame, summary: pd.DataFrame
) -> Drafts:
    # The fence is held from here on: a newer try of the same run fills the same tables.
    connection.execute("select billing.open_drafts(%s, %s)", (run.run_id, epoch))
    forgiven = _forgiven(connection, run)
    drafts = draft_statements(accounts, summary, forgiven)
    changed = {row[0] for row in connection.execute("select billing.yield_to_published(%s)", (run.run_id,))}
    # A quarantined account has decisions staged only from shards without its fault: they aren't its count.
    if changed := changed.difference(drafts.undecided):
        drafts = draft_statements(accounts, _recounted(connection, run.run_id, summary, changed), forgiven)
    connection.execute(
        "select billing.settle_stage(%s, %s, %s, %s)",
        (run.run_id, drafts.undecided, drafts.nothing_owed, FEE_ZERO),
    )
    tax_rates = [str(from_minor(int(rate), 6)) for rate in drafts.statements["tax_rate_e6"]]
    statements = drafts.statements.assign(tax_rate=tax_rates)
    tables = staging_tables(run.run_id)
    for table, frame in ((tables["draft"], statements[_DRAFT_COLUMNS]), (tables["unbilled"], drafts.unbilled)):
        if run.account_ids is not None:
            frame = frame[frame["account_id"].isin(run.account_ids)]
        copy_frame(connection, table, frame)
    connection.execute("select billing.number_drafts(%s, %s)", (run.run_id, epoch))
    return drafts


def _forgiven(connection: psycopg.Connection[Any], run: Run) -> dict[str, str]:
    """The accounts whose month is forgiven, each with who and why; raises `BadInput` if the run names one of them."""
    found = forgiven_accounts(connection, Period.parse(run.period))
    forgiven = {account: f"forgiven by {actor} on {day}: {reason}" for account, (actor, day, reason) in found.items()}
    for account in run.account_ids or ():
        if words := forgiven.get(account):
            raise BadInput(
                f"{run.period} of {account} can't be billed: it was {words}",
                where=f"run {run.run_id}",
                fix="take that back on the account's page first",
            )
    return forgiven


def _read_summary(services: Services, run: Run, shards: list[RegisteredShard]) -> pd.DataFrame:
    """The decision counts of all shards; raises `NotReady` if a shard isn't decided yet."""
    done = [shard for shard in shards if shard.summary_uri and shard.summary_sha256]
    if len(done) != run.shard_count:
        raise NotReady(
            f"{run.shard_count - len(done)} of {run.shard_count} shards of run {run.run_id} are not decided",
            fix=_DECIDE,
        )
    summary = pa.concat_tables(
        services.evidence.get_table(s.summary_uri or "", s.summary_sha256 or "").cast(_SUMMARY) for s in done
    )
    # An account has rows in every shard. Counts are added up here; faults are few and keep their detail.
    is_fault = pc.starts_with(summary.column("item"), "fault:")
    counted = summary.filter(pc.invert(is_fault)).group_by(["account_id", "item", "power_type"], use_threads=False)
    counts = counted.aggregate([("connectors", "sum")]).rename_columns({"connectors_sum": "connectors"})
    frames: list[pd.DataFrame] = [summary.filter(is_fault).to_pandas(), counts.to_pandas().assign(detail=None)]
    return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)


def _recounted(
    connection: psycopg.Connection[Any], run_id: int, summary: pd.DataFrame, changed: set[str]
) -> pd.DataFrame:
    """The summary with the counts of `changed` accounts as they are staged now."""
    staged = staged_counts(connection, run_id)
    staged = staged[staged["account_id"].isin(changed)].rename(columns={"rule_id": "item"})
    stays = ~summary["account_id"].isin(changed) | summary["item"].str.startswith("fault:")
    fresh = staged[["account_id", "item", "power_type", "connectors"]].assign(detail=None)
    return pd.concat([summary[stays], fresh], ignore_index=True)
