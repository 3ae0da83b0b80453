"""The demo: a made-up platform, a month billed and closed by the real scheduler, and what finance then sees."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import partial

from evbilling.errors import BadInput, NotReady
from evbilling.period import Period
from evbilling_local.demo.dag_run import clear_leftovers
from evbilling_local.demo.month_run import (
    DAG_IDS,
    bill_and_close,
    month_to_bill,
    plan_by_schedule,
    say_what_waits,
)
from evbilling_local.stack import (
    API_SERVER,
    MAIL_SINK,
    SANDBOX,
    AirflowApi,
    StackState,
    admin_api,
    bring_up,
    claimed,
    command,
    require_embedded_services,
    stack_home,
    step,
)

SEED = 1
_APPROVER = "op"


def run_demo(accounts: int) -> int:
    """Bill and close a month of a made-up platform, and plan the next one, which waits for a person.

    The month is approved by the user `op`, as any month that waits; the next is the newest that can be billed.

    Prints the result; the stack keeps running.

    Returns 0, or 1 if the run failed. Raises `BadInput` if this stack holds another sample, or if real
    databases replace its own; `NotReady` if another demo runs in this folder.
    """
    require_embedded_services(os.environ)
    with _only_demo() as is_only:
        if not is_only:
            raise NotReady(
                "another demo is running here",
                where=str(stack_home()),
                fix="wait until it has ended, or take another folder: EVBILLING_HOME=… evbilling demo",
            )
        state = bring_up()
        _load_sample(state, accounts)
        period = month_to_bill()
        api, following = admin_api(state), period.shifted(1)
        _have_months_approved(state, period)
        urls = {f"{kind}_url": state.url(kind) for kind in ("finance", "warehouse")}
        plan_next = partial(plan_by_schedule, api)
        approver = AirflowApi(API_SERVER.url(state), _APPROVER, state.airflow_passwords[_APPROVER])
        web_url = API_SERVER.url(state)
        if not bill_and_close(api, period, web_url=web_url, approver=approver, once_billed=plan_next, **urls):
            return 1
        waits = say_what_waits(state.url("warehouse"), following)
    _print_next_steps(state, period, following if waits else None)
    return 0


def _have_months_approved(state: StackState, period: Period) -> None:
    """Record the policy by which months from `period` on wait for a person, if there is none."""
    from evbilling.approvals import Mode, Policy, record_policy, recorded_policies
    from evbilling.warehouse import connected

    with connected(state.url("warehouse"), what="warehouse") as connection:
        is_set = bool(recorded_policies(connection))
    if not is_set:
        policy = Policy(period, Mode.ALWAYS)
        record_policy(state.url("warehouse"), policy, "evbilling demo", "to show how months are approved")


def tidy_up(state: StackState) -> None:
    """Clear away, and say so, what a demo left that was killed within a run; nothing while a demo is running."""
    with _only_demo() as is_only:
        for dag_id in clear_leftovers(admin_api(state)) if is_only else []:
            print(f"{dag_id} is paused again: a demo that was killed had left it un-paused")


def _only_demo() -> AbstractContextManager[bool]:
    return claimed(stack_home() / "demo.lock")


def _load_sample(state: StackState, accounts: int) -> None:
    from evbilling.settings import record_settings
    from evbilling_local.sample import sample_settings, write_sample

    with step("Sample", f"making a platform of {accounts} accounts") as line:
        wanted = {"accounts": str(accounts), "seed": str(SEED)}
        loaded = {key: state.sample.get(key) for key in wanted}
        if state.sample and loaded != wanted:
            loaded_accounts = state.sample["accounts"]
            raise BadInput(
                f"this stack already has a sample of {loaded_accounts} accounts, not of {accounts}",
                where=str(state.home),
                fix=f"ask for --accounts {loaded_accounts}, or take another folder: EVBILLING_HOME=…",
            )
        if state.sample:
            line.result = f"the sample of {accounts} accounts (seed {SEED}) is already loaded"
        else:
            _require_empty_platform(state)
            made = write_sample(state.url("platform"), accounts=accounts, seed=SEED, today=_today())
            line.result = (
                f"{made.accounts:,} accounts, {made.users:,} users, {made.chargers:,} chargers, "
                f"{made.connectors:,} connectors, {made.charges:,} charges"
            )
            state.sample = wanted | {"today": _today().isoformat()}
            state.save()
    with step("Settings", "recording the accounts' billing settings") as line:
        # The day of the sample, not today's, so that a demo of next month records the very same settings.
        made_on = date.fromisoformat(state.sample["today"])
        terms = sample_settings(accounts=accounts, seed=SEED, today=made_on)
        recorded = record_settings(state.url("warehouse"), terms, actor="evbilling demo")
        line.result = f"{recorded.added:,} recorded, {recorded.unchanged:,} unchanged"


def _require_empty_platform(state: StackState) -> None:
    from evbilling.warehouse import connected, select_value

    with connected(state.url("platform"), what="platform database") as connection:
        if select_value(connection, "select exists (select from platform.account)"):
            raise BadInput(
                "the platform database has data that isn't the demo's, and a sample would replace it",
                where=str(state.home),
                fix="run the demo in another folder: EVBILLING_HOME=… evbilling demo",
            )


def _print_next_steps(state: StackState, period: Period, waits: Period | None) -> None:
    if waits:
        print("\nTo decide on it")
        print(f"  Browser     {API_SERVER.url(state)}/evbilling/months/{waits}   Issue and charge, or Reject")
        print(f"""  Shell       {command()} approve {waits} --reason "looks right"        (or reject)""")
    print("\nWhere to look next")
    print(f"  Airflow     {API_SERVER.url(state)}   login admin / {state.airflow_passwords['admin']}")
    print(f"  Pages       {API_SERVER.url(state)}/evbilling/statements   statements, months, account billing, mail")
    query = f"select * from finance.statements where period = '{period}'"  # ruff: ignore[hardcoded-sql-expression]
    print(f"""  Finance     eval "$({command()} env)"; psql "$FINANCE_URL" -c "{query}\"""")
    print(f"  Sandbox     {SANDBOX.url(state)}   what the cards were charged: {SANDBOX.log(state)}")
    print(f"  Mail        {MAIL_SINK.url(state)}   the mail: statements with their PDFs, notices of failed charges")
    print(f"  Go live     {DAG_IDS[0]} is un-paused and plans each month on its 1st; the page Approval says who lets")
    print("              it be issued; un-pause account_statements, payment_retries and payment_reconciliation too")
    print(f"  Stop        {command()} down        (the data stays; a second demo writes 0 rows)")


def _today() -> date:
    return datetime.now(UTC).date()
