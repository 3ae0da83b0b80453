"""Task apply_scope_rules: decide on every connector of one part and stage the decisions, shard by shard."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.types.json import Jsonb

from evbilling import run_steps
from evbilling.platform import Part, parts_for
from evbilling.platform.inventory import profile_of
from evbilling.scope import decide
from evbilling.services import Services
from evbilling.warehouse import copy_frame, runs, select_row

log = logging.getLogger(__name__)


def apply_scope_rules(services: Services, run_id: int, number: int) -> dict[str, Any]:
    """Stage the decisions of part `number`, register their summaries; returns {"part", "billed", "excluded", "held"}.

    `held` connectors belong to accounts with a fault: they are decided, but not staged. A finished run is left alone.
    Raises `StaleTry` if a newer try has taken over a shard meanwhile.
    """
    with run_steps.running(services, run_id) as run:
        if run_steps.skip_settled(run):
            return {"part": number, "outcome": run.state}
        part = Part(number, parts_for(run.shard_count), run.shard_count)
        accounts = run_steps.accounts_of(services, run)
        services.progress.begin("shards", len(part.shard_numbers))
        counts = pd.DataFrame([_stage_shard(services, run, shard, accounts) for shard in part.shard_numbers]).sum()
    result = {name: int(counts[name]) for name in ("billed", "excluded", "held")}
    log.info(
        "part %s of %s (%s shard(s)): %s billed, %s excluded, %s on hold because of their account",
        number,
        part.count,
        len(part.shard_numbers),
        *result.values(),
    )
    return {"part": number, **result}


def _stage_shard(services: Services, run: runs.Run, shard: int, accounts: pd.DataFrame) -> dict[str, int]:
    with services.warehouse() as connection:
        registered = runs.get_shard(connection, run.run_id, shard)
        table, epoch = select_row(connection, "select * from billing.open_shard(%s, %s)", run.run_id, shard)
    inventory = services.evidence.get_table(registered.inventory_uri, registered.inventory_sha256)
    profile = profile_of(inventory)
    if "snapshot_of_run" in run.facts:
        inventory = _of_accounts(inventory, accounts["account_id"])
    decided = decide(inventory, accounts)
    summary = services.evidence.put_table(
        run_steps.evidence_folder(run.period, run.run_id),
        f"decisions-{shard:03d}",
        pa.Table.from_pandas(decided.summary.astype({"item": str}), preserve_index=False),
    )
    with services.warehouse() as connection:
        connection.execute("select billing.make_shard_table(%s, %s, %s)", (run.run_id, shard, epoch))
        staged = copy_frame(connection, sql.Identifier("staging", table), decided.decisions, frozen=True)
        if registered.names_uri and registered.names_sha256:
            names = services.evidence.get_table(registered.names_uri, registered.names_sha256)
            copy_frame(connection, sql.Identifier("staging", f"{table}_names"), names, frozen=True)
        connection.execute(
            "select billing.close_shard(%s, %s, %s, %s, %s, %s, %s)",
            (run.run_id, shard, epoch, staged, summary.key, summary.sha256, Jsonb(profile)),
        )
    services.progress.advance()
    billed = decided.decisions.column("rule_id").null_count
    return {"billed": billed, "excluded": staged - billed, "held": inventory.num_rows - staged}


def _of_accounts(inventory: pa.Table, account_ids: pd.Series[str]) -> pa.Table:
    """The snapshot without accounts whose billing was switched off after it was taken."""
    at = inventory.schema.get_field_index("account_id")
    accounts = inventory.column(at).cast(pa.string())
    wanted = pc.is_in(accounts, pa.array(account_ids, pa.string()))
    return inventory.filter(wanted).set_column(at, "account_id", accounts.filter(wanted).dictionary_encode())
