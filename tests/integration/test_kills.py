"""A worker is killed at every moment of a month at which it waits for the warehouse; the task's next try makes it good.

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
from pathlib import Path
from typing import Any

import psycopg
import pytest
from month_helpers import (
    NOW,
    OF_THE_RUN_ITSELF,
    Platform,
    bill,
    contents,
    request,
    rows,
    settle_terms,
    staging_tables,
    terms,
)

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

STEPS: dict[str, Callable[[Services, int], Any]] = {
    "extract_inventory": lambda services, run_id: extract_inventory(services, run_id, 0),
    "apply_scope_rules": lambda services, run_id: apply_scope_rules(services, run_id, 0),
    "validate": validate,
    "issue_statements": issue_statements,
    "close_run": close_run,
}
STATEMENTS = """
select statement_id, account_id, connector_count, net_amount, tax_amount, total_amount, currency
from finance.statements order by statement_id
"""
# What every month must come to, whatever happened on the way.
REFERENCE = (
    STATEMENTS,
    "select account_id, charger_id, connector_id, rule_id, statement_id from finance.connector_decisions order by 2, 3",
    "select account_id, reason_id, expected_amount from finance.unbilled_accounts order by 1, 2",
    "select check_id, left_value, right_value, is_ok from finance.tie_out order by 1",
)


def _month(services: Services, progress: Path, begin: str = "open_run", run_id: int = 0) -> None:
    """All steps from `begin` on, as Airflow runs them; notes each before it starts."""
    names = ["open_run", *STEPS]
    for name in names[names.index(begin) :]:
        progress.write_text(json.dumps([name, run_id]), encoding="utf-8")
        if name == "open_run":
            run_id = open_run(services, request(), now=NOW)["run_id"]
        else:
            STEPS[name](services, run_id)


def _month_until_killed(services: Services, progress: Path, wait_number: int) -> None:
    """A month that ends by SIGKILL in its `wait_number`-th wait for Postgres, once the request is out."""
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
    _month(services, progress)


def _seen(finance_url: str) -> list[list[tuple[Any, ...]]]:
    return [rows(finance_url, query) for query in REFERENCE]


@pytest.fixture
def platform(platform_db: str) -> Platform:
    """Two accounts in good order, one with an excluded charger, one at fault."""
    platform = Platform(platform_db)
    for name in ("a", "b", "held"):
        platform.plain_account(name, connectors=3)
    platform.station("closed", "a", "Closed", connectors=2)
    platform.station("odd", "held", "Somewhere")
    platform.save()
    return platform


def _warehouse(server: EmbeddedPostgres, name: str, platform: Platform, folder: Path) -> tuple[Services, str]:
    admin_url = server.create_database(name, template="warehouse_template")
    writer_url = server.url("evbilling_writer", name, password="test")
    settle_terms(writer_url, terms("a", exclude_closed=True), terms("b"), terms("held"))
    return Services(platform.url, writer_url, str(folder / name)), admin_url


def test_a_worker_killed_at_any_moment_loses_and_repeats_nothing(
    postgres: EmbeddedPostgres, platform: Platform, tmp_path: Path
) -> None:
    """However a try ends, the next one brings the month to the same figures, and leaves nothing in staging.

    A further run writes 0 rows, also after a kill in the midst of publishing.
    """
    services, admin_url = _warehouse(postgres, "kills_reference", platform, tmp_path)
    bill(services)
    expected = _seen(admin_url)
    assert len(expected[0]) == 2

    context = multiprocessing.get_context("fork")
    killed_in: dict[str, int] = {}
    for wait_number in range(1, 1000):
        services, admin_url = _warehouse(postgres, f"kills_{wait_number}", platform, tmp_path)
        progress = tmp_path / f"progress-{wait_number}"
        worker = context.Process(target=_month_until_killed, args=(services, progress, wait_number))
        worker.start()
        worker.join(60)
        if worker.exitcode == 0:
            break
        assert worker.exitcode == -signal.SIGKILL
        step, run_id = json.loads(progress.read_text(encoding="utf-8"))
        killed_in[step] = killed_in.get(step, 0) + 1
        assert len(rows(admin_url, STATEMENTS)) in {0, 2}, f"half a month after a kill in {step} ({wait_number})"

        _month(services, progress, step, run_id)
        assert _seen(admin_url) == expected, f"another result after a kill in {step} ({wait_number})"
        assert staging_tables(admin_url) == [], f"left in staging after a kill in {step} ({wait_number})"
        if step in {"issue_statements", "close_run"}:
            before = contents(admin_url, leave_out=OF_THE_RUN_ITSELF)
            assert bill(services).issued["outcome"] == "unchanged"
            assert contents(admin_url, leave_out=OF_THE_RUN_ITSELF) == before
        postgres.drop_database(f"kills_{wait_number}")

    assert set(killed_in) == {"open_run", *STEPS}, killed_in
    assert sum(killed_in.values()) > 30
