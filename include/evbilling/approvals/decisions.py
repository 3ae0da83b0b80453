"""Decisions on plans in the warehouse: by the policy, or by a person who was asked; each bound to the plan's hash."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import starmap
from typing import Any
from urllib.parse import quote

import psycopg

from evbilling.approvals.judgement import CANARY_ISSUED, Example, Figures, Money, judge, late_by
from evbilling.approvals.policy import Mode, Policy, RecordedPolicy, policy_for
from evbilling.approvals.store import recorded_policies
from evbilling.errors import NotReady
from evbilling.money import from_minor
from evbilling.period import Period
from evbilling.typed_text import require_text
from evbilling.warehouse import fetch_all, fetch_as, fetch_dicts, fetch_one, select_value

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
    already stays so. Of a plan with a canary, the policy decides on that alone. Raises `NotReady` if it was rejected.
    """
    plan = fetch_dicts(connection, "approvals/judged", plan_id=plan_id)[0]
    _require_not_rejected(plan)
    if plan["decisions"]:
        return None
    recorded = policy_for(recorded_policies(connection), Period.parse(plan["period"]))
    policy = recorded.policy if recorded else None
    late = late_by(due_at, plan["opened_at"], policy)
    figures = _figures(connection, plan, policy)
    asks = {name: plan[name] for name in ("lost_four_eyes", "is_partly_issued")}
    questions = judge(policy, figures, late, **asks)
    scope = Scope.CANARY if plan["has_canary"] else Scope.ALL
    if not questions:
        reason = _why_at_once(recorded, figures)
        decide = "select billing.decide_on_plan(%s, %s, %s, 'approved', 'policy', %s, %s)"
        who = f"policy {recorded.policy_id}" if recorded else "no policy"
        select_value(connection, decide, plan_id, plan["plan_hash"], str(scope), who, reason)
        what = "its canary is" if scope is Scope.CANARY else "is"
        log.info("plan %s of %s: %s issued at once: %s", plan_id, plan["period"], what, reason)
        return None
    ids, texts = [question.reason_id for question in questions], [question.text for question in questions]
    return _ask(connection, plan, scope, ids, texts)


def consult_about_rest(connection: psycopg.Connection[Any], plan_id: int) -> Asked | None:
    """Ask a person about the rest of a plan whose canary is issued: None if the rest is approved already.

    Raises `NotReady` if it was rejected, `StaleTry` if the plan was superseded or all of it is issued.
    """
    plan = fetch_dicts(connection, "approvals/judged", plan_id=plan_id)[0]
    _require_not_rejected(plan)
    if any(scope == Scope.REST for scope, *_ in plan["decisions"] or ()):
        return None
    return _ask(connection, plan, Scope.REST, ["CANARY-ISSUED"], [CANARY_ISSUED])


def _require_not_rejected(plan: dict[str, Any]) -> None:
    for scope, decision, _by, actor, reason in plan["decisions"] or ():
        if decision == "rejected":
            what = "the rest of plan" if scope == Scope.REST else "plan"
            raise NotReady(
                f"{what} {plan['plan_id']} was rejected by {actor}: {reason}",
                where=plan["period"],
                fix="fix what is wrong with it, and bill the month from its page",
            )


def _ask(
    connection: psycopg.Connection[Any], plan: dict[str, Any], scope: Scope, ids: list[str], texts: list[str]
) -> Asked | None:
    ask = "select billing.ask_for_approval(%s, %s, %s, %s, %s)"
    connection.execute(ask, (plan["plan_id"], plan["plan_hash"], str(scope), ids, texts))
    asked = asked_of(connection, plan["period"])
    log.warning("plan %s of %s waits for a person: %s", plan["plan_id"], plan["period"], "; ".join(texts))
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
    canary: Sequence[str] = (),
) -> Scope:
    """Record what a person decided on a plan, or, with no `actor`, that nobody did in time; returns what it is about.

    `canary`: the accounts whose statements an approval of `scope` all or canary issues first; empty: those of the rule.
    Raises `StaleTry` if the plan was superseded, `BadInput` for another hash, without a reason, if the policy's four
    eyes don't let this person approve it, or for a canary that can't be one (`fault_in_canary`).
    """
    if actor is None:
        who, how, approved, reason = "deadline", "deadline", False, "nobody answered before the deadline"
    else:
        who, how = actor, "person"
        task = task_of(scope)
        require_text("reason", reason, f"plan {plan_id}", missing=f"clear the task {task} and answer with a reason")
    if canary and approved:
        scope = Scope.CANARY
        connection.execute("select billing.pick_canary(%s, %s, %s, %s)", (plan_id, plan_hash, list(canary), who))
    decision = "approved" if approved else "rejected"
    call = "select billing.decide_on_plan(%s, %s, %s, %s, %s, %s, %s)"
    select_value(connection, call, plan_id, plan_hash, str(scope), decision, how, who, reason)
    return scope


def reject_ended_run(connection: psycopg.Connection[Any], dag_id: str, airflow_run_id: str, actor: str) -> int:
    """Reject what waits for a person with a run that was ended in Airflow; returns how many plans, 0 if none waits."""
    call = "select billing.reject_ended_run(%s, %s, %s)"
    return int(select_value(connection, call, dag_id, airflow_run_id, actor))


def why_not_theirs(connection: psycopg.Connection[Any], plan_id: int, actor: str) -> str | None:
    """Why this person may not approve the plan, by the policy's four eyes; None if they may."""
    asked = "select billing.changed_by(p, %s) from billing.plan p where plan_id = %s and billing.asks_four_eyes(p)"
    changed = select_value(connection, asked, actor, plan_id)
    if changed is None:
        return None
    return f"You have changed {changed} that this plan goes by, so somebody else has to approve it."


def fault_in_canary(connection: psycopg.Connection[Any], plan_id: int, account_ids: Sequence[str]) -> str | None:
    """Why these accounts can't be issued first of a plan; None if they can."""
    asked = "select billing.fault_in_canary(p, %s) from billing.plan p where plan_id = %s"
    fault = select_value(connection, asked, list(account_ids), plan_id)
    return None if fault is None else str(fault)


def accounts_in(text: str) -> tuple[str, ...]:
    """The account ids of a form's field, one a line."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def is_partly_issued(connection: psycopg.Connection[Any], period: str) -> bool:
    """True if the canary of a month was issued and the rest never was."""
    return bool(select_value(connection, "select billing.is_partly_issued(%s)", period))


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


def answer_of(asked: Asked, *, approved: bool, reason: str, canary: Sequence[str] = ()) -> dict[str, object]:
    """The body of a PATCH of Airflow's hitlDetails that answers the task that waits with this plan."""
    answer = {"reason": reason.strip(), "plan_hash": asked.plan_hash}
    if canary:
        answer["canary_accounts"] = "\n".join(canary)
    return {"chosen_options": [APPROVE if approved else REJECT], "params_input": answer}


def task_path(asked: Asked) -> str:
    """The path of the waiting task in Airflow's API."""
    run = quote(asked.airflow_run_id, safe="")
    return f"/api/v2/dags/{asked.dag_id}/dagRuns/{run}/taskInstances/{task_of(asked.scope)}/0"


def task_of(scope: str) -> str:
    """The task that asks about this much of a plan."""
    return "approve_rest" if scope == Scope.REST else "approve"


@dataclass(frozen=True, slots=True)
class CanaryStatement:
    """A statement of a plan's canary, its total in major units, and how it is once it is issued.

    `picked_by`: who named it when approving the plan; None if it is one by the rule.
    """

    account_id: str
    account_name: str | None
    currency: str
    total: Decimal
    connectors: int
    statement_id: str | None
    status: str | None
    mail: str | None
    picked_by: str | None = None


def canary_of(connection: psycopg.Connection[Any], plan_id: int) -> list[CanaryStatement]:
    """The canary of a plan, smallest first, of each currency in turn; [] if it has none."""
    return [
        CanaryStatement(account, name, currency, from_minor(total, unit), *others)
        for account, name, currency, unit, total, *others in fetch_all(connection, "approvals/canary", plan_id=plan_id)
    ]
