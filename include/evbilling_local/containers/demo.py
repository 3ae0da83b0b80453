"""The one-shot that bills a made-up month, so that a first `docker compose up` ends with figures to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

from evbilling.cli.environment import UrlKind, resolve_url
from evbilling.errors import BadInput, EvbillingError, NotReady, TransientError
from evbilling.settings import record_settings
from evbilling.warehouse import connected, select_value
from evbilling_local.containers.setup import FIX, read_connections
from evbilling_local.demo import DAG_IDS, SEED, bill_and_close, clear_leftovers, month_to_bill
from evbilling_local.sample import sample_settings, write_sample
from evbilling_local.stack import AirflowApi, wait_until

_PARSE_SECONDS = 180.0
_USER = "op"


@dataclass(frozen=True)
class Places:
    """Where the containers' own services are. `web_url` is Airflow as a person on the host finds it."""

    airflow_url: str
    web_url: str
    gateway_url: str


def run_demo(accounts: int, places: Places, connections_file: Path, passwords_file: Path) -> int:
    """Load a made-up platform of `accounts` accounts, bill and close the last month; returns 0, or 1 if a run failed.

    Does nothing, and says why, where something is the user's own: a connection that leads elsewhere, a platform
    with data, an issued statement. Raises `NotReady` if Airflow doesn't know the DAGs in time.
    """
    if reason := _reason_not_to(accounts, places, read_connections(connections_file)):
        print(f"No month is made up: {reason}.")
        # The first demo may have been killed within a run, with its DAG un-paused.
        with suppress(EvbillingError):
            clear_leftovers(AirflowApi(places.airflow_url, _USER, _password(passwords_file)))
        return 0
    _load_sample(accounts)
    api = AirflowApi(places.airflow_url, _USER, _password(passwords_file))
    _wait_until_parsed(api)
    done = bill_and_close(
        api,
        month_to_bill(),
        web_url=places.web_url,
        finance_url=resolve_url("finance"),
        warehouse_url=resolve_url("warehouse"),
    )
    print(f"\nAirflow  {places.web_url}  logins: {passwords_file.name} in the folder of the secrets")
    return 0 if done else 1


def _reason_not_to(accounts: int, places: Places, connections: Mapping[str, Mapping[str, Any]]) -> str:
    if accounts < 1:
        return "no accounts are wanted"
    own = {
        "charging_platform": resolve_url("platform"),
        "warehouse": resolve_url("warehouse"),
        "payment_gateway": places.gateway_url,
    }
    for name, url in own.items():
        if _address(connections.get(name, {})) != (urlsplit(url).hostname, urlsplit(url).port):
            return f"the connection {name} leads elsewhere"
    if _is_there("platform", "select exists (select from platform.account)"):
        return "the platform has data already"
    if _is_there("finance", "select exists (select from finance.statements)"):
        return "statements were issued already"
    return ""


def _address(connection: Mapping[str, Any]) -> tuple[str | None, int | None]:
    host = str(connection.get("host") or "")
    return urlsplit(host if "://" in host else f"//{host}").hostname, connection.get("port")


def _is_there(kind: UrlKind, query: LiteralString) -> bool:
    with connected(resolve_url(kind), what=kind) as connection:
        return bool(select_value(connection, query))


def _load_sample(accounts: int) -> None:
    today = datetime.now(UTC).date()
    # Settings first: they alone bill nothing, and if this is interrupted, the next run still finds an empty platform.
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
    missing = set(DAG_IDS)

    def are_known() -> bool:
        with suppress(TransientError):
            missing.difference_update(dag["dag_id"] for dag in api.get("/api/v2/dags", limit=500)["dags"])
        return not missing

    if not wait_until(are_known, _PARSE_SECONDS):
        raise NotReady(
            f"Airflow doesn't know {', '.join(sorted(missing))} after {_PARSE_SECONDS:.0f} s",
            where="dag-processor",
            fix="look at its log: docker compose logs dag-processor",
        )
