"""Step 2: read one shard of the inventory, each account as of its own count instant, and keep it as evidence."""

from __future__ import annotations

import logging
from typing import Any

from evbilling.errors import NotReady
from evbilling.inventory.source import CountWindow, Shard
from evbilling.statements.services import Services, evidence_folder, stands
from evbilling.warehouse import runs

log = logging.getLogger(__name__)


def extract_inventory(services: Services, run_id: int, shard: int) -> dict[str, Any]:
    """Store and register one shard's inventory; returns {"shard", "connectors", "evidence"}.

    A run whose period lies before the source's history takes over the evidence of the run that billed it.
    """
    with services.recording_failure(run_id), services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        if stands(run):
            kept = runs.get_shard(connection, run_id, shard)
            return {"shard": shard, "connectors": kept.extracted_rows, "evidence": kept.inventory_uri}
        if (earlier := run.facts.get("snapshot_of_run")) is not None:
            kept = runs.get_shard(connection, earlier, shard)
            services.evidence.get_table(kept.inventory_uri, kept.inventory_sha256, columns=[])
            key, sha256, rows = kept.inventory_uri, kept.inventory_sha256, kept.extracted_rows
        else:
            connection.commit()  # no transaction stays open on the warehouse while the source is read
            table = _read(services, run, shard)
            stored = services.evidence.put_table(evidence_folder(run.period, run_id), f"inventory-{shard:03d}", table)
            key, sha256, rows = stored.key, stored.sha256, table.num_rows
        runs.register_inventory(connection, run_id, shard, key, sha256, rows)
    log.info("shard %s of %s: %s connectors extracted, evidence %s", shard, run.shard_count, rows, key)
    return {"shard": shard, "connectors": rows, "evidence": key}


def _read(services: Services, run: runs.Run, shard: int) -> Any:
    if not run.accounts_uri:
        raise NotReady(f"run {run.run_id} was opened but not planned", fix="clear the task open_run too")
    accounts = services.accounts(run)
    instants = [instant.to_pydatetime() for instant in accounts["count_instant"]]
    return services.source(run.run_id).read_shard(
        Shard(shard, run.shard_count),
        accounts["account_id"].tolist(),
        instants,
        CountWindow(min(instants), max(instants)),
    )
