"""Task plan: draft and number the statements of a run, and keep what it would issue as a plan, bound by its hash."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from evbilling import approvals, run_steps
from evbilling.connector_statements.drafts import Drafts
from evbilling.connector_statements.stage import stage_drafts, staging_tables
from evbilling.errors import BadInput, NotReady
from evbilling.money import from_minor
from evbilling.services import Services
from evbilling.warehouse import fetch_all, runs, select_row

log = logging.getLogger(__name__)

_COUNTS = ("statements", "connectors", "on_hold")


def plan_statements(services: Services, run_id: int, *, due_at: datetime | None = None) -> dict[str, Any]:
    """Plan a run; returns {"outcome", "plan_id", "plan_hash", "statements", "connectors", "on_hold", "waiting"}.

    Outcomes: `planned`, or that of a run that has ended; `superseded`, if a newer run of the period took over.
    `plan_id` and `plan_hash` are None unless it is `planned`. Planned again with the same content, a run keeps its plan
    and the decisions on it. Nothing is written in billing but the plan, and what the approval policy says of it. A dry
    run ends here: its outcome is `dry_run`.

    `due_at` is the schedule's tick of a scheduled run, None for one that a person asked for. `waiting` is what a person
    is asked, {"run_id", "plan_id", "plan_hash", "scope", "is_asked", "subject", "body", "deadline_hours"}; None if all
    of the plan may be issued. `is_asked` is False where its canary may be, and the rest waits. Raises `NotReady` if the
    same plan was rejected, `BadInput` if it comes to something else than was decided on when the run was asked for.
    """
    nothing = {"plan_id": None, "plan_hash": None, "waiting": None}
    return nothing | run_steps.publish_run(services, run_id, partial(_plan, due_at=due_at), _COUNTS)


def record_answer(
    services: Services,
    run_id: int,
    *,
    plan_id: int,
    plan_hash: str,
    scope: str,
    approved: bool,
    actor: str | None,
    reason: str,
    canary: Sequence[str] = (),
) -> str:
    """Record a person's decision on a run's plan, as `evbilling.approvals.decide`; the run fails if it isn't approved.

    Returns what it is about: `canary` also where all was asked about, and these accounts were named to be issued first.
    Raises `NotReady` for a rejection or a deadline that passed; and whatever `decide` raises: nothing is recorded then.
    """
    with run_steps.running(services, run_id) as run:
        with services.warehouse() as connection:
            decided = approvals.decide(
                connection,
                plan_id=plan_id,
                plan_hash=plan_hash,
                scope=approvals.Scope(scope),
                approved=approved,
                actor=actor,
                reason=reason,
                canary=canary,
            )
        is_rest = scope == approvals.Scope.REST
        what = f"the rest of {run.period}" if is_rest else f"the plan of {run.period}"
        left = "so its canary alone is issued" if is_rest else "so nothing was issued"
        if actor is None:
            raise NotReady(
                f"nobody approved {what} before its deadline, {left}",
                where=f"plan {plan_id}",
                fix="bill the month from its page, and approve it in time",
            )
        if not approved:
            raise NotReady(
                f"{actor} rejected {what}, {left}: {reason.strip()}",
                where=f"plan {plan_id}",
                fix="fix what is wrong with it, and bill the month from its page",
            )
    log.info("plan %s of %s is approved (%s) by %s: %s", plan_id, run.period, decided, actor, reason.strip())
    return str(decided)


def _plan(services: Services, run: runs.Run, due_at: datetime | None) -> dict[str, Any]:
    if run.facts.get("dry_run"):
        _require_nothing_waits(services, run)
    epoch, drafts = stage_drafts(services, run)
    with services.warehouse() as connection:
        runs.note_facts(connection, run.run_id, _of_accounts_left_out(connection, run, drafts))
        make = "select plan_id, plan_hash, statements, connectors, on_hold from billing.make_plan(%s, %s)"
        made = select_row(connection, make, run.run_id, epoch)
        # They are no part of the plan, and are kept before it is issued: its documents have them.
        connection.execute("select billing.keep_names(%s, %s, false)", (run.run_id, epoch))
    plan = dict(zip(("plan_id", "plan_hash", *_COUNTS), made, strict=True))
    log.info(
        "%s planned: %s statements for %s connectors, %s accounts on hold; plan %s, %s",
        run.period,
        *(plan[name] for name in _COUNTS),
        plan["plan_id"],
        plan["plan_hash"],
    )
    with services.warehouse() as connection:
        _require_as_decided(connection, run, plan["plan_hash"])
        if run.facts.get("dry_run"):
            runs.mark_superseded(connection, run.run_id)
            connection.execute("select billing.drop_stage(%s)", (run.run_id,))
            return {"outcome": "dry_run", **plan, "waiting": None}
        waiting = approvals.consult_policy(connection, plan["plan_id"], due_at=due_at)
        has_canary = bool(approvals.canary_of(connection, plan["plan_id"]))
        item = question(connection, run, plan, waiting, approvals.Scope.CANARY if has_canary else approvals.Scope.ALL)
        return {"outcome": "planned", **plan, "waiting": item if waiting or has_canary else None}


def question(
    connection: psycopg.Connection[Any],
    run: runs.Run,
    plan: Mapping[str, Any],
    waiting: approvals.Asked | None,
    scope: approvals.Scope,
) -> dict[str, Any]:
    """What the tasks that ask are given, as of `plan_statements`; `waiting` of None: nobody is asked about it."""
    subject, body = approvals.question_about(connection, waiting) if waiting else ("Nobody is asked", "")
    return {
        "run_id": run.run_id,
        "plan_id": plan["plan_id"],
        "plan_hash": plan["plan_hash"],
        "scope": str(scope),
        "is_asked": waiting is not None,
        "subject": subject,
        "body": body,
        "deadline_hours": (waiting.due_at - waiting.asked_at).total_seconds() / 3600 if waiting else 1.0,
    }


def _require_nothing_waits(services: Services, run: runs.Run) -> None:
    """Raise `NotReady` if a person is asked about a plan of the month, whose place another would take."""
    with services.warehouse() as connection:
        asked = approvals.asked_of(connection, run.period)
    if asked:
        raise NotReady(
            f"plan {asked.plan_id} of {run.period} waits for a person, and a dry run must not take its place",
            where=f"run {run.run_id}",
            fix="look at that plan on the month's page",
        )


def _require_as_decided(connection: psycopg.Connection[Any], run: runs.Run, plan_hash: str) -> None:
    """Raise `BadInput` if somebody has decided on other amounts, or another plan."""
    if (decided := run.facts.get("plan_hash")) and decided != plan_hash:
        raise BadInput(
            f"{run.period} comes to another plan than the one that was decided on",
            where=f"run {run.run_id}",
            fix="nothing was issued; look at the plan on the month's page, and decide anew",
        )
    if (expected := run.facts.get("expected")) is None:
        return
    query = sql.SQL("select account_id, minor_unit, total_minor from {}").format(staging_tables(run.run_id)["draft"])
    totals = {account: str(from_minor(minor, unit)) for account, unit, minor in connection.execute(query)}
    differing = sorted(id_ for id_ in expected.keys() | totals.keys() if expected.get(id_) != totals.get(id_))
    if differing:
        words = [f"{id_} {expected.get(id_, 'nothing')}, now {totals.get(id_, 'nothing')}" for id_ in differing]
        raise BadInput(
            f"other amounts were decided on: {'; '.join(words)}",
            where=f"run {run.run_id} of {run.period}",
            fix="nothing was issued; look again at what would be, and ask anew",
        )


def _of_accounts_left_out(connection: psycopg.Connection[Any], run: runs.Run, drafts: Drafts) -> dict[str, int]:
    """What the tie-out has to know: connectors of accounts that get no decisions, and the accounts that count.

    Accounts that a run of some leaves out count, and their connectors are decided, as far as the month settled them
    before.
    """
    held = _held(connection, run.period, drafts)
    if run.account_ids is None:
        return {"held": held}
    counts = drafts.counts[~drafts.counts["account_id"].isin(run.account_ids)]
    rows = fetch_all(
        connection, "connector_statements/left_out", period=run.period, accounts=counts["account_id"].tolist()
    )
    settled = {by: {account for account, how in rows if how == by} for by in ("statement", "decisions", "unbilled")}
    undecided = counts[~counts["is_undecided"] & ~counts["account_id"].isin(settled["decisions"])]
    unknown = set(counts["account_id"]) - settled["statement"] - settled["unbilled"]
    return {"held": held + int(undecided["extracted"].sum()), "accounts": run.facts["accounts"] - len(unknown)}


def _held(connection: psycopg.Connection[Any], period: str, drafts: Drafts) -> int:
    """Connectors of accounts on hold or forgiven, without a statement: extracted, but without staged decisions."""
    held = drafts.counts[drafts.counts["is_undecided"]]
    query = "select account_id from billing.statement where kind = 'connector' and period = %s and account_id = any(%s)"
    issued = {row[0] for row in connection.execute(query, (period, held["account_id"].tolist()))}
    return int(held.loc[~held["account_id"].isin(issued), "extracted"].sum())
