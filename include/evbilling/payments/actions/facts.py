"""Reads from the warehouse what decides on the actions of statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.money import from_minor
from evbilling.payments.actions.allowed import ActionFacts
from evbilling.payments.retries.declines import explain
from evbilling.warehouse import fetch_all


def load_action_facts(connection: psycopg.Connection[Any], statement_ids: Sequence[str]) -> dict[str, ActionFacts]:
    """The facts of these statements, of any kind, by id; one that doesn't exist is missing."""
    rows = fetch_all(connection, "payments/action_facts", statements=list(statement_ids))
    return {
        statement_id: ActionFacts(kind, currency, None if due is None else from_minor(due, unit), *rest)
        for statement_id, kind, currency, due, unit, *rest in rows
    }


@dataclass(frozen=True, slots=True)
class MethodTries:
    """What happened to a payment method of late: tries on all statements, those declined, the last, and its decline."""

    tries: int
    declined: int
    last_at: datetime
    decline_code: str | None

    @property
    def decline(self) -> str:
        """The last decline in plain words; empty without one."""
        return explain(self.decline_code) if self.decline_code else ""


def tries_of_methods(
    connection: psycopg.Connection[Any], methods: Iterable[str | None], since: datetime
) -> dict[str, MethodTries]:
    """What happened to these payment methods since then; one that wasn't tried is missing."""
    wanted = sorted(set(filter(None, methods)))
    rows = fetch_all(connection, "payments/tries_of_methods", methods=wanted, since=since) if wanted else []
    return {method: MethodTries(*tried) for method, *tried in rows}
