"""What named statements stand at now, for whoever acts on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import starmap
from typing import Any

import psycopg

from evbilling.warehouse import fetch_all


@dataclass(frozen=True, slots=True)
class StatementNow:
    """A statement of any kind, amounts in major units; `paid` and `balance` are None but for connector statements.

    `has_failed`: a charge of it was declined, once at least. `decline_code`: that of its last attempt, if declined.
    """

    statement_id: str
    kind: str
    account_id: str
    account_name: str | None
    financial_admin_id: str
    period: str
    currency: str
    total: Decimal
    paid: Decimal | None
    balance: Decimal | None
    status: str
    has_failed: bool
    decline_code: str | None


def load_now(connection: psycopg.Connection[Any], statement_ids: Sequence[str]) -> dict[str, StatementNow]:
    """These statements by id; one that doesn't exist is missing."""
    rows = fetch_all(connection, "read_models/statement_list/current", statements=list(statement_ids))
    return {now.statement_id: now for now in starmap(StatementNow, rows)}
