"""A worker is killed in the transactions of a month or its end, and at each commit; the next try puts it right.

The kill comes after a statement was sent and before its answer is read: the worker dies not knowing whether its commit
went through, which is the worst moment there is. Postgres may still be at work on it when the next try begins.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evbilling.account_statements import assemble
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.account_statements import validate as validate_accounts
from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    extract_inventory,
    issue_statements,
    open_run,
    plan_statements,
    validate,
)
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from tests.support.kills import is_killed, kill_in_wait, writing_waits
from tests.support.month import (
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
from tests.support.postgres import PostgresServer

pytestmark = [
    pytest.mark.postgres,
    # The child only runs the steps; it takes no lock that a thread of the parent could hold.
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]

Step = Callable[[Services, int], Any]

# In which the shortest step leaves something behind.
FEWEST_WAITS = 2

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
    reference: tuple[str, ...]


def _begin_end(services: Services) -> int:
    request = RunRequest(PERIOD, "account_statements", "manual", "ann")
    return int(assemble(services, request, now=NOW)["run_id"])


MONTH = Job(
    "month",
    "open_run",
    lambda services: int(open_run(services, request(), now=NOW)["run_id"]),
    {
        "extract_inventory": lambda services, run_id: extract_inventory(services, run_id, 0),
        "apply_scope_rules": lambda services, run_id: apply_scope_rules(services, run_id, 0),
        "validate": validate,
        "plan": plan_statements,
        "issue_statements": issue_statements,
        "close_run": close_run,
    },
    {"issue_statements", "close_run"},
    {0, 2},
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
    (
        STATEMENTS,
        "select statement_id, item_kind, item_id, total_amount, settled_amount from finance.account_statement_items"
        " order by 2, 3",
        "select account_id, reason_id, detail from finance.withheld_account_statements order by 1, 2",
        "select check_id, left_value, right_value, is_ok from finance.tie_out order by 1",
    ),
)


@dataclass(frozen=True)
class Place:
    """Where a job goes on: a step that is still to be done, in the run that the first one began."""

    step: str
    run_id: int = 0


def _do(job: Job, services: Services, begin: Place, end: str | None = None) -> int:
    """The steps from `begin` on, before `end` if that is given, as Airflow runs them; returns the id of their run."""
    names, run_id = [job.first, *job.steps], begin.run_id
    for name in names[names.index(begin.step) : names.index(end) if end else None]:
        if name == job.first:
            run_id = job.begin(services)
        else:
            job.steps[name](services, run_id)
    return run_id


def _do_step(job: Job, services: Services, place: Place) -> None:
    """The step alone."""
    if place.step == job.first:
        job.begin(services)
    else:
        job.steps[place.step](services, place.run_id)


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


class Copies:
    """Databases and folders in which a job has come to the same place: as many as are asked for."""

    def __init__(self, server: PostgresServer, job: Job, step: str, platform: Platform, folder: Path) -> None:
        self._server = server
        self._platform = platform
        self._folder = folder
        self._template = f"kills_{job.name}_{step}"
        server.create_database(self._template, template="warehouse_template")
        services = self._services(self._template)
        settle_terms(services.warehouse_url, terms("a", exclude_closed=True), terms("b"), terms("held"))
        if job is END:
            bill(services)
        self.place = Place(step, _do(job, services, Place(job.first), end=step))

    @contextmanager
    def copy(self, name: object) -> Generator[tuple[Services, str]]:
        """Services for one more try, and the URL by which all of its database is seen."""
        database = f"{self._template}_{name}"
        url = self._server.create_database(database, template=self._template)
        if (self._folder / self._template).exists():
            shutil.copytree(self._folder / self._template, self._folder / database)
        try:
            yield self._services(database), url
        finally:
            self._server.drop_database(database)

    def _services(self, name: str) -> Services:
        writer_url = self._server.url("evbilling_writer", name, password="test")
        return Services(self._platform.url, writer_url, str(self._folder / name))


def _seen(job: Job, finance_url: str) -> list[list[tuple[Any, ...]]]:
    return [rows(finance_url, query) for query in job.reference]


@pytest.mark.parametrize(
    ("job", "step"),
    [pytest.param(job, step, id=f"{job.name}-{step}") for job in (MONTH, END) for step in (job.first, *job.steps)],
)
def test_a_worker_killed_at_any_moment_loses_and_repeats_nothing(
    postgres: PostgresServer, platform: Platform, tmp_path: Path, job: Job, step: str, full: bool
) -> None:
    """However a try ends, the next one brings the job to the same figures, and leaves nothing in staging.

    A further run writes 0 rows, also after a kill while publishing commits. With `--full` every wait is tried, of
    which those between two commits leave the same state.
    """
    copies = Copies(postgres, job, step, platform, tmp_path)
    with copies.copy("reference") as (services, admin_url):
        _do(job, services, copies.place)
        expected = _seen(job, admin_url)
    assert len(expected[0]) == max(job.statements)
    with copies.copy("found") as (services, _):
        waits = writing_waits(partial(_do_step, job, services, copies.place))
    assert len(waits) >= FEWEST_WAITS

    for number in range(1, 1000) if full else waits:
        with copies.copy(number) as (services, admin_url):

            def killed(services: Services = services, number: int = number) -> None:
                kill_in_wait(number)
                _do_step(job, services, copies.place)

            if not is_killed(killed):
                assert full, "a wait less than before"
                break
            assert len(rows(admin_url, STATEMENTS)) in job.statements, f"half of it after a kill in wait {number}"

            _do(job, services, copies.place)
            assert _seen(job, admin_url) == expected, f"another result after a kill in wait {number}"
            assert staging_tables(admin_url) == [], f"left in staging after a kill in wait {number}"
            # Only where the month may have been published without anybody knowing: at the last commit.
            if step in job.publishing and (full or number == waits[-1]):
                before = contents(admin_url, leave_out=OF_THE_RUN_ITSELF)
                _do(job, services, Place(job.first))
                assert contents(admin_url, leave_out=OF_THE_RUN_ITSELF) == before
