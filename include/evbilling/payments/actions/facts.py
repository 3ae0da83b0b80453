"""Reads from the warehouse what decides on the actions of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from evbilling.money import from_minor
from evbilling.payments.actions.allowed import ActionFacts
from evbilling.warehouse import fetch_all


def load_action_facts(connection: psycopg.Connection[Any], statement_ids: Sequence[str]) -> dict[str, ActionFacts]:
    """The facts of these statements, of any kind, by id; one that doesn't exist is missing."""
    rows = fetch_all(connection, "payments/action_facts", statements=list(statement_ids))
    return {
        statement_id: ActionFacts(kind, currency, None if due is None else from_minor(due, unit), *rest)
        for statement_id, kind, currency, due, unit, *rest in rows
    }
