"""The DAGs that are paused in Airflow, for the pages whose promises depend on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request

from evbilling_airflow.defaults import Tag
from evbilling_web.actions.dag_runs import ask

# What doesn't happen while one is paused.
_CONSEQUENCES = {
    "connector_statements": "no month is billed by itself",
    "account_statements": "no account statement is issued, and no failed payment is tried at the month's end",
    "payment_retries": "no failed payment is tried again by itself",
    "payment_reconciliation": "payments aren't compared with the gateway",
    "missed_months": "no policy of missed months is carried out",
    "mail_delivery": "mail that waits isn't sent",
}


@dataclass(frozen=True, slots=True)
class PausedDag:
    """A paused DAG; `since` is None where Airflow's log doesn't say it, or this user may not read that."""

    dag_id: str
    since: datetime | None

    @property
    def consequence(self) -> str:
        """What doesn't happen meanwhile."""
        return _CONSEQUENCES[self.dag_id]

    @property
    def is_needed(self) -> bool:
        """False for the DAG that does nothing without a policy: it is named only where a policy is."""
        return self.dag_id != "missed_months"


async def note_paused(request: Request) -> None:
    """Keep for the page's template, as `paused`, which DAGs are paused; nothing where this user may not see that.

    As `is_down`: the scheduler doesn't run, so nothing begins that isn't paused either.
    """
    request.state.is_down = await _is_down(request)
    briefly, key = request.app.state.briefly, ("paused", request.state.reader.get_id())
    if (kept := briefly.get(key)) is not None:
        request.state.paused = kept
        return
    answer = await ask(request, f"/api/v2/dags?paused=true&tags={Tag.BILLING}&limit=100")
    if answer.status_code != 200:
        return
    found = {dag["dag_id"] for dag in answer.json()["dags"]}
    wanted = [dag_id for dag_id in _CONSEQUENCES if dag_id in found]
    since = await _since(request) if wanted else {}
    request.state.paused = tuple(PausedDag(dag_id, since.get(dag_id)) for dag_id in wanted)
    briefly.put(key, request.state.paused)


async def _is_down(request: Request) -> bool:
    briefly = request.app.state.briefly
    if (kept := briefly.get("is_down")) is None:
        answer = await ask(request, "/api/v2/monitor/health")
        kept = answer.status_code == 200 and answer.json()["scheduler"]["status"] == "unhealthy"
        briefly.put("is_down", kept)
    return bool(kept)


async def _since(request: Request) -> dict[str, datetime]:
    """When each DAG was last paused, by Airflow's log of what users did."""
    answer = await ask(request, "/api/v2/eventLogs?event=patch_dag&order_by=-when&limit=100")
    entries: list[dict[str, Any]] = answer.json()["event_logs"] if answer.status_code == 200 else []
    newest: dict[str, dict[str, Any]] = {}
    for entry in entries:
        newest.setdefault(entry["dag_id"], entry)
    return {dag_id: datetime.fromisoformat(entry["when"]) for dag_id, entry in newest.items() if _pauses(entry)}


def _pauses(entry: dict[str, Any]) -> bool:
    try:
        extra = json.loads(entry["extra"] or "{}")
    except ValueError:
        return False
    return isinstance(extra, dict) and str(extra.get("is_paused")).lower() == "true"
