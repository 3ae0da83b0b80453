"""Step 3: decide on every connector of one part and stage the decisions, shard by shard, beside nothing published."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from evbilling.platform import Part, parts_for
from evbilling.platform.inventory import profile_of
from evbilling.scope.decisions import decide
from evbilling.services import Services, evidence_folder, stands
from evbilling.warehouse import runs
from evbilling.warehouse.query import copy_frame

log = logging.getLogger(__name__)


def apply_scope_rules(services: Services, run_id: int, number: int) -> dict[str, Any]:
    """Stage the decisions of part `number`, register their summaries; returns {"part", "billed", "excluded", "held"}.

    `held` are connectors of accounts with a fault: decided, but not staged. A settled run is left as it is. Raises
    `StaleTry` if a newer try has taken a shard over meanwhile.
    """
    with services.recording_failure(run_id):
        with services.warehouse() as connection:
            run = runs.get_run(connection, run_id)
            part = Part(number, parts_for(run.shard_count), run.shard_count)
            if stands(run):
                return {"part": number, "outcome": run.state}
        accounts = services.accounts(run)
        counts = pd.DataFrame([_stage_shard(services, run, shard, accounts) for shard in part.shard_numbers]).sum()
    result = {name: int(counts[name]) for name in ("billed", "excluded", "held")}
    log.info(
        "part %s of %s (%s shard(s)): %s billed, %s excluded, %s held with accounts at fault",
        number,
        part.count,
        len(part.shard_numbers),
        *result.values(),
    )
    return {"part": number, **result}


def _stage_shard(services: Services, run: runs.Run, shard: int, accounts: pd.DataFrame) -> dict[str, int]:
    with services.warehouse() as connection:
        registered = runs.get_shard(connection, run.run_id, shard)
        table, epoch = connection.execute("select * from billing.open_shard(%s, %s)", (run.run_id, shard)).fetchone()  # type: ignore[misc]
    inventory = services.evidence.get_table(registered.inventory_uri, registered.inventory_sha256)
    profile = profile_of(inventory)
    if "snapshot_of_run" in run.facts:
        inventory = _of_accounts(inventory, accounts["account_id"])
    decided = decide(inventory, accounts)
    summary = services.evidence.put_table(
        evidence_folder(run.period, run.run_id),
        f"decisions-{shard:03d}",
        pa.Table.from_pandas(decided.summary.astype({"item": str}), preserve_index=False),
    )
    with services.warehouse() as connection:
        connection.execute("select billing.make_shard_table(%s, %s, %s)", (run.run_id, shard, epoch))
        staged = copy_frame(connection, sql.Identifier("staging", table), decided.decisions, frozen=True)
        runs.record_profile(connection, run.run_id, shard, profile)
        connection.execute(
            "select billing.close_shard(%s, %s, %s, %s, %s, %s)",
            (run.run_id, shard, epoch, staged, summary.key, summary.sha256),
        )
    billed = decided.decisions.column("rule_id").null_count
    return {"billed": billed, "excluded": staged - billed, "held": inventory.num_rows - staged}


def _of_accounts(inventory: pa.Table, account_ids: pd.Series[str]) -> pa.Table:
    """A snapshot without the accounts whose billing was switched off since it was taken."""
    at = inventory.schema.get_field_index("account_id")
    accounts = inventory.column(at).cast(pa.string())
    wanted = pc.is_in(accounts, pa.array(account_ids, pa.string()))
    return inventory.filter(wanted).set_column(at, "account_id", accounts.filter(wanted).dictionary_encode())
