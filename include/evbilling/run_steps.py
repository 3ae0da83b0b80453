"""What the steps of both monthly DAGs share: the request, the run's record, its findings, publishing once, closing."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg

from evbilling import __version__
from evbilling.errors import BadInput, EvbillingError, StaleTry
from evbilling.expectations import stop_if_critical, validation_page
from evbilling.findings import Finding
from evbilling.period import Period
from evbilling.services import Services
from evbilling.typed_text import require_text
from evbilling.warehouse import require_newest_schema, runs, select_value
from evbilling.warehouse.runs import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Who asks for which period. `deliver`: whether its statements are mailed (auto, yes, no).

    The limits say how far the inventory may be off before a run of connector statements stops. `dag_id` is the kind of
    run, `airflow_dag_id` the DAG, if it is another: a person has asked for the month then, for a `reason`, and maybe
    for what these `account_ids` are missing alone. `expected`: the totals by account that were decided on, in major
    units; `plan_hash`: the plan that was; with others nothing is issued. `dry_run`: it is planned only.
    """

    period: Period
    dag_id: str
    airflow_run_id: str
    actor: str
    deliver: str = "auto"
    max_count_change_percent: float = 25.0
    max_orphan_connectors: int = 0
    airflow_dag_id: str | None = None
    account_ids: tuple[str, ...] | None = None
    reason: str | None = None
    expected: Mapping[str, str] | None = None
    plan_hash: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        # No change is larger than NaN, which JSON lets through.
        if not (0 <= self.max_count_change_percent < math.inf):
            raise BadInput(
                f"max_count_change_percent is {self.max_count_change_percent}",
                where="this DAG run",
                fix="give a number of 0 or more",
            )
        if self.airflow_dag_id:
            require_text("reason", self.reason or "", "this DAG run", missing="say why: it is kept in the audit")

    @property
    def order(self) -> dict[str, Any]:
        """What a person has asked for and decided on, for the run's record."""
        asked = {"reason": self.reason, "expected": self.expected, "plan_hash": self.plan_hash, "dry_run": self.dry_run}
        return {name: value for name, value in asked.items() if value not in (None, False)}


@dataclass(frozen=True, slots=True)
class Validated:
    """What a validation found: its findings, what they are about ("3 accounts"), facts to add to the run's record."""

    findings: Sequence[Finding]
    subject: str
    facts: dict[str, Any]


def insert_run(connection: psycopg.Connection[Any], request: RunRequest) -> int:
    """Record that a run begins; returns its id. Raises `NotReady` if the warehouse is behind its migrations."""
    require_newest_schema(connection)
    who = (request.dag_id, request.airflow_run_id, str(request.period), request.actor, __version__, request.deliver)
    accounts = None if request.account_ids is None else sorted(set(request.account_ids))
    opened = "select billing.open_run(%s, %s, %s, %s, %s, %s, %s, %s)"
    return int(select_value(connection, opened, *who, accounts, request.airflow_dag_id))


@contextmanager
def running(services: Services, run_id: int) -> Generator[Run, None, None]:
    """The run's record, for one step. An error in the block is recorded as the run's failure, then raised again."""
    try:
        yield _get_run(services, run_id)
    except Exception as error:
        try:
            with services.warehouse() as connection:
                runs.mark_failed(connection, run_id, str(error))
        except EvbillingError:
            pass  # The warehouse is what fails, and the error says so.
        raise


def _get_run(services: Services, run_id: int) -> Run:
    with services.warehouse() as connection:
        return runs.get_run(connection, run_id)


def skip_settled(run: Run) -> bool:
    """True, and logged, if the run has its outcome: its evidence and decisions are final, so the step does nothing."""
    if run.is_settled:
        log.info(
            "0 rows written: run %s of %s is finished (%s); to read the inventory again, clear open_run too or trigger"
            " the period again",
            run.run_id,
            run.period,
            run.state,
        )
    return run.is_settled


def evidence_folder(period: str, run_id: int) -> str:
    """The folder of a run's evidence in the store."""
    return f"{period}/run-{run_id}"


def accounts_of(services: Services, run: Run) -> pd.DataFrame:
    """The accounts of a run of connector statements, as `evbilling.scope.billed_accounts` found them at its opening."""
    return services.evidence.get_table(run.accounts_uri, run.accounts_sha256).to_pandas()  # type: ignore[no-any-return]


def validate_run(services: Services, run_id: int, validate: Callable[[Services, Run], Validated]) -> dict[str, Any]:
    """Keep what `validate` finds, and its page; returns {"expectations", "warnings", "page"}.

    Raises `SetFault` that names every critical failure, after all are recorded: nothing is published then.
    """
    with running(services, run_id) as run:
        if skip_settled(run):
            return {"expectations": 0, "warnings": 0, "page": run.facts.get("validation_page")}
        validated = validate(services, run)
        findings = validated.findings
        html = validation_page(run.period, run_id, findings)
        page = services.evidence.put_text(evidence_folder(run.period, run_id), "validation", "html", html)
        warnings = [finding.sentence() for finding in findings if not finding.success and not finding.is_stopping]
        facts = {**validated.facts, "validation_page": page.key, "validation_sha256": page.sha256}
        with services.warehouse() as connection:
            runs.record_findings(connection, run_id, findings)
            runs.add_facts(connection, run_id, facts, warnings)
        stop_if_critical(findings, run.period)
    for warning in warnings:
        log.warning(warning)
    log.info("%s expectations on %s checked, %s warnings", len(findings), validated.subject, len(warnings))
    return {"expectations": len(findings), "warnings": len(warnings), "page": page.key}


def publish_run(
    services: Services, run_id: int, publish: Callable[[Services, Run], dict[str, Any]], counts: Sequence[str]
) -> dict[str, Any]:
    """Publish a run that has no outcome yet; returns {"outcome", ...} with a number for each of `counts`.

    `publish` raises `StaleTry` where a newer run has taken over: nothing is written, and the outcome is `superseded`.
    """
    nothing = dict.fromkeys(counts, 0)
    with running(services, run_id) as run:
        if skip_settled(run):
            return {"outcome": run.state, **nothing}
        try:
            return publish(services, run)
        except StaleTry as stale:
            with services.warehouse() as connection:
                runs.mark_superseded(connection, run_id)
            log.warning("run %s writes nothing: a newer run of %s took over (%s)", run_id, run.period, stale.what)
            return {"outcome": "superseded", **nothing}


def keeps_tie_out(connection: psycopg.Connection[Any], run: Run, dag_id: str) -> bool:
    """True if `run` is the period's newest run of the DAG that published or found nothing to publish."""
    latest = runs.latest_settled_run(connection, run.period, dag_id)
    return latest is not None and latest.run_id == run.run_id


def close_run(connection: psycopg.Connection[Any], run: Run, part: str | None) -> dict[str, Any]:
    """Keep this part of the period's tie-out (None: leave it alone) and mark the run closed.

    Returns {"outcome", "checks", "not_ok"}: `checks` is their number, `not_ok` the ids of those that don't agree.
    """
    checks, not_ok = runs.record_tie_out(connection, run.period, run.run_id, part) if part else (0, [])
    connection.execute("select billing.close_run(%s)", (run.run_id,))
    log.info(
        "run %s of %s closed (%s): %s tie-out checks, %s not ok",
        run.run_id,
        run.period,
        run.state,
        checks,
        len(not_ok),
    )
    return {"outcome": run.state, "checks": checks, "not_ok": not_ok}
