"""Bringing the local stack up and down, and looking at what runs."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from evbilling_local.ports import free_port
from evbilling_local.stack import airflow, databases
from evbilling_local.stack.console import step
from evbilling_local.stack.postgres import EmbeddedPostgres
from evbilling_local.stack.services import AIRFLOW, API_SERVER, MAIL_SINK, SANDBOX, sandbox_key_file, start, stop
from evbilling_local.stack.state import StackState, locked, stack_home, write_private

_POSTGRES = "postgres"
_DATABASES = {"airflow": "airflow", "platform": "platform", "warehouse": "postgres"}


@dataclass(frozen=True)
class ServiceStatus:
    """One process of the stack. `is_wanted`: the last `up` started it and no `down` came since."""

    name: str
    is_wanted: bool
    pid: int | None
    url: str
    log: Path


def postgres_of(state: StackState) -> EmbeddedPostgres:
    """The stack's Postgres, running or not."""
    return EmbeddedPostgres(
        state.home / "postgres", password=state.role_passwords["postgres"], port=state.postgres_port
    )


def bring_up(with_airflow: bool = True, broker_url: str | None = None) -> StackState:
    """Start everything of the stack that doesn't run, printing a line for each thing; returns its state.

    Without Airflow its metadata database is made all the same: `airflow dags test` needs no more.
    With a `broker_url` Celery workers run the tasks from now on, with an empty one the scheduler does; None changes
    nothing. Can be repeated. Raises `NotReady` if a service doesn't come up.
    """
    home = stack_home()
    with locked(home):
        state = StackState.load(home) or StackState.create(home)
        if broker_url is not None:
            airflow.choose_broker(state, broker_url)
        replaced = airflow.replaced_connections(os.environ)
        servers = [server for server in (SANDBOX, MAIL_SINK) if server.replaced_by not in replaced]
        names = [service.name for service in (*servers, *(AIRFLOW if with_airflow else ()))]
        state.wanted = sorted({*state.wanted, _POSTGRES, *names})
        if _start_postgres(state) and with_airflow:
            # What lost its database ends by itself, some seconds too late to be seen below; or it hangs.
            stop(state, AIRFLOW)
        _choose_ports(state)
        for server in servers:
            with step(server.name.replace("-", " ").capitalize(), "starting") as line:
                started = start(state, [server])
                line.result = f"{'running' if started else 'already running'} on {server.url(state)}"
        _prepare_airflow(state)
        if with_airflow:
            _start_airflow(state)
    return state


def take_down() -> bool:
    """Stop the stack, printing a line for each thing; False if there is no stack here."""
    home = stack_home()
    if StackState.load(home) is None:
        return False
    with locked(home):
        state = StackState.load(home)
        if state is None:
            return False
        state.wanted = []
        state.save()
        for title, services in (("Airflow", AIRFLOW), ("Sandbox", (SANDBOX,)), ("Mail sink", (MAIL_SINK,))):
            with step(title, "stopping") as line:
                stopped = stop(state, services)
                names = f" {', '.join(stopped)}" if len(services) > 1 else ""
                line.result = f"stopped{names}" if stopped else "wasn't running"
        with step("Postgres", "stopping") as line:
            server = postgres_of(state)
            line.result = "stopped" if server.is_running() else "wasn't running"
            server.stop()
    return True


def statuses(state: StackState) -> list[ServiceStatus]:
    """Every service of the stack as it is now."""
    server = postgres_of(state)
    pid = server.pid()
    postgres = ServiceStatus(_POSTGRES, _POSTGRES in state.wanted, pid, f"127.0.0.1:{server.port}", server.log)
    return [postgres] + [
        ServiceStatus(s.name, s.name in state.wanted, s.pid(state), s.url(state), s.log(state))
        for s in (SANDBOX, MAIL_SINK, *AIRFLOW)
    ]


def _start_postgres(state: StackState) -> bool:
    """Start Postgres with all databases; True if it wasn't running."""
    server = postgres_of(state)
    with step("Postgres", "starting") as line:
        was_running = server.is_running()
        server.start()
        state.postgres_port = server.port
        state.save()
        line.result = f"{'already running' if was_running else 'running'} on 127.0.0.1:{server.port}"
    with step("Databases", "making what is missing") as line:
        new = databases.make_databases(server.url(), state.role_passwords, _DATABASES)
        databases.make_platform_tables(state.url("platform"))
        line.result = f"made {', '.join(new)}" if new else "up to date"
    with step("Warehouse", "migrating") as line:
        applied = databases.migrate_warehouse(state.url("warehouse_admin"), state.role_passwords)
        line.result = f"migrated: {', '.join(applied)}" if applied else "up to date"
    return not was_running


def _choose_ports(state: StackState) -> None:
    """Keep the ports of the last start where they are free or in use by the stack's own services."""
    if SANDBOX.pid(state) is None:
        state.sandbox_port = free_port(state.sandbox_port)
    if MAIL_SINK.pid(state) is None:
        state.smtp_port, state.mail_port = free_port(state.smtp_port), free_port(state.mail_port)
    if API_SERVER.pid(state) is None:
        state.airflow_port = free_port(state.airflow_port)
    key = state.secrets.setdefault("sandbox_key", f"sk_test_{secrets.token_hex(16)}")
    write_private(sandbox_key_file(state), key)
    state.save()


def _prepare_airflow(state: StackState) -> None:
    airflow.write_files(state)
    if not airflow.is_migrated(state):
        with step("Airflow", "migrating its metadata database (about 10 s)") as line:
            line.result = f"metadata database migrated to {airflow.migrate_metadata(state)}"


def _start_airflow(state: StackState) -> None:
    with step("Airflow", "waiting until every component is healthy") as line:
        started = start(state, AIRFLOW, airflow.environment(state))
        airflow.wait_until_healthy(state)
        airflow.make_pools(state)
        line.result = f"healthy on {API_SERVER.url(state)}" + ("" if started else ", already running")
    with step("DAGs", "waiting until all are parsed") as line:
        problems = airflow.wait_until_parsed(state)
        line.result = "parsed" if not problems else "NOT all parsed:\n  " + "\n  ".join(problems)
