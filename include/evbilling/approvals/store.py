"""Approval policies in the warehouse: append-only, each with who, when and why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg

from evbilling.approvals.policy import COLUMNS, Mode, Policy, RecordedPolicy
from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.typed_text import require_text
from evbilling.warehouse import connected, fetch_dicts, select_value


def record_policy(
    warehouse_url: str, policy: Policy, actor: str, reason: str, *, seen: int | None = None
) -> int | None:
    """Add a policy with an audit event; returns its id, or None if the newest of its period is the same already.

    `seen` is the id of the newest policy that the person has seen, 0 for none. Raises `BadInput` if another was
    recorded since, or without who and why.
    """
    if not actor.strip():
        raise BadInput("a policy is recorded with who and why", fix="say who sets it")
    require_text("reason", reason, "approval policy", missing="say why it is set")
    values = policy.values() | {"actor": actor, "reason": reason.strip(), "seen": seen}
    named = ", ".join(f"p_{name} => %({name})s" for name in values)
    with connected(warehouse_url, what="warehouse") as connection:
        row = connection.execute(f"select billing.record_policy({named})", values).fetchone()
    return None if row is None else row[0]


def recorded_policies(connection: psycopg.Connection[Any]) -> list[RecordedPolicy]:
    """Every policy ever recorded, the newest first."""
    return [_recorded(row) for row in fetch_dicts(connection, "approvals/policies")]


def newest_policy_id(connection: psycopg.Connection[Any]) -> int:
    """The id of the policy recorded last; 0 if there is none."""
    return int(select_value(connection, "select coalesce(max(policy_id), 0) from billing.approval_policy"))


def _recorded(row: dict[str, Any]) -> RecordedPolicy:
    values = {name: _shortest(row[name]) for name in COLUMNS}
    values |= {"effective_from": Period.parse(row["effective_from"]), "mode": Mode(row["mode"])}
    return RecordedPolicy(row["policy_id"], Policy(**values), row["actor"], row["reason"], row["recorded_at"])


def _shortest(value: Any) -> Any:
    """A number without the zeros that the column's scale added."""
    return Decimal(f"{value.normalize():f}") if isinstance(value, Decimal) else value
