"""Task extract_inventory: read one part of the inventory as of each account's count, and keep it as evidence."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from evbilling import run_steps
from evbilling.errors import NotReady, SetFault
from evbilling.platform import CountWindow, Part, PartRead, parts_for
from evbilling.services import Services
from evbilling.warehouse import runs

log = logging.getLogger(__name__)


def extract_inventory(services: Services, run_id: int, number: int) -> dict[str, Any]:
    """Store and register the shards of part `number`; returns {"part", "connectors", "evidence"}: a key per shard.

    A run whose period is older than the source's history reuses the evidence of the run that billed it.
    """
    with run_steps.running(services, run_id) as run:
        part = Part(number, parts_for(run.shard_count), run.shard_count)
        if not run_steps.skip_settled(run):
            services.progress.begin("shards", len(part.shard_numbers))
            if (earlier := run.facts.get("snapshot_of_run")) is not None:
                with services.warehouse() as connection:
                    for shard in part.shard_numbers:
                        _reuse(services, connection, run, earlier, shard)
                        services.progress.advance()
            else:
                _extract(services, run, part)
        with services.warehouse() as connection:
            shards = [runs.get_shard(connection, run_id, shard) for shard in part.shard_numbers]
    connectors, evidence = sum(shard.extracted_rows for shard in shards), [shard.inventory_uri for shard in shards]
    log.info("part %s of %s: %s connectors in evidence %s", number, part.count, connectors, ", ".join(evidence))
    return {"part": number, "connectors": connectors, "evidence": evidence}


def _extract(services: Services, run: runs.Run, part: Part) -> None:
    # No transaction stays open on the warehouse while the source is read.
    read = _read(services, run, part)
    for shard, table, names in read.shards:
        folder = run_steps.evidence_folder(run.period, run.run_id)
        stored = services.evidence.put_table(folder, f"inventory-{shard:03d}", table)
        named = services.evidence.put_table(folder, f"names-{shard:03d}", names)
        with services.warehouse() as connection:
            runs.register_inventory(
                connection,
                run.run_id,
                shard,
                inventory=(stored.key, stored.sha256),
                names=(named.key, named.sha256),
                rows=table.num_rows,
                # Orphans are counted on the part's first shard.
                orphans=read.orphans if shard == part.number else 0,
            )
        services.progress.advance()


def _read(services: Services, run: runs.Run, part: Part) -> PartRead:
    if not run.accounts_uri:
        raise NotReady(f"run {run.run_id} was opened but not planned", fix="clear the task open_run too")
    accounts = run_steps.accounts_of(services, run)
    instants = [instant.to_pydatetime() for instant in accounts["count_instant"]]
    source = services.source(run.run_id)
    read = source.read_part(part, accounts["account_id"].tolist(), instants, CountWindow(min(instants), max(instants)))
    # The total of several parts is checked by the validation.
    if read.orphans > int(run.facts["max_orphan_connectors"]):
        raise SetFault(
            f"{read.orphans:,} connectors belong to no charger that the source knows"
            f" ({'; '.join(read.orphan_examples)}{'; …' if read.orphans > len(read.orphan_examples) else ''})",
            where=source.label,
            fix="nobody could be billed for them: fix the source, or allow them with the Param max_orphan_connectors",
        )
    if read.orphans:
        said = f"{read.orphans:,} without: {'; '.join(read.orphan_examples)}"
        with services.warehouse() as connection:
            runs.note_facts(connection, run.run_id, {f"stray_connectors_{part.number}": said})
    return read


def _reuse(
    services: Services, connection: psycopg.Connection[Any], run: runs.Run, earlier_run_id: int, shard: int
) -> None:
    earlier = runs.get_shard(connection, earlier_run_id, shard)
    services.evidence.get_table(earlier.inventory_uri, earlier.inventory_sha256, columns=[])
    runs.register_inventory(
        connection,
        run.run_id,
        shard,
        inventory=(earlier.inventory_uri, earlier.inventory_sha256),
        names=(earlier.names_uri, earlier.names_sha256),
        rows=earlier.extracted_rows,
    )
