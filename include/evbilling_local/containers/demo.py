"""The one-shot that bills a made-up month, so that a first `docker compose up` ends with figures to look at."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evbilling.cli.environment import resolve_url
from evbilling.errors import BadInput, NotReady, TransientError
from evbilling_local.containers.files import FIX, read_connections
from evbilling_local.demo.demo import SEED
from evbilling_local.demo.month_run import DAG_IDS, bill_and_close, last_complete_month
from evbilling_local.stack.api import AirflowApi

_PARSE_PATIENCE = 180.0
_USER = "op"


@dataclass(frozen=True)
class Places:
    """Where the containers' own services are. `web_url` is Airflow as a person on the host finds it."""

    airflow_url: str
    web_url: str
    gateway_url: str


def run_demo(accounts: int, places: Places, connections_file: Path, passwords_file: Path) -> int:
    """Load a made-up platform of so many accounts, bill and close the last month; returns 0, or 1 if a run failed.

    Does nothing, and says why, where there is anything of the user's own: a connection to another place, a platform
    with data in it, a statement that was issued. Raises `NotReady` if Airflow doesn't know the DAGs in time.
    """
    if reason := _reason_not_to(accounts, places, read_connections(connections_file)):
        print(f"No month is made up: {reason}.")
        return 0
    _load_sample(accounts)
    api = AirflowApi(places.airflow_url, _USER, _password(passwords_file))
    _wait_until_parsed(api)
    done = bill_and_close(
        api,
        last_complete_month(),
        web_url=places.web_url,
        finance_url=resolve_url("finance"),
        warehouse_url=resolve_url("warehouse"),
    )
    print(f"\nAirflow  {places.web_url}  logins: {passwords_file.name} in the folder of the secrets")
    return 0 if done else 1


def _reason_not_to(accounts: int, places: Places, connections: Mapping[str, Mapping[str, Any]]) -> str:
    if accounts < 1:
        return "none is wanted"
    own = {
        "charging_platform": resolve_url("platform"),
        "warehouse": resolve_url("warehouse"),
        "payment_gateway": places.gateway_url,
    }
    for name, url in own.items():
        if _address(connections.get(name, {})) != (urlsplit(url).hostname, urlsplit(url).port):
            return f"the connection {name} leads elsewhere"
    if _is_there("platform", "select exists (select from platform.account)"):
        return "the platform holds data already"
    if _is_there("finance", "select exists (select from finance.statements)"):
        return "statements were issued already"
    return ""


def _address(connection: Mapping[str, Any]) -> tuple[str | None, int | None]:
    host = str(connection.get("host") or "")
    return urlsplit(host if "://" in host else f"//{host}").hostname, connection.get("port")


def _is_there(kind: Any, query: str) -> bool:
    from evbilling.warehouse.connect import connected

    with connected(resolve_url(kind), what=kind) as connection:
        return connection.execute(query.encode()).fetchone() == (True,)


def _load_sample(accounts: int) -> None:
    from evbilling.settings.store import record_settings
    from evbilling_local.sample import sample_settings, write_sample

    today = datetime.now(UTC).date()
    # Settings first: they alone bill nothing, and the platform is still empty if this is broken off and run again.
    terms = sample_settings(accounts=accounts, seed=SEED, today=today)
    record_settings(resolve_url("warehouse"), terms, actor="evbilling containers demo", reason="made-up platform")
    made = write_sample(resolve_url("platform"), accounts=accounts, seed=SEED, today=today)
    print(f"made up {made.accounts:,} accounts, {made.chargers:,} chargers, {made.connectors:,} connectors", flush=True)


def _password(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))[_USER])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"has no password of Airflow's user {_USER}: {type(error).__name__}", where=str(file), fix=FIX
        ) from None


def _wait_until_parsed(api: AirflowApi) -> None:
    deadline = time.monotonic() + _PARSE_PATIENCE
    missing = set(DAG_IDS)
    while missing and time.monotonic() < deadline:
        try:
            missing = set(DAG_IDS) - {dag["dag_id"] for dag in api.get("/api/v2/dags", limit=500)["dags"]}
        except TransientError:
            missing = set(DAG_IDS)
        if missing:
            time.sleep(1)
    if missing:
        raise NotReady(
            f"Airflow doesn't know {', '.join(sorted(missing))} after {_PARSE_PATIENCE:.0f} s",
            where="dag-processor",
            fix="look into its log: docker compose logs dag-processor",
        )
