"""A month on two Celery workers, its evidence in a bucket, one worker killed in the middle: the bytes of LocalExecutor.

The other month is billed by the stack of the other tests, on the same made-up platform.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from evbilling.platform import parts_for
from tests.support.celery_worker import Worker
from tests.support.object_store import ObjectStore
from tests.support.redis_server import running_redis
from tests.support.stack import CONNECTOR_STATEMENTS, PATIENCE, PLATFORM, Stack, command, path

pytestmark = [pytest.mark.e2e, pytest.mark.full]

PERIOD = "2026-03"
SHARDS = 16
PARTS = parts_for(SHARDS)
# A worker that is silent for so long is taken for dead. As short as a busy machine allows.
TIMINGS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}

# Finance's view of a month, without what depends on when it was billed and what was paid since.
FIGURES = {
    "statements": """select statement_id, kind, account_id, account_name, financial_admin_id, statement_date, currency,
        connector_count, net_amount, tax_amount, total_amount from finance.statements where period = %s
        and kind = 'connector'""",
    "lines": "select * from finance.statement_lines where period = %s",
    "decisions": "select * from finance.connector_decisions where period = %s",
    "unbilled": "select * from finance.unbilled_accounts where period = %s",
}

# A gate in the warehouse: whoever is about to do this waits while the test holds the number.
EXTRACTED, DECIDED = 4001, 4002
GATES = f"""
    create function public.wait_at_gate() returns trigger language plpgsql security definer as
    $$ begin perform pg_advisory_xact_lock_shared(tg_argv[0]::bigint); return new; end $$;
    create trigger extracted before insert on billing.run_shard
        for each row execute function public.wait_at_gate({EXTRACTED});
    create trigger decided before update of profile on billing.run_shard
        for each row execute function public.wait_at_gate({DECIDED});
"""


class Spread:
    """A stack whose tasks run on workers."""

    def __init__(self, stack: Stack, workers: list[Worker]) -> None:
        self.stack = stack
        self.workers = {worker.name: worker for worker in workers}

    @contextlib.contextmanager
    def closed(self, gate: int) -> Generator[None]:
        """The gate, closed for as long as the block runs."""
        with psycopg.connect(self.stack.state.role_url("postgres", "warehouse"), autocommit=True) as holder:
            holder.execute("select pg_advisory_lock(%s)", (gate,))
            yield

    def running(self, run_id: str, task_id: str) -> dict[str, int]:
        """The map index of the part that each worker has under way, by the worker's name."""
        return {ti["hostname"]: ti["map_index"] for ti in self.parts(run_id, task_id) if ti["state"] == "running"}

    def parts(self, run_id: str, task_id: str) -> list[dict[str, Any]]:
        url = f"{path(CONNECTOR_STATEMENTS)}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = self.stack.api.get(url, task_id=task_id, limit=100)["task_instances"]
        return [ti for ti in found if ti["map_index"] >= 0]

    def tries(self, run_id: str, task_id: str, map_index: int) -> list[dict[str, Any]]:
        url = f"{path(CONNECTOR_STATEMENTS)}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/tries"
        found: list[dict[str, Any]] = self.stack.api.get(url)["task_instances"]
        return sorted(found, key=itemgetter("try_number"))

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                said = "\n".join(f"{name}:\n{worker.log()}" for name, worker in self.workers.items())
                pytest.fail(f"after {PATIENCE:.0f} s {what}; the workers say\n{said}")
            time.sleep(0.3)


@pytest.fixture(scope="module")
def bucket(object_store: ObjectStore) -> str:
    return object_store.new_bucket()


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory, object_store: ObjectStore, bucket: str) -> Iterator[Spread]:
    """A stack on CeleryExecutor with the platform of the other one, two workers and evidence in a bucket."""
    folder = tmp_path_factory.mktemp("workers")
    home = folder / "home"
    given = TIMINGS | {"AIRFLOW_CONN_EVIDENCE": json.dumps(object_store.connection(f"{bucket}/evidence"))}
    workers: list[Worker] = []
    with running_redis() as broker:
        try:
            command(home, "up", "--broker", broker, given=given)
            command(home, "platform", "sample", *PLATFORM)
            stack = Stack(home, given)
            stack.unpause(CONNECTOR_STATEMENTS)
            stack.admin("warehouse", GATES)
            workers.extend(Worker(name, folder / name, stack.environment()) for name in ("worker-a", "worker-b"))
            yield Spread(stack, workers)
            stack.api.close()
        finally:
            for worker in workers:
                worker.stop()
            command(home, "down", timeout=120)


def month(stack: Stack) -> dict[str, list[tuple[Any, ...]]]:
    """What finance sees of the month, in order."""
    return {name: sorted(stack.finance(query, PERIOD), key=str) for name, query in FIGURES.items()}


def evidence(stack: Stack, read: Callable[[str], bytes]) -> dict[str, tuple[str, bytes]]:
    """Hash and bytes of all that was registered as evidence of the month's run, by its place in the run's folder."""
    kept = stack.admin(
        "warehouse",
        """with issued as (select * from billing.run where period = %s and state = 'issued')
           select run_id, accounts_uri, accounts_sha256 from issued
           union all select run_id, inventory_uri, inventory_sha256 from billing.run_shard join issued using (run_id)
           union all select run_id, summary_uri, summary_sha256 from billing.run_shard join issued using (run_id)""",
        PERIOD,
    )
    return {uri.partition(f"run-{run_id}/")[2]: (sha256, read(uri)) for run_id, uri, sha256 in kept}


def test_a_month_outlives_one_of_its_workers(
    stack: Stack, spread: Spread, object_store: ObjectStore, bucket: str
) -> None:
    """Both workers bill; one dies with a part in its hands; the other ends the month, as LocalExecutor would have."""
    ((connectors,),) = stack.admin("platform", "select count(*) from platform.connector")
    asked = {"partition_key": PERIOD, "conf": {"shard_rows": connectors // SHARDS + 1}}
    over, begun = ["success"] * PARTS, "two-workers"

    with spread.closed(DECIDED):
        with spread.closed(EXTRACTED):
            spread.stack.trigger(begun, **asked)
            spread.wait(
                lambda: spread.running(begun, "extract_inventory").keys() == {"worker-a", "worker-b"},
                "the workers don't extract side by side",
            )
        spread.wait(
            lambda: spread.running(begun, "apply_scope_rules").keys() == {"worker-a", "worker-b"},
            "the workers don't decide side by side",
        )
        lost = spread.running(begun, "apply_scope_rules")["worker-b"]
        spread.workers["worker-b"].kill()
        assert spread.workers["worker-b"].processes() == []
    # Until its silence is noticed there is time for the month on one machine.
    alone = stack.trigger("one-machine", **asked)
    assert spread.stack.finish(begun) == "success"
    assert stack.finish(alone) == "success"

    extracted = spread.parts(begun, "extract_inventory")
    assert [ti["state"] for ti in extracted] == over
    assert {ti["hostname"] for ti in extracted} == {"worker-a", "worker-b"}
    decided = spread.parts(begun, "apply_scope_rules")
    assert [ti["state"] for ti in decided] == over
    assert {ti["hostname"] for ti in decided} == {"worker-a"}
    assert [ti["hostname"] for ti in spread.tries(begun, "apply_scope_rules", lost)] == ["worker-b", "worker-a"]

    expected = month(stack)
    assert len(expected["statements"]) > 20
    assert month(spread.stack) == expected
    checks = spread.stack.finance("select check_id, is_ok from finance.tie_out where period = %s", PERIOD)
    assert checks
    assert [check for check, is_ok in checks if not is_ok] == []

    folder = stack.state.home / "evidence"
    in_folder = evidence(stack, lambda uri: (folder / uri).read_bytes())
    assert len(in_folder) == 1 + 2 * SHARDS
    assert evidence(spread.stack, lambda uri: object_store.read(f"{bucket}/evidence/{uri}")) == in_folder
    # Nothing of it lies on a disk of the stack or its workers, and nobody was told the key.
    assert not any((spread.stack.state.home / "evidence").iterdir())
    secrets = (object_store.secret, quote(object_store.secret, safe=""))
    said = {file: file.read_text(encoding="utf-8", errors="replace") for file in written_by(spread)}
    assert [file for file, text in said.items() if any(secret in text for secret in secrets)] == []


def written_by(spread: Spread) -> list[Path]:
    """Every log of the stack's components, its workers and their tasks."""
    folders = [spread.stack.state.home, *(worker.folder for worker in spread.workers.values())]
    logs = [file for folder in folders for file in folder.rglob("*.log")]
    assert len([file for file in logs if "task-logs" in file.parts]) > 2 * PARTS
    return logs
