"""Step 2: read one part of the inventory, each account as of its own count instant, and keep its shards as evidence."""

from __future__ import annotations

import logging
from typing import Any

from evbilling.errors import NotReady, SetFault
from evbilling.platform import CountWindow, Part, PartRead, parts_for
from evbilling.services import Services, evidence_folder, stands
from evbilling.warehouse import runs

log = logging.getLogger(__name__)


def extract_inventory(services: Services, run_id: int, number: int) -> dict[str, Any]:
    """Store and register the shards of part `number`; returns {"part", "connectors", "evidence"}: a key per shard.

    A run whose period lies before the source's history takes over the evidence of the run that billed it.
    """
    with services.recording_failure(run_id):
        with services.warehouse() as connection:
            run = runs.get_run(connection, run_id)
            part = Part(number, parts_for(run.shard_count), run.shard_count)
            if stands(run):
                return _said(part, [runs.get_shard(connection, run_id, shard) for shard in part.shard_numbers])
            if (earlier := run.facts.get("snapshot_of_run")) is not None:
                return _said(part, [_take_over(services, connection, run, earlier, n) for n in part.shard_numbers])
        # No transaction stays open on the warehouse while the source is read.
        read = _read(services, run, part)
        for shard, table in read.shards:
            stored = services.evidence.put_table(evidence_folder(run.period, run_id), f"inventory-{shard:03d}", table)
            # Orphans belong to no shard: the part's first has their number.
            orphans = read.orphans if shard == part.number else 0
            with services.warehouse() as connection:
                runs.register_inventory(connection, run_id, shard, stored.key, stored.sha256, table.num_rows, orphans)
        with services.warehouse() as connection:
            said = _said(part, [runs.get_shard(connection, run_id, shard) for shard in part.shard_numbers])
    log.info(
        "part %s of %s: %s connectors extracted into %s shard(s), evidence %s",
        number,
        part.count,
        said["connectors"],
        len(part.shard_numbers),
        ", ".join(said["evidence"]),
    )
    return said


def _said(part: Part, shards: list[runs.RegisteredShard]) -> dict[str, Any]:
    return {
        "part": part.number,
        "connectors": sum(shard.extracted_rows for shard in shards),
        "evidence": [shard.inventory_uri for shard in shards],
    }


def _take_over(services: Services, connection: Any, run: runs.Run, earlier: int, shard: int) -> runs.RegisteredShard:
    kept = runs.get_shard(connection, earlier, shard)
    services.evidence.get_table(kept.inventory_uri, kept.inventory_sha256, columns=[])
    runs.register_inventory(
        connection, run.run_id, shard, kept.inventory_uri, kept.inventory_sha256, kept.extracted_rows
    )
    return kept


def _read(services: Services, run: runs.Run, part: Part) -> PartRead:
    if not run.accounts_uri:
        raise NotReady(f"run {run.run_id} was opened but not planned", fix="clear the task open_run too")
    accounts = services.accounts(run)
    instants = [instant.to_pydatetime() for instant in accounts["count_instant"]]
    source = services.source(run.run_id)
    read = source.read_part(part, accounts["account_id"].tolist(), instants, CountWindow(min(instants), max(instants)))
    # What several parts come to together is judged by the validation.
    if read.orphans > int(run.facts["max_orphan_connectors"]):
        raise SetFault(
            f"{read.orphans:,} connectors stand under no charger that the source knows"
            f" ({', '.join(read.orphan_examples)}{', …' if read.orphans > len(read.orphan_examples) else ''})",
            where=source.label,
            fix="nobody could be billed for them: mend the source, or allow so many by the Param max_orphan_connectors",
        )
    return read
