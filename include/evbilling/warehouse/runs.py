"""The run record: what a run read, what became of it, and the evidence it registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from evbilling.errors import NotReady

if TYPE_CHECKING:
    from evbilling.findings import Finding

SETTLED_STATES = ("issued", "unchanged", "differs")

# Two DAGs keep runs of one period; whoever looks for the runs of a period means those of one of them.
CONNECTOR_STATEMENTS = "connector_statements"
ACCOUNT_STATEMENTS = "account_statements"


@dataclass(frozen=True, slots=True)
class RegisteredShard:
    """One shard's evidence. The summary is null until its decisions were staged."""

    shard: int
    inventory_uri: str
    inventory_sha256: str
    extracted_rows: int
    summary_uri: str | None
    summary_sha256: str | None
    stage_table: str | None
    profile: dict[str, Any] | None
    orphans: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run as recorded. `facts` holds the figures by which the set is judged."""

    run_id: int
    period: str
    state: str
    actor: str
    shard_count: int
    accounts_uri: str
    accounts_sha256: str
    facts: dict[str, Any]
    differences: list[dict[str, Any]]

    @property
    def is_settled(self) -> bool:
        """True if the run has published or found nothing to publish."""
        return self.state in SETTLED_STATES


def insert_run(
    connection: psycopg.Connection[Any],
    *,
    dag_id: str,
    airflow_run_id: str,
    period: str,
    actor: str,
    code_version: str,
    source: str,
    deliver: str = "auto",
) -> int:
    """Record that a run begins; returns its id. `deliver` says whether its statements are mailed (auto, yes, no)."""
    row = connection.execute(
        """insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, deliver, shard_count)
           values (%s, %s, %s, %s, %s, %s, %s, 1) returning run_id""",
        (dag_id, airflow_run_id, period, actor, code_version, source, deliver),
    ).fetchone()
    return int(row[0]) if row else 0


def plan_run(
    connection: psycopg.Connection[Any],
    run_id: int,
    *,
    shards: int,
    accounts: tuple[str, str],
    facts: dict[str, Any],
) -> None:
    """Record how the run is split, its accounts' evidence (uri, sha256) and its facts."""
    connection.execute(
        """update billing.run set shard_count = %s, accounts_uri = %s, accounts_sha256 = %s, facts = %s
           where run_id = %s""",
        (shards, *accounts, Jsonb(facts), run_id),
    )


def get_run(connection: psycopg.Connection[Any], run_id: int) -> Run:
    """The run's record; raises `NotReady` if there is none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """select run_id, period, state, actor, shard_count, accounts_uri, accounts_sha256, facts, differences
               from billing.run where run_id = %s""",
            (run_id,),
        ).fetchone()
    if row is None:
        raise NotReady(f"there is no run {run_id} in this warehouse", fix="start the DAG run anew")
    return Run(**row)


def get_shards(connection: psycopg.Connection[Any], run_id: int) -> list[RegisteredShard]:
    """The shards that the run has registered, in order."""
    rows = connection.execute(
        """select shard, inventory_uri, inventory_sha256, extracted_rows, summary_uri, summary_sha256, stage_table,
                  profile, orphans
           from billing.run_shard where run_id = %s order by shard""",
        (run_id,),
    )
    return list(starmap(RegisteredShard, rows))


def get_shard(connection: psycopg.Connection[Any], run_id: int, shard: int) -> RegisteredShard:
    """One registered shard; raises `NotReady` if it wasn't extracted yet."""
    for registered in get_shards(connection, run_id):
        if registered.shard == shard:
            return registered
    raise NotReady(f"shard {shard} of run {run_id} was not extracted", fix="clear the task extract_inventory too")


def register_inventory(
    connection: psycopg.Connection[Any], run_id: int, shard: int, uri: str, sha256: str, rows: int, orphans: int = 0
) -> None:
    """Register a shard's extracted inventory; a later extraction of the same shard takes its place."""
    connection.execute(
        """insert into billing.run_shard as s (run_id, shard, inventory_uri, inventory_sha256, extracted_rows, orphans)
           values (%s, %s, %s, %s, %s, %s)
           on conflict (run_id, shard) do update
           set inventory_uri = excluded.inventory_uri, inventory_sha256 = excluded.inventory_sha256,
               extracted_rows = excluded.extracted_rows, orphans = excluded.orphans
           where (s.inventory_sha256, s.orphans) <> (excluded.inventory_sha256, excluded.orphans)""",
        (run_id, shard, uri, sha256, rows, orphans),
    )


def record_profile(connection: psycopg.Connection[Any], run_id: int, shard: int, profile: dict[str, Any]) -> None:
    """Keep what a shard's stored inventory holds, for the validation."""
    connection.execute(
        "update billing.run_shard set profile = %s where run_id = %s and shard = %s", (Jsonb(profile), run_id, shard)
    )


def latest_settled_run(
    connection: psycopg.Connection[Any], period: str, dag_id: str = CONNECTOR_STATEMENTS
) -> Run | None:
    """The newest run of `period` by `dag_id` that published it or found it unchanged: the keeper of its snapshot."""
    row = connection.execute(
        """select max(run_id) from billing.run
           where period = %s and dag_id = %s and state in ('issued', 'unchanged') and accounts_uri is not null""",
        (period, dag_id),
    ).fetchone()
    return get_run(connection, row[0]) if row and row[0] is not None else None


def mark_failed(connection: psycopg.Connection[Any], run_id: int, failure: str) -> None:
    """Record why an open run stopped; a settled run stays as it is."""
    connection.execute(
        "update billing.run set state = 'failed', failure = %s where run_id = %s and state in ('open', 'failed')",
        (failure, run_id),
    )


def mark_superseded(connection: psycopg.Connection[Any], run_id: int) -> None:
    """Record that a newer run took over before this one published."""
    connection.execute("update billing.run set state = 'superseded' where run_id = %s and state = 'open'", (run_id,))


def mark_settled(
    connection: psycopg.Connection[Any],
    run_id: int,
    state: str,
    *,
    facts: dict[str, Any],
    differences: Sequence[dict[str, Any]],
) -> None:
    """Record the outcome in the transaction that publishes it; `facts` are added to those known."""
    connection.execute(
        """update billing.run set state = %s, facts = facts || %s, differences = %s, failure = null, settled_at = now()
           where run_id = %s""",
        (state, Jsonb(facts), Jsonb(list(differences)), run_id),
    )
    # An older run that is still open was cut off or overtaken. Should it go on after all, it finds all published.
    connection.execute(
        """update billing.run old set state = 'superseded' from billing.run new
           where new.run_id = %s and old.period = new.period and old.dag_id = new.dag_id
             and old.run_id < new.run_id and old.state = 'open'""",
        (run_id,),
    )


def supersede_earlier_tries(connection: psycopg.Connection[Any], run_id: int) -> None:
    """Mark the runs superseded that the same task of the same DAG run opened before and left open: it begins anew."""
    connection.execute(
        """update billing.run old set state = 'superseded' from billing.run new
           where new.run_id = %s and (old.period, old.dag_id, old.airflow_run_id)
                 = (new.period, new.dag_id, new.airflow_run_id)
             and old.run_id < new.run_id and old.state = 'open'""",
        (run_id,),
    )


def ended_runs(connection: psycopg.Connection[Any], run_id: int) -> list[int]:
    """Earlier runs of the same DAG and period that have ended, or were abandoned a week ago."""
    rows = connection.execute(
        """select old.run_id from billing.run old join billing.run new on new.run_id = %s
           where (old.period, old.dag_id) = (new.period, new.dag_id) and old.run_id < new.run_id
             and (old.state <> 'open' or old.opened_at < now() - interval '7 days') order by 1""",
        (run_id,),
    )
    return [int(row[0]) for row in rows]


def record_findings(connection: psycopg.Connection[Any], run_id: int, findings: Sequence[Finding]) -> None:
    """Add what the validation found to the run's results."""
    rows = [
        (
            run_id,
            f.suite,
            f.shard,
            f.expectation,
            f.says,
            f.severity,
            f.success,
            f.observed,
            f.unexpected_count,
            Jsonb(list(f.sample)),
        )
        for f in findings
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into billing.validation_result
                   (run_id, suite, shard, expectation, says, severity, success, observed, unexpected_count, sample)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            rows,
        )


def add_facts(connection: psycopg.Connection[Any], run_id: int, facts: dict[str, Any], warnings: Sequence[str]) -> None:
    """Add facts to the run's record and set its warnings."""
    connection.execute(
        "update billing.run set facts = facts || %s, warnings = %s where run_id = %s",
        (Jsonb(facts), Jsonb(list(warnings)), run_id),
    )
