"""Reads the service levels, and records what a task reports."""

from __future__ import annotations

from dataclasses import dataclass
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
    "mail_delivery": "sending mail",
    "gateway": "the payment gateway's answers",
}

RUN_FAILED = "RUN_FAILED"


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """A row of finance.service_levels; `money` is in major units by currency."""

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
        if self.service_level in {"connector_statements", "account_statements", "charges"}:
            return f"{words} of {self.period}"
        return words

    @property
    def needs_somebody(self) -> bool:
        """True if it is late, or its newest run failed."""
        return self.state == "late" or self.reason_id == RUN_FAILED

    @property
    def title(self) -> str:
        """A line for a message: what is late, or failed, and since when."""
        name = f"{self.says[:1].upper()}{self.says[1:]}"
        if self.late_since:
            return f"{name}: late since {_instant(self.late_since)}"
        return f"{name}: the run failed" if self.reason_id == RUN_FAILED else f"{name}: {self.state}"


def read_service_levels(connection: psycopg.Connection[Any], now: datetime | None = None) -> list[ServiceLevel]:
    """All service levels as of `now`, by default the warehouse's time; what is late first."""
    rows = fetch_dicts(connection, "service_levels/levels", now=now)
    return [ServiceLevel(**{**row, "money": _money(row["money"])}) for row in rows]


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


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
