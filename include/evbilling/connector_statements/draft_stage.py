"""What a run's shards add up to: the settlement of every account, and its drafts in staging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.connector_statements import stage
from evbilling.connector_statements.drafts import FEE_ZERO, Settlement, settle
from evbilling.errors import NotReady
from evbilling.money import from_minor
from evbilling.services import Services
from evbilling.warehouse import runs

if TYPE_CHECKING:
    from evbilling.warehouse.runs import RegisteredShard, Run

_SUMMARY = pa.schema({
    "account_id": pa.string(),
    "item": pa.string(),
    "power_type": pa.string(),
    "connectors": pa.int64(),
    "detail": pa.string(),
})

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


def read_summary(services: Services, run: Run, shards: list[RegisteredShard]) -> pd.DataFrame:
    """The decision counts of all shards; raises `NotReady` if one wasn't decided yet."""
    done = [shard for shard in shards if shard.summary_uri and shard.summary_sha256]
    if len(done) != run.shard_count:
        raise NotReady(
            f"{run.shard_count - len(done)} of {run.shard_count} shards of run {run.run_id} are not decided",
            fix="clear the task apply_scope_rules too",
        )
    summary = pa.concat_tables(
        services.evidence.get_table(s.summary_uri or "", s.summary_sha256 or "").cast(_SUMMARY) for s in done
    )
    # An account has rows in every shard: they are added up here, but for faults, which are few and keep their words.
    is_fault = pc.starts_with(summary.column("item"), "fault:")
    counted = summary.filter(pc.invert(is_fault)).group_by(["account_id", "item", "power_type"], use_threads=False)
    counts = counted.aggregate([("connectors", "sum")]).rename_columns({"connectors_sum": "connectors"})
    frames: list[pd.DataFrame] = [summary.filter(is_fault).to_pandas(), counts.to_pandas().assign(detail=None)]
    return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)


def settle_run(services: Services, run: Run, shards: list[RegisteredShard]) -> Settlement:
    """The settlement by the evidence of all shards, before anything published is looked at."""
    return settle(services.accounts(run), read_summary(services, run, shards))


def stage_settlement(services: Services, run: Run) -> tuple[int, Settlement]:
    """Settle a run's staged decisions and put the drafts of its statements beside them.

    Returns the epoch that the caller must still hold to publish them, and the settlement. Raises `NotReady` if the
    decisions aren't staged.
    """
    with services.warehouse() as connection:
        shards = runs.get_shards(connection, run.run_id)
        if not stage.has_stage(connection, run.run_id, run.shard_count):
            raise NotReady(
                f"the decisions of run {run.run_id} are not staged", fix="clear the task apply_scope_rules too"
            )
        epoch = connection.execute("select billing.raise_fence(%s)", (f"issue {run.period}",)).fetchone()[0]  # type: ignore[index]
    accounts, summary = services.accounts(run), read_summary(services, run, shards)
    with services.warehouse() as connection:
        settlement = settle(accounts, summary)
        changed = {row[0] for row in connection.execute("select billing.yield_to_published(%s)", (run.run_id,))}
        # What is staged of a quarantined account is only what lies in shards without its fault: no count of it.
        if changed := changed.difference(settlement.quarantined):
            settlement = settle(accounts, _recounted(connection, run.run_id, summary, changed))
        connection.execute(
            "select billing.settle_stage(%s, %s, %s, %s)",
            (run.run_id, settlement.quarantined, settlement.nothing_owed, FEE_ZERO),
        )
        drafts = settlement.statements.assign(tax_rate=_tax_rates(settlement.statements))
        stage.fill_drafts(connection, run.run_id, drafts[_DRAFT_COLUMNS], settlement.unbilled)
        connection.execute("select billing.number_drafts(%s, %s)", (run.run_id, epoch))
    return epoch, settlement


def _recounted(
    connection: psycopg.Connection[Any], run_id: int, summary: pd.DataFrame, changed: set[str]
) -> pd.DataFrame:
    """The summary with the counts of `changed` accounts as they now lie staged."""
    staged = stage.staged_counts(connection, run_id)
    staged = staged[staged["account_id"].isin(changed)].rename(columns={"rule_id": "item"})
    stays = ~summary["account_id"].isin(changed) | summary["item"].str.startswith("fault:")
    fresh = staged[["account_id", "item", "power_type", "connectors"]].assign(detail=None)
    return pd.concat([summary[stays], fresh], ignore_index=True)


def _tax_rates(statements: pd.DataFrame) -> list[str]:
    return [str(from_minor(int(rate), 6)) for rate in statements["tax_rate_e6"]]
