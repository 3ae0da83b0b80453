"""What only Airflow knows: whether its scheduler lives, and which DAGs are paused. It may not answer at all."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import httpx

log = logging.getLogger(__name__)
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class AirflowState:
    """`scheduler`: False too if Airflow doesn't answer, None if it doesn't say. `paused`: the paused billing DAGs."""

    scheduler: bool | None = None
    paused: frozenset[str] = frozenset()


def ask_airflow(url: str, login: str = "", password: str = "") -> AirflowState:
    """Ask Airflow's API at `url`; which DAGs are paused only with a login. Never raises for what it answers."""
    if not url:
        return AirflowState()
    scheduler: bool | None = None
    try:
        with httpx.Client(base_url=url.rstrip("/"), timeout=_SECONDS) as client:
            try:
                health = client.get("/api/v2/monitor/health")
            except httpx.TransportError:
                return AirflowState(scheduler=False)
            if health.is_server_error:
                return AirflowState(scheduler=False)
            scheduler = health.raise_for_status().json()["scheduler"]["status"] == "healthy"
            if not login:
                return AirflowState(scheduler)
            token = client.post("/auth/token", json={"username": login, "password": password}).raise_for_status()
            headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
            dags = client.get("/api/v2/dags", params={"paused": True, "tags": "billing", "limit": 100}, headers=headers)
            return AirflowState(scheduler, frozenset(dag["dag_id"] for dag in dags.raise_for_status().json()["dags"]))
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        log.warning("Airflow doesn't say whether it runs and what is paused: %s", type(error).__name__)
        return AirflowState(scheduler)
