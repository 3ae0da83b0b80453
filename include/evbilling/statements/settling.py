"""What a run's shards add up to: the settlement of every account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from evbilling.errors import NotReady
from evbilling.statements.services import Services
from evbilling.statements.settle import Settlement, settle

if TYPE_CHECKING:
    from evbilling.warehouse.runs import RegisteredShard, Run


def read_summary(services: Services, run: Run, shards: list[RegisteredShard]) -> pd.DataFrame:
    """The decision counts of all shards; raises `NotReady` if one wasn't decided yet."""
    done = [shard for shard in shards if shard.summary_uri and shard.summary_sha256]
    if len(done) != run.shard_count:
        raise NotReady(
            f"{run.shard_count - len(done)} of {run.shard_count} shards of run {run.run_id} are not decided",
            fix="clear the task apply_scope_rules too",
        )
    frames: list[pd.DataFrame] = [
        services.evidence.get_table(s.summary_uri or "", s.summary_sha256 or "").to_pandas() for s in done
    ]
    return pd.concat(frames, ignore_index=True)


def settle_run(services: Services, run: Run, shards: list[RegisteredShard]) -> Settlement:
    """The settlement by the evidence of all shards, before anything published is looked at."""
    return settle(services.accounts(run), read_summary(services, run, shards))
