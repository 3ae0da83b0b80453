"""A year of a made-up platform in a local stack, which is what the pictures show.

Its months are billed, charged, mailed and closed step by step in this process, in seconds each, as the DAGs chain the
steps. Only what the pictures are taken of runs in Airflow.
"""

from __future__ import annotations

import os
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

with warnings.catch_warnings():
    # Great Expectations imports modules that Python 3.11 calls deprecated: nothing of ours.
    warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
    import great_expectations  # ruff: ignore[unused-import]

from evbilling.account_statements import assemble
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.account_statements import validate as validate_accounts
from evbilling.approvals import Mode, Policy, record_policy
from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    extract_inventory,
    issue_statements,
    open_run,
    plan_statements,
    validate,
)
from evbilling.payments.actions import MarkRequest, mark_statements
from evbilling.payments.charge import charge_period
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from tests.support.stack import PATIENCE, Stack, command

SAMPLE = ("--accounts", "400", "--seed", "1", "--today", "2026-11-20")
MONTHS = [Period.parse(f"2025-{month:02d}") for month in (11, 12)] + [
    Period.parse(f"2026-{month:02d}") for month in range(1, 11)
]
LAST = MONTHS[-1]
# Is planned in Airflow, and waits for a person.
WAITS = LAST.shifted(1)
# As if the schedule had started each.
_ACTOR = "airflow:scheduled"
# Who stands at the head of the documents.
_OPERATOR = {
    "EVBILLING_ISSUER_NAME": "Example Charging Operator",
    "EVBILLING_ISSUER_ADDRESS": "1 Example Street;1000 Example Town",
    "EVBILLING_ISSUER_CONTACT": "billing@operator.example",
}
# What failed in the months before these was paid by transfer since, but for the largest amounts.
_STILL_DUE = 3
_DISPUTED = "3000"


def make_year(home: Path) -> Stack:
    """Bring up a stack in this folder with the year in it, as far as it isn't there yet; five minutes at first."""
    os.environ |= _OPERATOR
    command(home, "up", "--no-airflow")
    stack = Stack(home)
    if not stack.admin("platform", "select 1 from platform.account limit 1"):
        command(home, "platform", "sample", *SAMPLE)
    os.environ |= {name: value for name, value in stack.environment().items() if name.startswith(("AIRFLOW", "EVB"))}
    for period in MONTHS:
        if not _statements(stack, period, "account"):
            _bill(period)
            if period in MONTHS[:-_STILL_DUE]:
                _pay(stack, period)
            _close(period)
    command(home, "up", timeout=600)
    stack = Stack(home)
    if stack.admin("warehouse", "select 1 from billing.mail where state = 'pending' limit 1"):
        assert stack.run("mail_delivery", f"pictures-{datetime.now(UTC):%H%M%S}") == "success"
    _plan(stack)
    return stack


def _plan(stack: Stack) -> None:
    """Have the month after the year wait for a person, unless it does."""
    from evbilling_airflow.connections import services

    query = "select 1 from finance.plan_approvals where period = %s and is_waiting"
    if not stack.finance(query, str(WAITS)):
        policy = Policy(WAITS, Mode.ALWAYS, canary_statements=3)
        record_policy(
            services().warehouse_url, policy, "admin", "each month is looked at, and three statements go first"
        )
        stack.trigger(f"pictures-{WAITS}", "bill_month", conf={"period": str(WAITS), "reason": "for the pictures"})
    deadline = time.monotonic() + PATIENCE
    while not stack.finance(query, str(WAITS)):
        assert time.monotonic() < deadline
        time.sleep(1)


def _bill(period: Period) -> None:
    from evbilling_airflow.connections import payment_services, services

    kept, now = services(), datetime.now(UTC)
    request = RunRequest(period, "connector_statements", f"scheduled__{period}", _ACTOR, deliver=_mailed(period))
    opened = open_run(kept, request, now=now)
    for part in opened["parts"]:
        extract_inventory(kept, opened["run_id"], part)
        apply_scope_rules(kept, opened["run_id"], part)
    validate(kept, opened["run_id"])
    plan_statements(kept, opened["run_id"])
    issue_statements(kept, opened["run_id"])
    close_run(kept, opened["run_id"])
    with payment_services() as open_payment_services:
        charge_period(open_payment_services, period, actor=_ACTOR, now=now)


def _pay(stack: Stack, period: Period) -> None:
    from evbilling_airflow.connections import services

    due = stack.finance(
        "select statement_id from finance.statements where period = %s and balance_due between 0.01 and %s",
        str(period),
        _DISPUTED,
    )
    for (statement_id,) in due:
        payment = MarkRequest(
            request_id=f"pictures-{statement_id}",
            actor="op",
            reason="paid by transfer",
            statement_ids=(statement_id,),
            paid_on=period.first_day,
            reference=f"BANK {statement_id[-6:]}",
        )
        mark_statements(services(), payment, datetime.now(UTC).date())


def _close(period: Period) -> None:
    from evbilling_airflow.connections import services

    kept = services()
    request = RunRequest(period, "account_statements", f"scheduled__{period}", _ACTOR, _mailed(period))
    run_id = assemble(kept, request, now=datetime.now(UTC))["run_id"]
    validate_accounts(kept, run_id)
    issue_account_statements(kept, run_id)
    close_account_run(kept, run_id)


def _mailed(period: Period) -> str:
    return "yes" if period == LAST else "no"


def _statements(stack: Stack, period: Period, kind: str) -> bool:
    found = stack.finance("select 1 from finance.statements where period = %s and kind = %s limit 1", str(period), kind)
    return bool(found)
