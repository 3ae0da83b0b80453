"""Step 3: decide on every connector of one shard and stage the decisions, keyed, beside nothing published."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from evbilling.scope.decide import decide
from evbilling.statements.services import Services, evidence_folder, stands
from evbilling.warehouse import runs, staging

log = logging.getLogger(__name__)


def apply_scope_rules(services: Services, run_id: int, shard: int) -> dict[str, Any]:
    """Stage one shard's decisions and register their summary; returns {"shard", "billed", "excluded", "held"}.

    `held` are connectors of accounts with a fault: decided, but not staged. A settled run is left as it is. Raises
    `StaleTry` if a newer try has taken the shard over meanwhile.
    """
    with services.recording_failure(run_id):
        with services.warehouse() as connection:
            run = runs.get_run(connection, run_id)
            if stands(run):
                return {"shard": shard, "outcome": run.state}
            registered = runs.get_shard(connection, run_id, shard)
            table, epoch = connection.execute("select * from billing.open_shard(%s, %s)", (run_id, shard)).fetchone()  # type: ignore[misc]
        inventory = services.evidence.get_table(registered.inventory_uri, registered.inventory_sha256)
        accounts = services.accounts(run)
        if "snapshot_of_run" in run.facts:
            inventory = _of_accounts(inventory, accounts["account_id"])
        decided = decide(inventory, accounts)
        summary = services.evidence.put_table(
            evidence_folder(run.period, run_id),
            f"decisions-{shard:03d}",
            pa.Table.from_pandas(decided.summary.astype({"item": str}), preserve_index=False),
        )
        with services.warehouse() as connection:
            staged = staging.copy_frame(connection, sql.Identifier("staging", table), decided.decisions)
            connection.execute(
                "select billing.close_shard(%s, %s, %s, %s, %s, %s)",
                (run_id, shard, epoch, staged, summary.key, summary.sha256),
            )
    billed = int(decided.decisions["rule_id"].isna().sum())
    result = {
        "shard": shard,
        "billed": billed,
        "excluded": staged - billed,
        "held": inventory.num_rows - staged,
    }
    log.info(
        "shard %s of %s: %s billed, %s excluded, %s held with accounts at fault",
        shard, run.shard_count, billed, result["excluded"], result["held"],
    )  # fmt: skip
    return result


def _of_accounts(inventory: pa.Table, account_ids: pd.Series[str]) -> pa.Table:
    """A snapshot without the accounts whose billing was switched off since it was taken."""
    at = inventory.schema.get_field_index("account_id")
    accounts = inventory.column(at).cast(pa.string())
    wanted = pc.is_in(accounts, pa.array(account_ids, pa.string()))
    return inventory.filter(wanted).set_column(at, "account_id", accounts.filter(wanted).dictionary_encode())
