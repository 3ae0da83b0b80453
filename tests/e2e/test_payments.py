"""The money of a month through real scheduler, API and sandbox: charged, stated, retried, re-billed, marked, compared.

The tests run in this order, after those of the month, on the same stack.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from evbilling.errors import EvbillingError
from evbilling_local.stack.services import SANDBOX, start, stop
from tests.support.stack import ACCOUNT_STATEMENTS, MONTH, PATIENCE, Stack, path

pytestmark = pytest.mark.e2e

STEPS = ["assemble", "validate", "issue_statements", "close_run", "plan_retries", "send_retries", "record", "deliver"]
# Ways of being declined, those first that the daily retry leaves alone.
NOT_RETRIED = ("hard", "needs_customer", "soft")


def not_ok(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.finance("select period, check_id, left_value, right_value from finance.tie_out where not is_ok")


def failed(stack: Stack, *decline_classes: str) -> list[str]:
    """Statements of `MONTH` whose last attempt was declined so; class by class as named, each in order."""
    rows = stack.finance(
        """select statement_id
           from finance.statements s
           cross join lateral (select decline_class from finance.payment_attempts a
                               where a.statement_id = s.statement_id order by attempt_no desc limit 1) last
           where period = %s and status = 'Billing failure' and decline_class = any(%s)
           order by array_position(%s, decline_class), 1""",
        MONTH,
        list(decline_classes),
        list(decline_classes),
    )
    return [statement_id for (statement_id,) in rows]


def status(stack: Stack, statement_id: str) -> tuple[str, Decimal]:
    ((found, due),) = stack.finance(
        "select status, balance_due from finance.statements where statement_id = %s", statement_id
    )
    return found, due


def give_card(stack: Stack, statement_id: str, method: str) -> None:
    """The financial admin of the statement has another payment method from now on."""
    ((admin,),) = stack.finance(
        "select financial_admin_id from finance.statements where statement_id = %s", statement_id
    )
    stack.admin("platform", "update platform.app_user set payment_method = %s where user_id = %s", method, admin)


def at_sandbox(stack: Stack, method: str, place: str, body: dict[str, Any] | None = None) -> Any:
    answer = httpx.request(method, f"{SANDBOX.url(stack.state)}{place}", json=body, timeout=10, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def test_the_month_was_charged(stack: Stack, billed: str) -> None:
    """Every statement was charged once: most are paid, the others say why not."""
    rows = stack.finance(
        """select s.status, count(*), count(distinct a.statement_id), sum(s.balance_due) > 0
           from finance.statements s left join finance.payment_attempts a using (statement_id)
           where s.period = %s and s.kind = 'connector' group by 1""",
        MONTH,
    )
    found = {name: (statements, tried, is_due) for name, statements, tried, is_due in rows}
    assert set(found) == {"Paid", "Billing failure"}
    assert found["Paid"][0] > 20
    assert all(statements == tried for statements, tried, _ in found.values())
    assert found["Billing failure"][2]
    assert stack.finance("select * from finance.payment_attempts where outcome in ('pending', 'unknown')") == []


def test_the_month_is_stated_and_retried(stack: Stack, stated: str) -> None:
    """The last day issues an account statement for each account, retries what may succeed, and all figures agree."""
    tasks = stack.tasks(stated, ACCOUNT_STATEMENTS)
    assert {task_id: task.state for task_id, task in tasks.items()} == dict.fromkeys(STEPS, "success")
    ((statements, connectors),) = stack.finance(
        """select count(*) filter (where kind = 'account'), count(*) filter (where kind = 'connector')
           from finance.statements where period = %s""",
        MONTH,
    )
    assert statements >= connectors > 30
    triggers = dict(stack.finance("select trigger, count(*) from finance.payment_attempts group by 1"))
    assert triggers["month_end"] >= 1
    assert not_ok(stack) == []


def test_the_months_end_again_changes_nothing(stack: Stack, stated: str, full: bool) -> None:
    """Clearing a task leaves every row that finance sees as it was; with `--full` each task, and a second run."""
    before = stack.published()
    if full:
        assert stack.run(ACCOUNT_STATEMENTS, "end-again", partition_key=MONTH) == "success"
        assert stack.published() == before
    for task_id in reversed(STEPS) if full else ["send_retries"]:
        stack.clear(stated, task_id, ACCOUNT_STATEMENTS)
        assert stack.finish(stated, ACCOUNT_STATEMENTS) == "success"
        assert stack.published() == before


def test_a_dry_run_of_rebill_only_says_it(stack: Stack, stated: str) -> None:
    """With `dry_run` the log has what would be charged to whom; nothing is written and nothing charged."""
    statement = failed(stack, "soft")[0]
    before, requests = stack.published(), at_sandbox(stack, "GET", "/_sandbox/requests")["total"]
    conf = {"statement_ids": [statement], "reason": "to see", "dry_run": True}
    assert stack.run("rebill", "dry", conf=conf) == "success"
    assert f"dry run: {statement}: charge {status(stack, statement)[1]}" in stack.log("dry", "charge_again", "rebill")
    assert stack.published() == before
    assert at_sandbox(stack, "GET", "/_sandbox/requests")["total"] == requests


def test_rebill_after_a_new_card(stack: Stack, stated: str, full: bool) -> None:
    """A hard decline is refused while the card is the same; with another one it is collected and resolved."""
    statement = failed(stack, "hard")[0]
    conf = {"statement_ids": [statement], "reason": "asked for by the customer"}
    assert stack.run("rebill", "same-card", conf=conf) == "failed"
    assert "declined for good" in stack.log("same-card", "charge_again", "rebill")
    give_card(stack, statement, "pm_card_visa")
    assert stack.run("rebill", "new-card", conf=conf) == "success"
    assert status(stack, statement) == ("Billing failure (resolved)", 0)
    stack.clear("new-card", "charge_again", "rebill")
    assert stack.finish("new-card", "rebill") == "success"
    if full:
        assert stack.run("rebill", "paid-already", conf=conf) == "failed"
        assert "it is paid" in stack.log("paid-already", "charge_again", "rebill")


@pytest.mark.full
def test_mark_as_paid_in_parts(stack: Stack, stated: str) -> None:
    """A part leaves the rest due, more than is due is refused with the reason, the rest makes it paid."""
    statement = failed(stack, *NOT_RETRIED)[0]
    due = status(stack, statement)[1]
    step = Decimal(1).scaleb(due.as_tuple().exponent)  # type: ignore[arg-type]  # of a finite number
    conf = {"statement_id": statement, "paid_on": "2026-11-05", "reference": "bank 1", "reason": "by transfer"}
    assert stack.run("mark_as_paid", "part", conf=conf | {"amount": str(step)}) == "success"
    assert status(stack, statement) == ("Partly paid", due - step)
    assert stack.run("mark_as_paid", "too-much", conf=conf | {"amount": str(due)}) == "failed"
    assert "is more than the" in stack.log("too-much", "record_payment", "mark_as_paid")
    assert stack.run("mark_as_paid", "rest", conf=conf) == "success"
    assert status(stack, statement) == ("Paid manually", 0)
    stack.clear("rest", "record_payment", "mark_as_paid")
    assert stack.finish("rest", "mark_as_paid") == "success"
    ((by, reason),) = stack.finance(
        "select actor, reason from finance.audit_events where subject_id = %s order by event_id desc limit 1", statement
    )
    assert (by, reason) == ("admin", "by transfer")


@pytest.mark.full
def test_a_mistaken_mark_is_undone_and_two_are_marked_at_once(stack: Stack, stated: str) -> None:
    """One of a statement's payments is taken back, once; with another it is paid on one day, for what was seen due."""
    first, second = failed(stack, *NOT_RETRIED)[:2]
    pay = {"paid_on": "2026-11-06", "reference": "bank 2", "reason": "by transfer"}
    dues = {statement: status(stack, statement)[1] for statement in (first, second)}
    assert stack.run("mark_as_paid", "mistaken", conf=pay | {"statement_id": first}) == "success"
    assert status(stack, first) == ("Paid manually", 0)
    undo = {"statement_id": first, "reason": "another customer's"}
    assert stack.run("undo_mark_as_paid", "dry", conf=undo | {"dry_run": True}) == "success"
    assert status(stack, first) == ("Paid manually", 0)
    assert stack.run("undo_mark_as_paid", "undo", conf=undo) == "success"
    assert status(stack, first) == ("Billing failure", dues[first])
    stack.clear("undo", "reverse_payment", "undo_mark_as_paid")
    assert stack.finish("undo", "undo_mark_as_paid") == "success"
    assert stack.run("undo_mark_as_paid", "again", conf=undo) == "failed"
    assert "or all are undone" in stack.log("again", "reverse_payment", "undo_mark_as_paid")
    totals: dict[str, Decimal] = {}
    for statement, due in dues.items():
        ((currency,),) = stack.finance("select currency from finance.statements where statement_id = %s", statement)
        totals[currency] = totals.get(currency, Decimal(0)) + due
    both = pay | {"statement_ids": [first, second]}
    lower = {currency: str(total - 1) for currency, total in totals.items()}
    assert stack.run("mark_as_paid", "seen-less", conf=both | {"expected_total": lower}) == "failed"
    assert "was expected to be due" in stack.log("seen-less", "record_payment", "mark_as_paid")
    seen = {currency: str(total) for currency, total in totals.items()}
    assert stack.run("mark_as_paid", "both", conf=both | {"expected_total": seen}) == "success"
    assert [status(stack, statement) for statement in dues] == [("Paid manually", 0)] * 2
    assert not_ok(stack) == []


@pytest.mark.parametrize("conf", [{"reason": ""}, {}, {"reason": "r", "paid_on": "yesterday"}])
def test_an_action_without_its_params_is_refused_at_the_trigger(stack: Stack, conf: dict[str, Any]) -> None:
    """Airflow's API refuses with status 400; no run is made."""
    whole = {"statement_id": "A-202610-000001", "paid_on": "2026-11-05", "reference": "x"} | conf
    with pytest.raises(EvbillingError, match="400"):
        stack.trigger("nonsense", "mark_as_paid", conf=whole)


@pytest.mark.full
def test_the_daily_retry_finds_the_new_card(stack: Stack, stated: str) -> None:
    """`payment_retries` collects what has another payment method since, and leaves what isn't due."""
    stack.api.patch(path("payment_retries"), {"is_paused": False})
    changed, *others = failed(stack, "soft")
    give_card(stack, changed, "pm_card_mastercard")
    assert stack.run("payment_retries", "day-1") == "success"
    assert status(stack, changed) == ("Billing failure (resolved)", 0)
    assert {status(stack, other)[0] for other in others} <= {"Billing failure"}
    assert not_ok(stack) == []


def test_a_break_fails_the_comparison_until_it_is_put_right(stack: Stack, stated: str) -> None:
    """A payment that we never asked for is named, kept for finance and booked nowhere; gone, the run is green again."""
    stack.api.patch(path("payment_reconciliation"), {"is_paused": False})
    assert stack.run("payment_reconciliation", "clean") == "success"
    before = stack.published()
    ((installation,),) = stack.admin("warehouse", "select installation_id::text from billing.installation")
    ((statement,),) = stack.finance(
        "select statement_id from finance.statements where status = 'Paid' and currency = 'EUR' limit 1"
    )
    made = at_sandbox(
        stack,
        "POST",
        "/_sandbox/payments",
        {
            "amount": 1234,
            "currency": "eur",
            "customer": "cus_1",
            "metadata": {
                "evbilling_installation": installation,
                "evbilling_statement": statement,
                "evbilling_attempt": "999999",
            },
        },
    )
    assert stack.run("payment_reconciliation", "break") == "failed"
    log = stack.log("break", "compare", "payment_reconciliation")
    assert f"charged_not_recorded: {made['id']} for {statement}: 0.00 EUR recorded, 12.34 EUR at the gateway" in log
    open_breaks = "select kind, gateway_payment_id from finance.payment_breaks where is_open"
    assert stack.finance(open_breaks) == [("charged_not_recorded", made["id"])]
    # An attempt that the warehouse doesn't have is what a restore looks like: charging waited for a full comparison.
    done = "select action from finance.audit_events order by event_id desc limit 2"
    assert stack.finance(done) == [("lift_hold",), ("hold_charging",)]
    changed = {"tie_out", "audit_events"}
    after = stack.published()
    assert {view: rows for view, rows in after.items() if view not in changed} == {
        view: rows for view, rows in before.items() if view not in changed
    }
    at_sandbox(stack, "DELETE", f"/_sandbox/intents/{made['id']}")
    assert stack.run("payment_reconciliation", "mended") == "success"
    assert stack.finance(open_breaks) == []


@pytest.mark.full
def test_a_gateway_that_is_away_delays_the_charge_and_loses_nothing(stack: Stack, stated: str) -> None:
    """With the gateway down the month is issued and `charge` is tried again; once it is back, all is charged once."""
    stop(stack.state, [SANDBOX])
    try:
        run_id = stack.trigger("no-gateway", partition_key="2026-09")
        deadline = time.monotonic() + PATIENCE
        while stack.tasks(run_id)["charge"].state != "up_for_retry":
            assert time.monotonic() < deadline, stack.tasks(run_id)
            time.sleep(0.5)
    finally:
        start(stack.state, [SANDBOX])
    assert (
        stack.finance(
            "select 1 from finance.payment_attempts a join finance.statements s using (statement_id)"
            " where s.period = '2026-09'"
        )
        == []
    )
    assert stack.finish(run_id) == "success"
    rows = stack.finance("select status, count(*) from finance.statements where period = '2026-09' group by 1")
    assert {name for name, _ in rows} == {"Paid", "Billing failure"}
    assert not_ok(stack) == []


def test_nothing_is_left_behind(stack: Stack) -> None:
    """After all of this every published figure still agrees, and no component has written an error of its own."""
    assert stack.finance("select period, check_id from finance.tie_out where not is_ok") == []
    twice = "select kind, period, account_id from finance.statements group by 1, 2, 3 having count(*) > 1"
    assert stack.finance(twice) == []
    assert stack.api.get("/api/v2/importErrors")["import_errors"] == []
    assert stack.api.unhealthy_parts() == []
