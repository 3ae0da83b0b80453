"""`evbilling approve` and `evbilling reject`: answer for the plan that waits, through Airflow, and see it recorded."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from evbilling.errors import BadInput, EvbillingError, NotReady, TransientError
from evbilling.period import Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evbilling.approvals import Asked, CanaryStatement
    from evbilling.cli.airflow_api import AirflowApi

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_POLL_SECONDS = 0.5
_PATIENCE = 120.0


def register(subcommands: SubParsers) -> None:
    """Add `approve` and `reject`."""
    approve = subcommands.add_parser("approve", help="issue and charge the month whose plan waits")
    reject = subcommands.add_parser("reject", help="reject the plan of a month that waits")
    approve.add_argument(
        "--canary", action="store_true", help="only print the canary of the plan that waits, and its money"
    )
    approve.add_argument(
        "--canary-accounts",
        nargs="+",
        default=[],
        metavar="ACCOUNT",
        help="issue, charge and mail these accounts' statements first; the rest waits for --rest",
    )
    for leaf in (approve, reject):
        leaf.add_argument("period", metavar="YYYY-MM")
        leaf.add_argument("--reason", help="why; kept with the decision")
        leaf.add_argument("--rest", action="store_true", help="decide on the rest, once the canary is issued")
        leaf.add_argument("--plan", metavar="HASH", help="the plan that you have seen, or the first digits of its hash")
        leaf.add_argument(
            "--user", help="the Airflow user to answer as (default: AIRFLOW_API_USER, or the stack's admin)"
        )
        leaf.add_argument(
            "--airflow", metavar="URL", help="Airflow's address (default: AIRFLOW_API_URL, or the stack's)"
        )
        leaf.add_argument("--url", metavar="URL", help="the warehouse (default: the stack's, or its connection)")
        leaf.set_defaults(run=_run, approved=leaf is approve)
    reject.set_defaults(canary=False, canary_accounts=[])


def _run(args: argparse.Namespace) -> int:
    """Answer as a user of Airflow; returns 0 once the decision is recorded as given, else raises why not.

    What waits after a canary is answered with --rest alone, so that nobody approves it by repeating a command.
    """
    from evbilling.approvals import Scope, answer_of, asked_of, canary_of, decisions_of, fault_in_canary
    from evbilling.cli.environment import resolve_airflow, resolve_url
    from evbilling.read_models.preview import month_to_bill
    from evbilling.typed_text import require_text
    from evbilling.warehouse import connected

    month, url = Period.parse(args.period), args.url or resolve_url("warehouse")
    period = str(month)
    if not args.canary:
        require_text("reason", args.reason or "", "--reason", missing="say why, in a few words")
    with connected(url, what="warehouse") as connection:
        asked = asked_of(connection, period)
        decided = decisions_of(connection, period)
        canary = canary_of(connection, asked.plan_id) if asked else []
        picked = list(dict.fromkeys(args.canary_accounts))
        fault = fault_in_canary(connection, asked.plan_id, picked) if asked and picked else None
        bill = month_to_bill(connection, month, most=0)
    made = bill.plan if args.approved and not bill.is_billed else None
    seen = asked or (made if made and made.plan_hash not in {one.plan_hash for one in decided} else None)
    if seen is None:
        last = f"; plan {decided[0].plan_id} was {decided[0].decision} by {decided[0].actor}" if decided else ""
        raise NotReady(f"no plan of {period} waits for a person{last}", fix=f"see `evbilling plan {period}`")
    if args.plan and not seen.plan_hash.startswith(args.plan.lower()):
        raise BadInput(
            f"the plan of {period} is another than the one you have seen: its hash is {seen.plan_hash}",
            where="--plan",
            fix=f"look at it by `evbilling plan {period}`, and decide on that",
        )
    if args.canary:
        return _print_canary(period, canary)
    waits = asked is not None and asked.scope == Scope.REST
    if args.rest != waits:
        raise NotReady(
            f"the rest of {period} waits: its canary is issued" if waits else f"the rest of {period} doesn't wait",
            where="--rest",
            fix="look at the canary on the month's page, then decide on the rest with --rest"
            if waits
            else f"see `evbilling plan {period}`",
        )
    if picked and (asked is None or waits or fault):
        raise BadInput(
            fault or f"a canary can only be picked while the plan of {period} waits as a whole",
            where="--canary-accounts",
            fix="name accounts that the plan has a statement for, or none",
        )
    api = resolve_airflow(args.airflow, args.user)
    if asked is None:
        return _issue_made(api, period, seen.plan_hash, args.reason.strip())
    scope = Scope.CANARY if picked else Scope(asked.scope)
    _answer(api, asked, answer_of(asked, approved=args.approved, reason=args.reason, canary=picked))
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with connected(url, what="warehouse") as connection:
            done = [
                row for row in decisions_of(connection, period) if (row.plan_id, row.scope) == (asked.plan_id, scope)
            ]
        if done:
            what = {Scope.CANARY: "the canary of ", Scope.REST: "the rest of "}.get(scope, "")
            print(f"{what}plan {asked.plan_id} of {period} is {done[0].decision} by {done[0].actor}")
            return 0
        if _has_failed(api, asked):
            raise BadInput(
                "the answer wasn't accepted, and nothing was issued",
                where=f"run {asked.airflow_run_id}",
                fix="see the log of the task that records it, in Airflow; clear the one before it to answer anew",
            )
        time.sleep(_POLL_SECONDS)
    raise TransientError(
        f"the answer is with Airflow, and isn't recorded after {_PATIENCE:.0f} s",
        where=f"run {asked.airflow_run_id}",
        fix="check that Airflow's scheduler is running",
    )


def _issue_made(api: AirflowApi, period: str, plan_hash: str, reason: str) -> int:
    """Have a plan issued that was only made, as its page does: by a run that issues it or nothing; returns 0."""
    conf = {"period": period, "plan_hash": plan_hash, "reason": reason}
    run = api.post("/api/v2/dags/bill_month/dagRuns", {"logical_date": None, "conf": conf, "note": reason})
    print(f"run {run['dag_run_id']} of bill_month counts {period} again and issues plan {plan_hash[:12]}, or nothing")
    print("where the policy asks for it, it waits to be approved once more")
    return 0


def _print_canary(period: str, canary: Sequence[CanaryStatement]) -> int:
    """Print a canary, a line a statement, and its money; 1 if the plan has none."""
    if not canary:
        print(f"the plan of {period} that waits has no canary: it is issued as a whole", file=sys.stderr)
        return 1
    for one in canary:
        state = f"{one.statement_id} {one.status}, mail {one.mail}" if one.statement_id else "not issued yet"
        print(f"{one.account_id}: {one.connectors:,} connectors, {one.currency} {one.total:,}; {state}")
    for currency in sorted({one.currency for one in canary}):
        print(f"in all {currency} {sum(one.total for one in canary if one.currency == currency):,}")
    return 0


def _answer(api: AirflowApi, asked: Asked, body: dict[str, object]) -> None:
    """Give Airflow the answer; raises `NotReady` if its DAG is paused, when the run wouldn't go on."""
    from evbilling.approvals import task_path

    if api.get(f"/api/v2/dags/{asked.dag_id}")["is_paused"]:
        raise NotReady(
            f"the DAG {asked.dag_id} is paused, so its run wouldn't go on: nothing was answered",
            where="Airflow",
            fix="un-pause it; a month that is due is planned then and waits, too",
        )
    try:
        api.patch(f"{task_path(asked)}/hitlDetails", body)
    except TransientError:
        raise
    except EvbillingError as error:
        if "409" in error.what:
            raise NotReady(
                "somebody else has answered already", where=f"run {asked.airflow_run_id}", fix="see the page Month"
            ) from None
        raise


def _has_failed(api: AirflowApi, asked: Asked) -> bool:
    return bool(api.get(f"/api/v2/dags/{asked.dag_id}/dagRuns/{asked.airflow_run_id}")["state"] == "failed")
