"""Airflow on the local stack, run as subprocesses: environment, metadata database, four components."""

from __future__ import annotations

import json
import os
import subprocess  # argument lists of our own only
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evbilling.errors import BadInput, NotReady, TransientError
from evbilling_local.stack import gateway, mail
from evbilling_local.stack.api import AirflowApi
from evbilling_local.stack.home import REPO_ROOT
from evbilling_local.stack.ports import LOOPBACK
from evbilling_local.stack.processes import ProcessRecord, fingerprint, read_record, start_process, stop_processes
from evbilling_local.stack.state import AIRFLOW_USERS, StackState, write_private
from evbilling_local.stack.workers import executor_settings

# In the order in which they stop: nothing new is started while the rest still answers.
COMPONENTS: dict[str, tuple[str, ...]] = {
    # The log servers are for workers on other machines; their fixed ports would clash with a second stack.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "api-server": ("api-server", "--workers", "1"),
}

# In every connection that we make up, so that one left over in a shell is never taken for the user's own.
_OURS = "evbilling local stack"

# Airflow's own deprecations, which would head the log of every task.
_QUIET = ("ignore:GitWildMatchPattern", "ignore:Using `httpx` with")

# As the DAGs name it. So many tasks may talk to the gateway at once; the rate itself is kept in the warehouse.
GATEWAY_POOL = "payment_gateway"
_GATEWAY_SLOTS = 4

_HEALTH_PATIENCE = 180.0
_PARSE_PATIENCE = 90.0


def base_url(state: StackState) -> str:
    """Where this stack's Airflow answers."""
    return f"http://{LOOPBACK}:{state.airflow_port}"


def connections(state: StackState, caller: Mapping[str, str]) -> dict[str, str]:
    """The AIRFLOW_CONN_ variables: the caller's own where set, the embedded services otherwise."""
    embedded: dict[str, dict[str, Any]] = {
        "AIRFLOW_CONN_CHARGING_PLATFORM": _postgres_connection(state, "platform_reader", "platform"),
        "AIRFLOW_CONN_WAREHOUSE": _postgres_connection(state, "evbilling_writer", "warehouse"),
        "AIRFLOW_CONN_EVIDENCE": {"conn_type": "fs", "extra": {"path": str(state.home / "evidence")}},
        gateway.SANDBOX.replaced_by: gateway.connection(state),
        mail.SINK.replaced_by: mail.connection(state),
    }
    made = {name: json.dumps(value | {"description": _OURS}) for name, value in embedded.items()}
    return made | {name: caller[name] for name in replaced_connections(caller) if name in made}


def replaced_connections(caller: Mapping[str, str]) -> list[str]:
    """The names of AIRFLOW_CONN_ variables that the caller has set to services of their own."""
    return [k for k, v in caller.items() if k.startswith("AIRFLOW_CONN_") and v and _OURS not in v]


def settings(state: StackState, caller: Mapping[str, str]) -> dict[str, str]:
    """The AIRFLOW variables of this stack, connections included."""
    home = state.home / "airflow"
    metadata = state.role_url("airflow", "airflow")
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPO_ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPO_ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": state.secrets["fernet_key"],
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{user}" for user in AIRFLOW_USERS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base_url(state)}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.replace("postgresql:", "postgresql+psycopg:"),
        # Without this Airflow wants asyncpg for its asynchronous part, a driver that nothing else here needs.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata.replace("postgresql:", "postgresql+psycopg_async:"),
        "AIRFLOW__API__BASE_URL": base_url(state),
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(state.airflow_port),
        "AIRFLOW__API__SECRET_KEY": state.secrets["api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": state.secrets["jwt_secret"],
        # A month is few tasks, so what the user waits for is mostly the scheduler's own pauses.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "False",
        **executor_settings(state),
    } | connections(state, caller)


def environment(state: StackState) -> dict[str, str]:
    """The whole environment of an Airflow subprocess: the caller's, with this stack's settings over it."""
    # A proxy of the caller's is for the outside: the components talk to each other on loopback.
    direct = ",".join(filter(None, [os.environ.get("NO_PROXY", ""), LOOPBACK, "localhost"]))
    return (
        dict(os.environ)
        | {"EVBILLING_HOME": str(state.home), "NO_PROXY": direct, "no_proxy": direct, "PYTHONUNBUFFERED": "1"}
        | {"PYTHONWARNINGS": ",".join(filter(None, [os.environ.get("PYTHONWARNINGS", ""), *_QUIET]))}
        | settings(state, os.environ)
    )


def write_files(state: StackState) -> None:
    """Make Airflow's folders and the file with its users' passwords."""
    (state.home / "evidence").mkdir(parents=True, exist_ok=True)
    write_private(state.home / "airflow" / "passwords.json", json.dumps(state.airflow_passwords))


def installed_version() -> str:
    """The version of Airflow in this environment."""
    return version("apache-airflow")


def migrate_metadata(state: StackState) -> None:
    """Make or upgrade Airflow's own tables; raises `NotReady` with the end of its output if that fails."""
    log = log_file(state, "db-migrate")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        done = subprocess.run(
            _airflow("db", "migrate"),
            env=environment(state),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise NotReady(
            f"`airflow db migrate` failed; it ends with:\n{log_tail(log)}",
            where=str(log),
            fix="put right what it says, then run `evbilling up` again",
        )
    state.airflow_migrated = installed_version()
    state.save()


def component_record(state: StackState, name: str) -> ProcessRecord | None:
    """The record of the component's process, dead or alive."""
    return read_record(_run_folder(state), name)


def is_running(state: StackState, name: str) -> bool:
    """True if the component's process is alive."""
    record = component_record(state, name)
    return record is not None and record.is_alive()


def start_components(state: StackState) -> list[str]:
    """Start what doesn't run, and anew what runs with other settings; returns the names of those started."""
    wanted = environment(state)
    outdated = [
        name
        for name in COMPONENTS
        if (record := component_record(state, name))
        and (not record.is_alive() or record.environment != fingerprint(wanted))
    ]
    stop_processes(_run_folder(state), outdated)
    started = [name for name in COMPONENTS if not is_running(state, name)]
    for name in started:
        log = log_file(state, name)
        # A log is of one start, so that what is quoted from it is about this one; the one before is kept.
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        start_process(_run_folder(state), name, _airflow(*COMPONENTS[name]), wanted, log)
    return started


def stop_components(state: StackState) -> list[str]:
    """End all components with everything they started; returns the names of those that ran."""
    return stop_processes(_run_folder(state), list(COMPONENTS))


def api(state: StackState) -> AirflowApi:
    """This stack's Airflow API, logged in as its admin at the first call."""
    return AirflowApi(base_url(state), "admin", state.airflow_passwords["admin"])


def wait_until_healthy(state: StackState) -> None:
    """Return once every component reports that it is healthy.

    Raises `NotReady` that quotes the log of a component that died, or names those that stay unhealthy.
    """
    client = api(state)
    unhealthy: list[str] = []

    def is_healthy() -> bool:
        _raise_if_one_died(state)
        nonlocal unhealthy
        unhealthy = client.unhealthy_parts()
        return not unhealthy

    if not _wait(is_healthy, _HEALTH_PATIENCE):
        raise NotReady(
            f"Airflow isn't healthy after {_HEALTH_PATIENCE:.0f} s: {', '.join(unhealthy)}",
            where=str(log_file(state, "api-server").parent),
            fix="look into the logs there, then run `evbilling down` and `evbilling up`",
        )


def wait_until_parsed(state: StackState) -> list[str]:
    """Return once Airflow knows every file in `dags/`; the list names what couldn't be imported, and why."""
    client = api(state)
    files = {path.name for path in (REPO_ROOT / "dags").glob("*.py") if _may_hold_a_dag(path)}
    known: set[str] = set()
    errors: list[dict[str, Any]] = []

    def all_known() -> bool:
        _raise_if_one_died(state)
        nonlocal known, errors
        try:
            dags = client.get("/api/v2/dags", limit=500)["dags"]
            errors = client.get("/api/v2/importErrors", limit=500)["import_errors"]
        except TransientError:
            return False
        known = {Path(dag["fileloc"]).name for dag in dags} | {Path(e["filename"]).name for e in errors}
        return files <= known

    problems = []
    if not _wait(all_known, _PARSE_PATIENCE):
        problems = [f"{name}: no DAG of it seen yet" for name in sorted(files - known)]
    return problems + [f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors]


def make_pools(state: StackState) -> None:
    """Make the pool of the tasks that talk to the payment gateway; one that is there stays as it is."""
    client = api(state)
    if GATEWAY_POOL not in {pool["name"] for pool in client.get("/api/v2/pools", limit=500)["pools"]}:
        client.post(
            "/api/v2/pools",
            {"name": GATEWAY_POOL, "slots": _GATEWAY_SLOTS, "description": "Tasks that talk to the payment gateway"},
        )


def log_file(state: StackState, name: str) -> Path:
    """The log of a component."""
    return state.home / "logs" / f"{name}.log"


def log_tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, indented, or that there are none."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (nothing)"


def require_embedded_services(caller: Mapping[str, str]) -> None:
    """Raise `BadInput` if a connection of the caller's replaces an embedded database or the sandbox."""
    for name in (
        "AIRFLOW_CONN_WAREHOUSE",
        "AIRFLOW_CONN_CHARGING_PLATFORM",
        gateway.SANDBOX.replaced_by,
        mail.SINK.replaced_by,
    ):
        if name in replaced_connections(caller):
            raise BadInput(
                "the demo bills its own databases, charges its own sandbox and mails to its own sink only",
                where=name,
                fix=f"unset {name}, or trigger the DAGs on `evbilling up` instead",
            )


def _postgres_connection(state: StackState, role: str, database: str) -> dict[str, Any]:
    return {
        "conn_type": "postgres",
        "host": LOOPBACK,
        "port": state.postgres_port,
        "login": role,
        "password": state.role_passwords[role],
        "schema": database,
    }


def _airflow(*args: str) -> list[str]:
    # -P: the caller's folder stays off the import path, where it may hold a module of any name.
    return [sys.executable, "-P", "-m", "airflow", *args]


def _run_folder(state: StackState) -> Path:
    return state.home / "run"


def _may_hold_a_dag(path: Path) -> bool:
    # Airflow's own test ([core] dag_discovery_safe_mode): it never even reports on other files.
    content = path.read_bytes().lower()
    return b"dag" in content and b"airflow" in content


def _raise_if_one_died(state: StackState) -> None:
    for name in COMPONENTS:
        if not is_running(state, name):
            log = log_file(state, name)
            raise NotReady(
                f"Airflow's {name} ended by itself; its log ends with:\n{log_tail(log)}",
                where=str(log),
                fix="put right what the log says, then run `evbilling up` again",
            )


def _wait(is_done: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
