"""The run record: what a run read, the evidence it registered, what its validation and tie-out found, its outcome."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from evbilling.errors import NotReady
from evbilling.warehouse.query import fetch_as, fetch_value

if TYPE_CHECKING:
    from evbilling.findings import Finding

log = logging.getLogger(__name__)

SETTLED_STATES = ("issued", "unchanged", "differs")

# Both monthly DAGs have runs of a period; a query for the runs of a period is about one of them.
CONNECTOR_STATEMENTS = "connector_statements"
ACCOUNT_STATEMENTS = "account_statements"


@dataclass(frozen=True, slots=True)
class RegisteredShard:
    """One shard's evidence. The summary is None until the decisions are staged.

    The names of its chargers are None where its inventory was stored before names were kept.
    """

    shard: int
    inventory_uri: str
    inventory_sha256: str
    extracted_rows: int
    summary_uri: str | None
    summary_sha256: str | None
    profile: dict[str, Any] | None
    orphans: int
    names_uri: str | None = None
    names_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run as recorded. `facts` holds the figures by which the set is judged, and what a person has asked for.

    `account_ids`: the accounts whose missing statements it issues; None: those of the whole month.
    """

    run_id: int
    period: str
    state: str
    actor: str
    shard_count: int
    accounts_uri: str
    accounts_sha256: str
    facts: dict[str, Any]
    account_ids: list[str] | None = None

    @property
    def is_settled(self) -> bool:
        """True if the run has published or found nothing to publish."""
        return self.state in SETTLED_STATES


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
        """select billing.note_run(%s, p_shards => %s, p_accounts_uri => %s, p_accounts_sha256 => %s, p_facts => %s)""",
        (run_id, shards, *accounts, Jsonb(facts)),
    )


def name_source(connection: psycopg.Connection[Any], run_id: int, source: str) -> None:
    """Record where the run reads the platform."""
    connection.execute("select billing.note_run(%s, p_source => %s)", (run_id, source))


def get_run(connection: psycopg.Connection[Any], run_id: int) -> Run:
    """The run's record; raises `NotReady` if there is none."""
    found = fetch_as(connection, Run, "warehouse/run", run_id=run_id)
    if not found:
        raise NotReady(f"there is no run {run_id} in this warehouse", fix="start the DAG run anew")
    return found[0]


def get_shards(connection: psycopg.Connection[Any], run_id: int) -> list[RegisteredShard]:
    """The shards that the run has registered, in order."""
    return fetch_as(connection, RegisteredShard, "warehouse/shards", run_id=run_id)


def get_shard(connection: psycopg.Connection[Any], run_id: int, shard: int) -> RegisteredShard:
    """One registered shard; raises `NotReady` if it wasn't extracted yet."""
    for registered in get_shards(connection, run_id):
        if registered.shard == shard:
            return registered
    raise NotReady(f"shard {shard} of run {run_id} was not extracted", fix="clear the task extract_inventory too")


def register_inventory(
    connection: psycopg.Connection[Any],
    run_id: int,
    shard: int,
    *,
    inventory: tuple[str, str],
    names: tuple[str | None, str | None],
    rows: int,
    orphans: int = 0,
) -> None:
    """Register a shard's extracted inventory and names (uri, sha256); a later extraction of it replaces them."""
    connection.execute(
        "select billing.register_inventory(%s, %s, %s, %s, %s, %s, %s, %s)",
        (run_id, shard, *inventory, rows, orphans, *names),
    )


def latest_settled_run(
    connection: psycopg.Connection[Any], period: str, dag_id: str = CONNECTOR_STATEMENTS
) -> Run | None:
    """The newest run of `period` by `dag_id` that published it or found it unchanged; None without one."""
    run_id = fetch_value(connection, "warehouse/latest_settled_run", period=period, dag_id=dag_id)
    return None if run_id is None else get_run(connection, run_id)


def last_settled_before(connection: psycopg.Connection[Any], period: str) -> Run | None:
    """The newest run of the last period before `period` whose connectors were billed; None without one."""
    last = fetch_value(connection, "warehouse/latest_settled_period", period=period, dag_id=CONNECTOR_STATEMENTS)
    return None if last is None else latest_settled_run(connection, last)


def mark_failed(connection: psycopg.Connection[Any], run_id: int, failure: str) -> None:
    """Record why an open run stopped; a settled run stays as it is."""
    connection.execute("select billing.fail_run(%s, %s)", (run_id, failure))


def mark_superseded(connection: psycopg.Connection[Any], run_id: int) -> None:
    """Record that a newer run took over before this one published."""
    connection.execute("select billing.supersede_run(%s)", (run_id,))


def mark_settled(
    connection: psycopg.Connection[Any],
    run_id: int,
    state: str,
    *,
    facts: dict[str, Any],
    differences: Sequence[dict[str, Any]],
) -> None:
    """Record the outcome, in the transaction that publishes; `facts` are added to the recorded ones."""
    connection.execute(
        "select billing.settle_run(%s, %s, %s, %s)", (run_id, state, Jsonb(facts), Jsonb(list(differences)))
    )


def supersede_earlier_tries(connection: psycopg.Connection[Any], run_id: int) -> None:
    """Mark as superseded the runs that earlier tries of the same task of the same DAG run have left open."""
    connection.execute("select billing.supersede_earlier_tries(%s)", (run_id,))


def record_findings(connection: psycopg.Connection[Any], run_id: int, findings: Sequence[Finding]) -> None:
    """Add what the validation found to the run's results."""
    connection.execute(
        "select billing.record_findings(%s, %s)", (run_id, Jsonb([asdict(finding) for finding in findings]))
    )


def note_facts(connection: psycopg.Connection[Any], run_id: int, facts: dict[str, Any]) -> None:
    """Add facts to the run's record."""
    connection.execute("select billing.note_run(%s, p_facts => %s)", (run_id, Jsonb(facts)))


def add_facts(connection: psycopg.Connection[Any], run_id: int, facts: dict[str, Any], warnings: Sequence[str]) -> None:
    """Add facts to the run's record and set its warnings."""
    connection.execute(
        "select billing.note_run(%s, p_facts => %s, p_warnings => %s)", (run_id, Jsonb(facts), Jsonb(list(warnings)))
    )


def record_tie_out(connection: psycopg.Connection[Any], period: str, run_id: int, part: str) -> tuple[int, list[str]]:
    """Have the warehouse count and keep a period's figures that must agree; returns how many, and the ids that don't.

    `part` is connector_statements, account_statements or payments. A check with the same figures as before is left
    alone, whichever run it came from.
    """
    checks = connection.execute("select * from billing.record_tie_out(%s, %s)", (run_id, part)).fetchall()
    not_ok = [check for check in checks if check[2] != check[4]]
    for check_id, left, left_value, right, right_value in not_ok:
        log.error("tie-out %s of %s: %s %s, but %s %s", check_id, period, left, left_value, right, right_value)
    return len(checks), [check[0] for check in not_ok]
