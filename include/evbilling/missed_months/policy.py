"""The policy of missed months: billed, forgiven or left to a person, by account or for all; and what it decides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.missed_months.forgiving import MonthToForgive, forgive
from evbilling.missed_months.reading import NEVER_BILLED
from evbilling.period import Period
from evbilling.typed_text import require_text
from evbilling.warehouse import fetch_all, fetch_dicts, select_value

BILL, FORGIVE, ASK = "bill", "forgive", "ask"
POLICIES = {
    BILL: "a run of bill_month issues them, as the approval policy lets it",
    FORGIVE: "they are forgiven, with what they would have cost",
    ASK: "they are left to a person",
}
# What a run of bill_month takes at most.
_MOST_ACCOUNTS = 1_000
_AT_ONCE = 500

# What each month of an account would cost: evbilling.read_models.preview has it, which is above this package.
Counting = Callable[[Sequence[tuple[str, Period]]], Iterable[MonthToForgive]]


@dataclass(frozen=True, slots=True)
class MissedMonthPolicy:
    """A policy as recorded; `account_id` is None for that of all accounts without one of their own."""

    policy_id: int
    account_id: str | None
    policy: str
    is_in_force: bool
    actor: str
    reason: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided on a missed month of an account: bill, forgive or ask.

    `policy_id` is None where no policy is recorded; `why` says why it isn't what the policy says, None if it is.
    """

    account_id: str
    period: Period
    reason_id: str
    policy_id: int | None
    decision: str
    why: str | None


def policies(connection: psycopg.Connection[Any], account_id: str | None = None) -> list[MissedMonthPolicy]:
    """All policies ever recorded, those in force first: all, or those that an account may have."""
    rows = fetch_dicts(connection, "missed_months/policies", account_id=account_id)
    return [MissedMonthPolicy(**row) for row in rows]


def decisions(
    connection: psycopg.Connection[Any],
    now: datetime,
    *,
    if_policy: str | None = None,
    if_account_id: str | None = None,
) -> list[Decision]:
    """What the policies decide on every missed month that isn't forgiven, the oldest first.

    With `if_policy` what that one would decide, on its own account or on all without one, if it were recorded now.
    """
    given = {"now": now, "if_policy": if_policy, "if_account_id": if_account_id}
    return [
        Decision(account, Period.parse(period), *rest)
        for account, period, *rest in fetch_all(connection, "missed_months/decisions", **given)
    ]


def set_policy(
    connection: psycopg.Connection[Any], account_id: str | None, policy: str, *, actor: str, reason: str
) -> bool:
    """Record a policy, of an account or of all, with an audit event; False if it is in force already.

    Raises `BadInput` for another policy, or without who and why.
    """
    where = "policy of missed months"
    if policy not in POLICIES:
        raise BadInput(f"{policy!r} is no policy", where=where, fix=f"give one of {', '.join(POLICIES)}")
    if not actor.strip():
        raise BadInput("a policy is recorded with who and why", where=where, fix="say who sets it")
    require_text("reason", reason, where, missing="say why it is set")
    given = account_id, policy, actor, reason.strip()
    recorded: int | None = select_value(connection, "select billing.set_missed_month_policy(%s, %s, %s, %s)", *given)
    return recorded is not None


def forgive_by_policy(connection: psycopg.Connection[Any], now: datetime, count: Counting, *, basis: str) -> int:
    """Forgive what the policies say, some hundred at a time, each of which is committed; returns how many months."""
    reasons = {one.policy_id: one.reason for one in policies(connection)}
    forgiven = 0
    wanted = [one for one in decisions(connection, now) if one.decision == FORGIVE and one.policy_id is not None]
    for policy_id, of_policy in groupby(sorted(wanted, key=_policy_id), _policy_id):
        named = [(one.account_id, one.period) for one in of_policy]
        for first in range(0, len(named), _AT_ONCE):
            months = list(count(named[first : first + _AT_ONCE]))
            forgiven += forgive(connection, months, actor=f"policy {policy_id}", reason=reasons[policy_id], basis=basis)
            # Counting takes long, and what is forgiven by then keeps its months from being issued until it ends.
            connection.commit()
    return forgiven


def runs_by_policy(connection: psycopg.Connection[Any], now: datetime) -> list[dict[str, Any]]:
    """The runs of bill_month that the policies ask for, one a month, the oldest first: {"run_id", "conf"}.

    A month that was never billed is asked for as a whole; of another, at most a thousand accounts. The run's id says
    which accounts and by which policies, so the same is never asked for twice.
    """
    found = [one for one in decisions(connection, now) if one.decision == BILL]
    return [_run(period, list(of_month)) for period, of_month in groupby(found, lambda one: one.period)]


def _run(period: Period, found: Sequence[Decision]) -> dict[str, Any]:
    is_whole = any(one.reason_id == NEVER_BILLED for one in found)
    named = found if is_whole else found[:_MOST_ACCOUNTS]
    asked = [(one.account_id, one.policy_id) for one in named]
    by = ", ".join(str(policy_id) for policy_id in sorted({_policy_id(one) for one in named}))
    conf: dict[str, Any] = {"period": str(period), "reason": f"missed, and to be billed by policy {by}"}
    if not is_whole:
        conf["account_ids"] = [account for account, _ in asked]
    return {"run_id": f"policy-{period}-{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}", "conf": conf}


def _policy_id(one: Decision) -> int:
    return one.policy_id or 0
