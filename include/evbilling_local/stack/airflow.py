"""Airflow on the local stack: its settings, its metadata database, and whether it is up."""

from __future__ import annotations

import json
import os
import subprocess  # argument lists of our own only
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evbilling.cli.airflow_api import AirflowApi
from evbilling.errors import BadInput, NotReady, TransientError
from evbilling_local.ports import LOOPBACK
from evbilling_local.stack.services import AIRFLOW, API_SERVER, MAIL_SINK, SANDBOX, log_tail, raise_if_ended
from evbilling_local.stack.state import AIRFLOW_USERS, REPO_ROOT, StackState, open_private, write_private

# In every connection that we make up, so that one left over in a shell is never taken for the user's own.
_OURS = "evbilling local stack"

# Airflow's own deprecations, which would head the log of every task.
_QUIET = ("ignore:GitWildMatchPattern", "ignore:Using `httpx` with")

# As the DAGs name it: the tasks that may talk to the gateway at a time. The rate itself is kept in the warehouse.
GATEWAY_POOL = "payment_gateway"
_GATEWAY_SLOTS = 4
# Nobody else uses the sandbox, so the demo needn't keep to the pace that Stripe's limits ask for.
_SANDBOX_RATE = 50

_BROKER_SCHEMES = ("redis://", "rediss://")
_HEALTH_SECONDS = 180.0
_PARSE_SECONDS = 90.0


def connections(state: StackState, caller: Mapping[str, str]) -> dict[str, str]:
    """The AIRFLOW_CONN_ variables: the caller's own where set, the embedded services otherwise."""
    embedded: dict[str, dict[str, Any]] = {
        "AIRFLOW_CONN_CHARGING_PLATFORM": _postgres_connection(state, "platform_reader", "platform"),
        "AIRFLOW_CONN_WAREHOUSE": _postgres_connection(state, "evbilling_writer", "warehouse"),
        "AIRFLOW_CONN_EVIDENCE": {"conn_type": "fs", "extra": {"path": str(state.home / "evidence")}},
        SANDBOX.replaced_by: {
            "conn_type": "http",
            "host": f"http://{LOOPBACK}",
            "port": state.sandbox_port,
            "password": state.secrets.get("sandbox_key", ""),
            "extra": {"rate_per_second": _SANDBOX_RATE},
        },
        MAIL_SINK.replaced_by: {
            "conn_type": "smtp",
            "host": LOOPBACK,
            "port": state.smtp_port,
            "extra": {"from_email": "billing@evbilling.example", "disable_ssl": True, "disable_tls": True},
        },
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
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{API_SERVER.url(state)}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.replace("postgresql:", "postgresql+psycopg:"),
        # Without this Airflow wants asyncpg for its asynchronous part, a driver that nothing else here needs.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata.replace("postgresql:", "postgresql+psycopg_async:"),
        "AIRFLOW__API__BASE_URL": API_SERVER.url(state),
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(state.airflow_port),
        "AIRFLOW__API__SECRET_KEY": state.secrets["api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": state.secrets["jwt_secret"],
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
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
        | {"EVBILLING_HOME": str(state.home), "NO_PROXY": direct, "no_proxy": direct}
        | {"PYTHONWARNINGS": ",".join(filter(None, [os.environ.get("PYTHONWARNINGS", ""), *_QUIET]))}
        | settings(state, os.environ)
    )


def write_files(state: StackState) -> None:
    """Make Airflow's folders and the file with its users' passwords."""
    (state.home / "evidence").mkdir(parents=True, exist_ok=True)
    write_private(state.home / "airflow" / "passwords.json", json.dumps(state.airflow_passwords))


def is_migrated(state: StackState) -> bool:
    """True if the installed version of Airflow has migrated the metadata database that is there now."""
    from evbilling.warehouse import connected, select_value

    if state.airflow_migrated != version("apache-airflow"):
        return False
    with connected(state.role_url("airflow", "airflow"), what="metadata database") as connection:
        return bool(select_value(connection, "select to_regclass('alembic_version') is not null"))


def migrate_metadata(state: StackState) -> str:
    """Make or upgrade Airflow's own tables; returns its version. Raises `NotReady` with the end of its output."""
    log = state.home / "logs" / "db-migrate.log"
    with open_private(log) as output:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "airflow", "db", "migrate"],
            env=environment(state),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            check=False,
        )
    if done.returncode != 0:
        raise NotReady(
            f"`airflow db migrate` failed; its output ends with:\n{log_tail(log)}",
            where=str(log),
            fix="fix what it says, then run `evbilling up` again",
        )
    state.airflow_migrated = version("apache-airflow")
    state.save()
    return state.airflow_migrated


def admin_api(state: StackState) -> AirflowApi:
    """This stack's Airflow API, logged in as its admin at the first call."""
    return AirflowApi(API_SERVER.url(state), "admin", state.airflow_passwords["admin"])


def wait_until_healthy(state: StackState) -> None:
    """Return once every component reports that it is healthy.

    Raises `NotReady` that quotes the log of a component that ended, or names those that stay unhealthy.
    """
    client = admin_api(state)
    unhealthy: list[str] = []

    def is_healthy() -> bool:
        raise_if_ended(state, AIRFLOW)
        unhealthy[:] = client.unhealthy_parts()
        return not unhealthy

    if not wait_until(is_healthy, _HEALTH_SECONDS):
        raise NotReady(
            f"Airflow isn't healthy after {_HEALTH_SECONDS:.0f} s: {', '.join(unhealthy)}",
            where=str(API_SERVER.log(state).parent),
            fix="look at the logs there, then run `evbilling down` and `evbilling up`",
        )


def wait_until_parsed(state: StackState) -> list[str]:
    """Return once Airflow knows every file in `dags/`; the list names what couldn't be imported, and why."""
    client = admin_api(state)
    files = {path.name for path in (REPO_ROOT / "dags").glob("*.py") if _may_hold_a_dag(path)}
    known: set[str] = set()
    errors: list[dict[str, Any]] = []

    def all_known() -> bool:
        raise_if_ended(state, AIRFLOW)
        nonlocal known, errors
        try:
            dags = client.get("/api/v2/dags", limit=500)["dags"]
            errors = client.get("/api/v2/importErrors", limit=500)["import_errors"]
        except TransientError:
            return False
        known = {Path(dag["fileloc"]).name for dag in dags} | {Path(e["filename"]).name for e in errors}
        return files <= known

    problems = []
    if not wait_until(all_known, _PARSE_SECONDS):
        problems = [f"{name}: no DAG of it seen yet" for name in sorted(files - known)]
    return problems + [f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors]


def make_pools(state: StackState) -> None:
    """Make the pool of the tasks that talk to the payment gateway; one that is there stays as it is."""
    client = admin_api(state)
    if GATEWAY_POOL not in {pool["name"] for pool in client.get("/api/v2/pools", limit=500)["pools"]}:
        client.post(
            "/api/v2/pools",
            {"name": GATEWAY_POOL, "slots": _GATEWAY_SLOTS, "description": "Tasks that talk to the payment gateway"},
        )


def choose_broker(state: StackState, broker_url: str) -> None:
    """Let Celery workers run the tasks, over the Redis at `broker_url`; an empty one: the scheduler itself.

    Raises `BadInput` if it is no Redis URL, `NotReady` if Airflow's Celery provider isn't installed.
    """
    if broker_url and not broker_url.startswith(_BROKER_SCHEMES):
        raise BadInput("is no URL of a Redis server", where="--broker", fix="give it as redis://:PASSWORD@HOST:6379/0")
    if broker_url:
        try:
            version("apache-airflow-providers-celery")
        except PackageNotFoundError:
            raise NotReady(
                "Airflow's Celery provider isn't installed",
                where="--broker",
                fix="install evbilling with its extra: pip install 'evbilling[celery]'",
            ) from None
    state.broker_url = broker_url
    state.save()


def require_embedded_services(caller: Mapping[str, str]) -> None:
    """Raise `BadInput` if a connection of the caller replaces an embedded database or the sandbox."""
    embedded = ("AIRFLOW_CONN_WAREHOUSE", "AIRFLOW_CONN_CHARGING_PLATFORM", SANDBOX.replaced_by, MAIL_SINK.replaced_by)
    for name in embedded:
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


def _may_hold_a_dag(path: Path) -> bool:
    # Airflow's own test ([core] dag_discovery_safe_mode): it never even reports on other files.
    content = path.read_bytes().lower()
    return b"dag" in content and b"airflow" in content


def wait_until(is_done: Callable[[], bool], seconds: float) -> bool:
    """True once `is_done` says so, asked twice a second; False if it doesn't within `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def executor_settings(state: StackState) -> dict[str, str]:
    """The AIRFLOW variables that say who runs the tasks."""
    if not state.broker_url:
        return {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor", "AIRFLOW__CORE__PARALLELISM": "4"}
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": state.broker_url,
        # Celery's results are of use for minutes only: they needn't be in the metadata database.
        "AIRFLOW__CELERY__RESULT_BACKEND": state.broker_url,
        # A message that nobody confirms is handed out again after this long. Later than any task may take.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
    }
