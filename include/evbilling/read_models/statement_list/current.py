"""The current state of statements by id, for the actions on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import starmap
from typing import Any

import psycopg

from evbilling.warehouse import fetch_all


@dataclass(frozen=True, slots=True)
class CurrentStatement:
    """A statement of any kind, amounts in major units; `paid` and `balance` are None except for connector statements.

    `has_failed`: a charge of it was declined at least once. `decline_code`: that of its last attempt, if declined.
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


def read_current(connection: psycopg.Connection[Any], statement_ids: Sequence[str]) -> dict[str, CurrentStatement]:
    """These statements by id; one that doesn't exist is missing."""
    rows = fetch_all(connection, "read_models/statement_list/current", statements=list(statement_ids))
    return {current.statement_id: current for current in starmap(CurrentStatement, rows)}
