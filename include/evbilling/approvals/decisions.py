"""Decisions on plans in the warehouse: by the policy, or by a person who was asked; each bound to the plan's hash."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import starmap
from typing import Any
from urllib.parse import quote

import psycopg

from evbilling.approvals.judgement import Example, Figures, Money, judge, late_by
from evbilling.approvals.policy import Mode, Policy, RecordedPolicy, policy_for
from evbilling.approvals.store import recorded_policies
from evbilling.errors import NotReady
from evbilling.period import Period
from evbilling.typed_text import require_text
from evbilling.warehouse import fetch_as, fetch_dicts, fetch_one, select_value

log = logging.getLogger(__name__)


class Scope(StrEnum):
    """What of a plan is decided on."""

    ALL = "all"
    CANARY = "canary"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan that waits, as the page Month and `evbilling approve` see it; the run is Airflow's that waits with it."""

    plan_id: int
    plan_hash: str
    scope: str
    reason_ids: Sequence[str]
    reasons: Sequence[str]
    asked_at: datetime
    due_at: datetime
    airflow_run_id: str
    dag_id: str


def consult_policy(connection: psycopg.Connection[Any], plan_id: int, *, due_at: datetime | None) -> Asked | None:
    """Have the policy decide on a plan that was just made: None if it may be issued now, else what a person is asked.

    `due_at`: the schedule's tick of a scheduled run, None for one that a person asked for. A plan that is approved
    already stays so. Raises `NotReady` if it was rejected.
    """
    plan = fetch_dicts(connection, "approvals/judged", plan_id=plan_id)[0]
    for _scope, decision, _by, actor, reason in plan["decisions"] or ():
        if decision == "rejected":
            raise NotReady(
                f"plan {plan_id} was rejected by {actor}: {reason}",
                where=plan["period"],
                fix="fix what is wrong with it, and bill the month from its page",
            )
        return None
    recorded = policy_for(recorded_policies(connection), Period.parse(plan["period"]))
    policy = recorded.policy if recorded else None
    late = late_by(due_at, plan["opened_at"], policy)
    figures = _figures(connection, plan, policy)
    questions = judge(policy, figures, late, lost_four_eyes=plan["lost_four_eyes"])
    if not questions:
        reason = _why_at_once(recorded, figures)
        decide = "select billing.decide_on_plan(%s, %s, 'all', 'approved', 'policy', %s, %s)"
        who = f"policy {recorded.policy_id}" if recorded else "no policy"
        select_value(connection, decide, plan_id, plan["plan_hash"], who, reason)
        log.info("plan %s of %s is issued at once: %s", plan_id, plan["period"], reason)
        return None
    ids, texts = [question.reason_id for question in questions], [question.text for question in questions]
    ask = "select billing.ask_for_approval(%s, %s, 'all', %s, %s)"
    connection.execute(ask, (plan_id, plan["plan_hash"], ids, texts))
    asked = asked_of(connection, plan["period"])
    log.warning("plan %s of %s waits for a person: %s", plan_id, plan["period"], "; ".join(texts))
    return asked


def decide(
    connection: psycopg.Connection[Any],
    *,
    plan_id: int,
    plan_hash: str,
    scope: Scope,
    approved: bool,
    actor: str | None,
    reason: str,
) -> int:
    """Record what a person decided on a plan, or, with no `actor`, that nobody did in time; returns the decision's id.

    Raises `StaleTry` if the plan was superseded, `BadInput` for another hash, without a reason, or if the policy's four
    eyes don't let this person approve it.
    """
    if actor is None:
        who, how, approved, reason = "deadline", "deadline", False, "nobody answered before the deadline"
    else:
        who, how = actor, "person"
        require_text("reason", reason, f"plan {plan_id}", missing="clear the task approve and answer with a reason")
    decision = "approved" if approved else "rejected"
    call = "select billing.decide_on_plan(%s, %s, %s, %s, %s, %s, %s)"
    return int(select_value(connection, call, plan_id, plan_hash, str(scope), decision, how, who, reason))


def why_not_theirs(connection: psycopg.Connection[Any], plan_id: int, actor: str) -> str | None:
    """Why this person may not approve the plan, by the policy's four eyes; None if they may."""
    asked = "select billing.changed_by(p, %s) from billing.plan p where plan_id = %s and billing.asks_four_eyes(p)"
    changed = select_value(connection, asked, actor, plan_id)
    if changed is None:
        return None
    return f"You have changed {changed} that this plan goes by, so somebody else has to approve it."


def _figures(connection: psycopg.Connection[Any], plan: dict[str, Any], policy: Policy | None) -> Figures:
    """The plan's figures; without limits to compare them with, only how much it would issue."""
    if policy is None or policy.mode is not Mode.WITHIN_LIMITS:
        return Figures(plan["statements"], plan["not_compared"], 0, 0, (), 0, 0, 0, None)
    before, now, money, on_hold, first, beyond, example = fetch_one(
        connection,
        "approvals/figures",
        plan_id=plan["plan_id"],
        percent=policy.max_account_change_percent,
        floor=policy.account_change_floor,
    )
    return Figures(
        plan["statements"],
        plan["not_compared"],
        before,
        now,
        tuple(starmap(Money, money)),
        on_hold,
        first,
        beyond,
        Example(*example) if example else None,
    )


def _why_at_once(recorded: RecordedPolicy | None, figures: Figures) -> str:
    if figures.statements == 0:
        return "there is nothing to issue"
    if recorded is None:
        return "no approval policy is set"
    if recorded.policy.mode is Mode.AT_ONCE:
        return f"from {recorded.policy.effective_from} on months are issued at once"
    return f"it is within the limits that apply from {recorded.policy.effective_from} on"


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on a plan, when the plan was issued or superseded, and how many statements it has."""

    plan_id: int
    plan_hash: str
    scope: str
    decision: str
    decided_by: str
    actor: str
    reason: str
    decided_at: datetime
    issued_at: datetime | None
    superseded_at: datetime | None
    statements: int


# The options of Airflow's form.
APPROVE, REJECT = "Issue and charge", "Reject"


def asked_of(connection: psycopg.Connection[Any], period: str) -> Asked | None:
    """The plan of `period` that waits for a person; None if none does."""
    found = fetch_as(connection, Asked, "approvals/waiting", period=period)
    return found[0] if found else None


def decisions_of(connection: psycopg.Connection[Any], period: str) -> list[Decided]:
    """What was decided on the plans of `period`, the newest first."""
    return fetch_as(connection, Decided, "approvals/decided", period=period)


def answer_of(asked: Asked, *, approved: bool, reason: str) -> dict[str, object]:
    """The body of a PATCH of Airflow's hitlDetails that answers the task that waits with this plan."""
    answer = {"reason": reason.strip(), "plan_hash": asked.plan_hash}
    return {"chosen_options": [APPROVE if approved else REJECT], "params_input": answer}


def task_path(asked: Asked) -> str:
    """The path of the waiting task in Airflow's API."""
    task_id = "approve_rest" if asked.scope == Scope.REST else "approve"
    run = quote(asked.airflow_run_id, safe="")
    return f"/api/v2/dags/{asked.dag_id}/dagRuns/{run}/taskInstances/{task_id}/0"
