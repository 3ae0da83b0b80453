"""Reads the service levels, and records what a task reports."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg

from evbilling.warehouse import fetch_dicts, select_value

# Each service level, in words that follow "is late:".
LEVELS = {
    "connector_statements": "the month's connector statements",
    "account_statements": "the month's account statements",
    "charges": "charging the month's statements",
    "payment_retries": "the daily retries of failed payments",
    "payment_reconciliation": "the daily comparison with the payment gateway",
    "missed_months": "the daily run of the policies of missed months",
    "mail_delivery": "sending mail",
    "gateway": "the payment gateway's answers",
    "approval": "the approval of the month",
    "airflow": "Airflow",
}

RUN_FAILED = "RUN_FAILED"
DAG_PAUSED = "DAG_PAUSED"
AIRFLOW_DOWN = "AIRFLOW_DOWN"
_MONTHLY = {"connector_statements", "account_statements", "charges"}
_DAILY = {"payment_retries", "payment_reconciliation", "missed_months"}
APPROVAL = "approval"
# No row of the view: only who asks Airflow knows.
AIRFLOW = "airflow"


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """A row of finance.service_levels, or that Airflow doesn't run; `money` is in major units by currency."""

    service_level: str
    period: str | None
    state: Literal["ok", "due", "late"]
    due_at: datetime | None
    late_since: datetime | None
    done_at: datetime | None
    reason_id: str | None
    reason: str | None
    reason_since: datetime | None
    accounts: int | None
    statements: int | None
    money: dict[str, Decimal]
    dag_id: str
    airflow_run_id: str | None

    @property
    def says(self) -> str:
        """What it is about, such as "the month's connector statements of 2026-11"."""
        words = LEVELS[self.service_level]
        if self.service_level == APPROVAL:
            return f"{words} {self.period}"
        if self.service_level in _MONTHLY:
            return f"{words} of {self.period}"
        return words

    @property
    def needs_somebody(self) -> bool:
        """True if it is late, waits for a person, its newest run failed, or its DAG is paused."""
        return self.service_level == APPROVAL or self.state == "late" or self.reason_id in {RUN_FAILED, DAG_PAUSED}

    @property
    def title(self) -> str:
        """A line for a message: what is late, or failed, and since when."""
        name = f"{self.says[:1].upper()}{self.says[1:]}"
        if self.service_level == AIRFLOW:
            return f"{name} doesn't run"
        if self.service_level == APPROVAL:
            return f"{name}: waits for a person since {_instant(self.reason_since or self.due_at)}"
        if self.late_since:
            return f"{name}: late since {_instant(self.late_since)}"
        if self.reason_id == RUN_FAILED:
            return f"{name}: the run failed"
        return f"{name}: {f'{self.dag_id} is paused' if self.reason_id == DAG_PAUSED else self.state}"


_AIRFLOW_DOWN = ServiceLevel(
    service_level=AIRFLOW,
    period=None,
    state="late",
    due_at=None,
    late_since=None,
    done_at=None,
    reason_id=AIRFLOW_DOWN,
    reason="Airflow's scheduler or API server doesn't run",
    reason_since=None,
    accounts=None,
    statements=None,
    money={},
    dag_id="",
    airflow_run_id=None,
)


def read_service_levels(connection: psycopg.Connection[Any], now: datetime | None = None) -> list[ServiceLevel]:
    """All service levels as of `now`, by default the warehouse's time; what is late first."""
    rows = fetch_dicts(connection, "service_levels/levels", now=now)
    return [ServiceLevel(**{**row, "money": _money(row["money"])}) for row in rows]


def with_airflow(
    levels: Iterable[ServiceLevel], paused: Collection[str], *, is_down: bool = False
) -> list[ServiceLevel]:
    """The levels with what Airflow alone knows: a paused DAG, or a server of its own that doesn't run, is the reason.

    Of what is done already a paused DAG counts for the daily runs: pages and letters promise the next one. That a
    server doesn't run is a level of its own, also if nothing is late yet.
    """
    found = [_AIRFLOW_DOWN] if is_down else []
    for level in levels:
        waits = level.state != "ok" or level.service_level in _DAILY
        is_explained = level.reason_id not in {None, "NO_RUN"}
        # A month that is issued goes on being charged only by clearing a task: pausing its DAG is no reason.
        if not waits or is_explained or level.service_level in {"charges", "gateway", APPROVAL}:
            found.append(level)
        elif level.dag_id in paused:
            reason = f"{level.dag_id} is paused in Airflow"
            found.append(replace(level, reason_id=DAG_PAUSED, reason=reason))
        elif is_down and level.state == "late":
            found.append(replace(level, reason_id=AIRFLOW_DOWN, reason=_AIRFLOW_DOWN.reason))
        else:
            found.append(level)
    return found


def how_late(since: datetime, now: datetime) -> str:
    """ "overdue by 29 days", or since what time today."""
    days = (now - since).days
    if days:
        return f"overdue by {days} day{'' if days == 1 else 's'}"
    return f"overdue since {_instant(since)}"


def record_dag_event(
    connection: psycopg.Connection[Any],
    *,
    dag_id: str,
    airflow_run_id: str,
    task_id: str,
    event: Literal["begun", "done", "failed"],
    period: str | None = None,
    detail: str = "",
) -> None:
    """Record that a task began, ended or failed; `detail` is the message of a failure."""
    select_value(
        connection,
        "select billing.record_dag_event(%s, %s, %s, %s, %s, %s)",
        dag_id,
        airflow_run_id,
        task_id,
        period,
        event,
        detail,
    )


def _money(amounts: dict[str, str] | None) -> dict[str, Decimal]:
    return {code: Decimal(amount) for code, amount in sorted((amounts or {}).items())}


def _instant(instant: datetime | None) -> str:
    assert instant is not None, "the view has it"  # ruff: ignore[assert]
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
