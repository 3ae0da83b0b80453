"""A worker is killed at each moment of a month or its end at which it waits for the warehouse; the next try mends it.

The kill comes after a statement was sent and before its answer is read: the worker dies not knowing whether its commit
went through, which is the worst moment there is. Postgres may still be at work on it when the next try begins.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from month_helpers import (
    NOW,
    OF_THE_RUN_ITSELF,
    PERIOD,
    Platform,
    bill,
    contents,
    request,
    rows,
    settle_terms,
    staging_tables,
    terms,
)

from evbilling.accounts.assembling import AccountRunRequest, assemble
from evbilling.accounts.checking import validate as validate_accounts
from evbilling.accounts.closing import close_account_run
from evbilling.accounts.issuing import issue_account_statements
from evbilling.stack.postgres import EmbeddedPostgres
from evbilling.statements.closing import close_run
from evbilling.statements.decisions import apply_scope_rules
from evbilling.statements.extraction import extract_inventory
from evbilling.statements.issuing import issue_statements
from evbilling.statements.opening import open_run
from evbilling.statements.services import Services
from evbilling.statements.validation import validate

pytestmark = [
    pytest.mark.postgres,
    # The child only runs the steps; it takes no lock that a thread of the parent could hold.
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]

Step = Callable[[Services, int], Any]

STATEMENTS = """
select statement_id, account_id, connector_count, net_amount, tax_amount, total_amount, currency
from finance.statements order by statement_id
"""


@dataclass(frozen=True)
class Job:
    """What is done in steps: its first gives the run's id to the others. `reference`: what it must always come to."""

    name: str
    first: str
    begin: Callable[[Services], int]
    steps: dict[str, Step]
    publishing: set[str]
    statements: set[int]
    fewest_waits: int
    reference: tuple[str, ...]


def _begin_end(services: Services) -> int:
    request = AccountRunRequest(PERIOD, "account_statements", "manual", "ann")
    return int(assemble(services, request, now=NOW)["run_id"])


MONTH = Job(
    "month",
    "open_run",
    lambda services: int(open_run(services, request(), now=NOW)["run_id"]),
    {
        "extract_inventory": lambda services, run_id: extract_inventory(services, run_id, 0),
        "apply_scope_rules": lambda services, run_id: apply_scope_rules(services, run_id, 0),
        "validate": validate,
        "issue_statements": issue_statements,
        "close_run": close_run,
    },
    {"issue_statements", "close_run"},
    {0, 2},
    30,
    (
        STATEMENTS,
        "select account_id, charger_id, connector_id, rule_id, statement_id from finance.connector_decisions"
        " order by 2, 3",
        "select account_id, reason_id, expected_amount from finance.unbilled_accounts order by 1, 2",
        "select check_id, left_value, right_value, is_ok from finance.tie_out order by 1",
        "select kind, statement_id, debit_account, credit_account, amount from finance.ledger order by 2, 1",
    ),
)
END = Job(
    "end",
    "assemble",
    _begin_end,
    {
        "validate": validate_accounts,
        "issue_statements": issue_account_statements,
        "close_run": close_account_run,
    },
    {"issue_statements", "close_run"},
    {2, 4},
    20,
    (
        STATEMENTS,
        "select statement_id, item_kind, item_id, total_amount, settled_amount from finance.account_statement_items"
        " order by 2, 3",
        "select account_id, reason_id, detail from finance.withheld_account_statements order by 1, 2",
        "select check_id, left_value, right_value, is_ok from finance.tie_out order by 1",
    ),
)


def _do(job: Job, services: Services, progress: Path, begin: str | None = None, run_id: int = 0) -> None:
    """All steps from `begin` on, as Airflow runs them; notes each before it starts."""
    names = [job.first, *job.steps]
    for name in names[names.index(begin or job.first) :]:
        progress.write_text(json.dumps([name, run_id]), encoding="utf-8")
        if name == job.first:
            run_id = job.begin(services)
        else:
            job.steps[name](services, run_id)


def _do_until_killed(job: Job, services: Services, progress: Path, wait_number: int) -> None:
    """The job, ended by SIGKILL in its `wait_number`-th wait for Postgres, once the request is out."""
    waits = 0
    real_wait = psycopg.Connection.wait

    def wait(connection: Any, generator: Any, *args: Any, **options: Any) -> Any:
        nonlocal waits
        waits += 1
        if waits == wait_number:
            next(generator, None)
            time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return real_wait(connection, generator, *args, **options)

    psycopg.Connection.wait = wait  # type: ignore[method-assign]
    _do(job, services, progress)


@pytest.fixture
def platform(platform_db: str) -> Platform:
    """Two accounts in good order, one with an excluded charger, one at fault."""
    platform = Platform(platform_db)
    for name in ("a", "b", "held"):
        platform.plain_account(name, connectors=3)
    platform.station("closed", "a", "Closed", connectors=2)
    platform.station("odd", "held", "Somewhere")
    platform.save()
    platform.execute(
        """insert into platform.account_charge values
           ('c1', 'a', 'fa-a', 'roaming', 'Roaming', '2026-11-09T10:00:00Z', 10.00, 1.90, 'EUR', 5.00),
           ('c2', 'b', 'fa-b', 'support', 'Support', '2026-11-10T10:00:00Z', 20.00, 3.80, 'EUR', 23.80)"""
    )
    return platform


def _prepared(server: EmbeddedPostgres, job: Job, platform: Platform, folder: Path) -> str:
    """The name of a database in which the job can begin."""
    name = f"kills_{job.name}_template"
    server.create_database(name, template="warehouse_template")
    services = _services(server, name, platform, folder)
    settle_terms(services.warehouse_url, terms("a", exclude_closed=True), terms("b"), terms("held"))
    if job is END:
        bill(services)
    return name


def _services(server: EmbeddedPostgres, name: str, platform: Platform, folder: Path) -> Services:
    return Services(platform.url, server.url("evbilling_writer", name, password="test"), str(folder / name))


def _seen(job: Job, finance_url: str) -> list[list[tuple[Any, ...]]]:
    return [rows(finance_url, query) for query in job.reference]


@pytest.mark.parametrize("job", [MONTH, END], ids=lambda job: job.name)
def test_a_worker_killed_at_any_moment_loses_and_repeats_nothing(
    postgres: EmbeddedPostgres, platform: Platform, tmp_path: Path, job: Job
) -> None:
    """However a try ends, the next one brings the job to the same figures, and leaves nothing in staging.

    A further run writes 0 rows, also after a kill in the midst of publishing.
    """
    template = _prepared(postgres, job, platform, tmp_path)
    admin_url = postgres.create_database(f"kills_{job.name}_reference", template=template)
    _do(job, _services(postgres, f"kills_{job.name}_reference", platform, tmp_path), tmp_path / "progress")
    expected = _seen(job, admin_url)
    assert len(expected[0]) == max(job.statements)

    context = multiprocessing.get_context("fork")
    killed_in: dict[str, int] = {}
    for wait_number in range(1, 1000):
        name = f"kills_{job.name}_{wait_number}"
        admin_url = postgres.create_database(name, template=template)
        services = _services(postgres, name, platform, tmp_path)
        progress = tmp_path / f"progress-{wait_number}"
        worker = context.Process(target=_do_until_killed, args=(job, services, progress, wait_number))
        worker.start()
        worker.join(60)
        if worker.exitcode == 0:
            break
        assert worker.exitcode == -signal.SIGKILL
        step, run_id = json.loads(progress.read_text(encoding="utf-8"))
        killed_in[step] = killed_in.get(step, 0) + 1
        assert len(rows(admin_url, STATEMENTS)) in job.statements, f"half of it after a kill in {step} ({wait_number})"

        _do(job, services, progress, step, run_id)
        assert _seen(job, admin_url) == expected, f"another result after a kill in {step} ({wait_number})"
        assert staging_tables(admin_url) == [], f"left in staging after a kill in {step} ({wait_number})"
        if step in job.publishing:
            before = contents(admin_url, leave_out=OF_THE_RUN_ITSELF)
            _do(job, services, progress)
            assert contents(admin_url, leave_out=OF_THE_RUN_ITSELF) == before
        postgres.drop_database(name)

    assert set(killed_in) == {job.first, *job.steps}, killed_in
    assert sum(killed_in.values()) > job.fewest_waits
