"""Bringing the local stack up and down, and looking at what runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from evbilling_local.stack import airflow, databases, gateway, mail, workers
from evbilling_local.stack.console import step
from evbilling_local.stack.gateway import SANDBOX
from evbilling_local.stack.home import stack_home
from evbilling_local.stack.mail import SINK
from evbilling_local.stack.ports import free_port
from evbilling_local.stack.postgres import EmbeddedPostgres
from evbilling_local.stack.state import StackState, only_one

POSTGRES = "postgres"


@dataclass(frozen=True)
class PartStatus:
    """One part of the stack. `is_wanted`: the last `up` started it and no `down` came since."""

    name: str
    is_wanted: bool
    pid: int | None
    where: str
    log: Path


def postgres_of(state: StackState) -> EmbeddedPostgres:
    """The stack's Postgres, running or not."""
    return EmbeddedPostgres(
        state.home / "postgres", password=state.role_passwords["postgres"], port=state.postgres_port
    )


def bring_up(with_airflow: bool = True, broker_url: str | None = None) -> StackState:
    """Start whatever of the stack doesn't run, printing a line for each thing; returns its state.

    `broker_url` lets Celery workers run the tasks from now on, an empty one the scheduler itself; None leaves it as it
    is. Safe to repeat. Raises `NotReady` if a part doesn't come up.
    """
    home = stack_home()
    with only_one(home):
        state = StackState.load(home) or StackState.create(home)
        if broker_url is not None:
            workers.choose_broker(state, broker_url)
        own = airflow.replaced_connections(os.environ)
        parts = [POSTGRES, *(server.name for server in (SANDBOX, SINK) if server.replaced_by not in own)]
        state.wanted = sorted({*state.wanted, *parts, *(airflow.COMPONENTS if with_airflow else ())})
        _bring_up_postgres(state)
        if SANDBOX.name in parts:
            _bring_up_sandbox(state)
        if SINK.name in parts:
            _bring_up_sink(state)
        if with_airflow:
            _bring_up_airflow(state)
    return state


def take_down() -> bool:
    """Stop the stack, printing a line for each thing; False if there is no stack here."""
    home = stack_home()
    if StackState.load(home) is None:
        return False
    with only_one(home):
        state = StackState.load(home)
        if state is None:
            return False
        state.wanted = []
        state.save()
        with step("Airflow", "stopping") as line:
            stopped = airflow.stop_components(state)
            line.result = f"stopped {', '.join(stopped)}" if stopped else "wasn't running"
        with step("Sandbox", "stopping") as line:
            line.result = "stopped" if SANDBOX.stop(state) else "wasn't running"
        with step("Mail sink", "stopping") as line:
            line.result = "stopped" if SINK.stop(state) else "wasn't running"
        with step("Postgres", "stopping") as line:
            server = postgres_of(state)
            line.result = "stopped" if server.is_running() else "wasn't running"
            server.stop()
    return True


def look(state: StackState) -> list[PartStatus]:
    """Every part of the stack as it is now."""
    server = postgres_of(state)
    pid = server.pid()
    parts = [PartStatus(POSTGRES, POSTGRES in state.wanted, pid, f"127.0.0.1:{server.port}", server.log)]
    for embedded, where in ((SANDBOX, gateway.url(state)), (SINK, mail.url(state))):
        record = embedded.record(state)
        pid = record.pid if record and record.is_alive() else None
        parts.append(PartStatus(embedded.name, embedded.name in state.wanted, pid, where, embedded.log_file(state)))
    for name in airflow.COMPONENTS:
        record = airflow.component_record(state, name)
        parts.append(
            PartStatus(
                name,
                name in state.wanted,
                record.pid if record and record.is_alive() else None,
                airflow.base_url(state) if name == "api-server" else "",
                airflow.log_file(state, name),
            )
        )
    return parts


def _bring_up_postgres(state: StackState) -> None:
    server = postgres_of(state)
    with step("Postgres", "starting") as line:
        was_running = server.is_running()
        server.start()
        state.postgres_port = server.port
        state.save()
        line.result = f"{'already running' if was_running else 'running'} on 127.0.0.1:{server.port}"
    with step("Databases", "making what is missing") as line:
        new = databases.make_databases(server, state)
        databases.make_platform_tables(state.url("platform"))
        line.result = f"made {', '.join(new)}" if new else "all there"
    with step("Warehouse", "migrating") as line:
        applied = databases.migrate_warehouse(server, state)
        line.result = f"migrated: {', '.join(applied)}" if applied else "up to date"


def _bring_up_sandbox(state: StackState) -> None:
    with step("Sandbox", "starting") as line:
        gateway.prepare(state)
        started = SANDBOX.start(state)
        line.result = f"{'running' if started else 'already running'} on {gateway.url(state)}"


def _bring_up_sink(state: StackState) -> None:
    with step("Mail sink", "starting") as line:
        mail.prepare(state)
        started = SINK.start(state)
        line.result = f"{'running' if started else 'already running'}, shows what came on {mail.url(state)}"


def _bring_up_airflow(state: StackState) -> None:
    if not airflow.is_running(state, "api-server"):
        state.airflow_port = free_port(state.airflow_port)
        state.save()
    airflow.write_files(state)
    if not databases.airflow_is_migrated(state, airflow.installed_version()):
        with step("Airflow", "migrating its metadata database (about 10 s)") as line:
            airflow.migrate_metadata(state)
            line.result = f"metadata database migrated to {airflow.installed_version()}"
    with step("Airflow", "waiting until every component is healthy") as line:
        started = airflow.start_components(state)
        airflow.wait_until_healthy(state)
        airflow.make_pools(state)
        line.result = f"healthy on {airflow.base_url(state)}" + ("" if started else ", already running")
    with step("DAGs", "waiting until all are parsed") as line:
        problems = airflow.wait_until_parsed(state)
        line.result = "parsed" if not problems else "NOT all parsed:\n  " + "\n  ".join(problems)
