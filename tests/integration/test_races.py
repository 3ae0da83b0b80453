"""Whoever collects the same statement at once collects it once, and the others say why not."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from evbilling.errors import BadInput
from evbilling.payments import PaymentServices
from evbilling.payments.actions import (
    ActionResult,
    Code,
    MarkRequest,
    RebillRequest,
    UndoRequest,
    charge_again,
    mark_statements,
    reverse_payment,
)
from evbilling.payments.retries.runs import Retry, due_retries, month_end_retries, open_retries
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PERIOD
from tests.support.payments import SOFT, PaymentWorld, check_collected_once, payment_world, together

pytestmark = pytest.mark.postgres

# The daily retries' own time: by then everything that may still succeed is due.
LATER = NOW + timedelta(days=20)

# How many head starts there are; with the longest the others begin when the first one is done.
HEAD_STARTS = 6

# Refusals as they are read; which of them depends on who was first and how far it had come.
REASONS = ("it is paid", "is paid: nothing is due", "under way", "tried on this occasion")


def _retry(payments: PaymentServices, retry: Retry, trigger: str, occasion: str) -> int:
    """Tries one statement as a task of retries does; returns how many payments that brought."""
    return sum(
        payments.collect(batch).succeeded
        for batch in open_retries(payments, [retry], trigger, occasion, "airflow:scheduled")
    )


def _rebill(payments: PaymentServices, statement_id: str, number: int) -> list[str | None]:
    request = RebillRequest(f"rebill-{number}", "ann", "asked for", (statement_id,))
    return [row.code for row in charge_again(payments, request, LATER)]


def _mark(world: PaymentWorld, statement_id: str, number: int, amount: Decimal | None = None) -> ActionResult:
    day, reference = date(2026, 11, 20), f"bank {number}"
    payment = MarkRequest(f"mark-{number}", "bob", "by transfer", (statement_id,), day, reference, amount)
    return mark_statements(world.services, payment, date(2026, 12, 1))[0]


def _in_turn(number: int, head_start: float | None, *acts: Callable[[], Any]) -> list[Any]:
    """Begins all of them close together, and each round another one first; without a number that one ends first.

    Who wins a round is the machine's choice, but for a round whose first one ends before the others begin.
    """
    first_is_done = Event()

    def begin(place: int) -> Any:
        turn = (place - number) % len(acts)
        if head_start is not None:
            time.sleep(turn * head_start)
        elif turn:
            first_is_done.wait()
        try:
            return acts[place]()
        finally:
            if not turn:
                first_is_done.set()

    return together(*(partial(begin, place) for place in range(len(acts))))


def test_rebill_mark_and_both_retries_at_once_collect_once(
    postgres: EmbeddedPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture, full: bool
) -> None:
    """Many times the four ways to collect a failed statement begin at one moment; each time one of them collects it."""
    rounds = 200 if full else 12
    with payment_world(postgres, tmp_path, rounds, methods=[SOFT]) as world, ExitStack() as stack:
        assert world.charge()["declined"] == {"soft": rounds}
        world.sandbox.set_method(SOFT, None)
        services = [stack.enter_context(world.payment_services(rate=2000, workers=2)) for _ in range(4)]
        at_end = {retry.debt.statement_id: retry for retry in month_end_retries(services[0], PERIOD, NOW)}
        due = {retry.debt.statement_id: retry for retry in due_retries(services[1], LATER)}
        assert all(retry.is_tried for retry in [*at_end.values(), *due.values()])
        winners: Counter[str] = Counter()
        for number, statement_id in enumerate(world.ids):
            caplog.clear()
            # From all at once to far enough apart that the first one has claimed the statement or finished with it.
            step = number // 2 % HEAD_STARTS
            head_start = None if step == HEAD_STARTS - 1 else 0.02 * step
            with caplog.at_level("INFO", logger="evbilling.payments.retries.runs"):
                by_end, by_plan, by_rebill, by_mark = _in_turn(
                    number,
                    head_start,
                    partial(_retry, services[0], at_end[statement_id], "month_end", f"month_end {PERIOD}"),
                    partial(_retry, services[1], due[statement_id], "planned", f"planned {number}"),
                    partial(_rebill, services[2], statement_id, number),
                    partial(_mark, world, statement_id, number),
                )
            collected = {
                "month_end": by_end == 1,
                "planned": by_plan == 1,
                "rebill": by_rebill == [Code.CHARGED],
                "mark_as_paid": isinstance(by_mark, ActionResult),
            }
            winner = [name for name, has_won in collected.items() if has_won]
            assert len(winner) == 1, (statement_id, by_end, by_plan, by_rebill, by_mark)
            winners[winner[0]] += 1
            _check_losers_say_why(collected, by_rebill, by_mark, caplog.text)
            due_now = "select balance_due, paid_amount = total_amount from finance.statements where statement_id = %s"
            assert world.rows(due_now, statement_id) == [(0, True)]
        assert len(winners) > 1, winners
        check_collected_once(world)
        paid_outside = world.one("select count(*) from billing.paid_outside")
        assert paid_outside == winners["mark_as_paid"]
        assert len(world.charged()) == rounds - paid_outside


def _check_losers_say_why(collected: dict[str, bool], by_rebill: Any, by_mark: Any, log: str) -> None:
    for name, result in (("rebill", by_rebill), ("mark_as_paid", by_mark)):
        if not collected[name]:
            assert isinstance(result, BadInput), (name, result)
            assert any(reason in str(result) for reason in REASONS), str(result)
    # A retry that lost says so in its log: how many were not tried, and why.
    losers = [name for name in ("month_end", "planned") if not collected[name]]
    refused = [line for line in log.splitlines() if re.search(r"1 refused \((paid|open_attempt|repeated)\)", line)]
    assert len(refused) >= len(losers), (losers, log)


def test_two_of_the_same_action_at_once_are_one(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A request that comes twice at once, as from a page submitted twice, books or charges once."""
    with payment_world(postgres, tmp_path, 10, methods=[SOFT]) as world, ExitStack() as stack:
        world.charge()
        world.sandbox.set_method(SOFT, None)
        services = [
            stack.enter_context(world.payment_services(rate=2000, workers=2, lease_seconds=0.5)) for _ in range(2)
        ]
        for number, statement_id in enumerate(world.ids):
            if number % 2:
                results = together(*[partial(_mark, world, statement_id, number)] * 2)
                assert sorted(result.code for result in results) == [Code.MARKED, Code.MARKED_BEFORE], results
            else:
                results = together(*(partial(_rebill, payments, statement_id, number) for payments in services))
                assert [Code.CHARGED] in results, results
            assert world.one("select balance_due from finance.statements where statement_id = %s", statement_id) == 0
        check_collected_once(world)


def _undo(world: PaymentWorld, statement_id: str, request_id: str) -> ActionResult:
    return reverse_payment(world.services, UndoRequest(request_id, "cy", "another customer's", statement_id))


def test_undo_against_everything_else_at_once(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """An undo, the same undo, another one, a Re-Bill of what is due and a Mark as Paid begin at one moment.

    Each payment is undone once, whatever is due in the end is what the books say, and what is due is planned.
    """
    rounds = 8
    with (
        payment_world(postgres, tmp_path, rounds, methods=[SOFT]) as world,
        world.payment_services(rate=2000, workers=2) as payments,
    ):
        world.charge()
        world.sandbox.set_method(SOFT, None)
        told: Counter[str] = Counter()
        for number, statement_id in enumerate(world.ids):
            # In turn a part, or all of it, so that only an undo makes something due.
            amount = None if number % 2 else Decimal(1)
            _mark(world, statement_id, number, amount)
            # In the last four rounds one is done before the others begin: Mark as Paid, an undo, Re-Bill, an undo.
            by_undo, by_rebill, by_same, by_other, by_mark = _in_turn(
                number,
                0 if number < 4 else None,
                partial(_undo, world, statement_id, f"undo-{number}"),
                partial(_rebill, payments, statement_id, number),
                partial(_undo, world, statement_id, f"undo-{number}"),
                partial(_undo, world, statement_id, f"other-{number}"),
                partial(_mark, world, statement_id, 1000 + number),
            )
            undone = [result for result in (by_undo, by_same, by_other) if isinstance(result, ActionResult)]
            assert all(isinstance(r, ActionResult | BadInput) for r in (by_undo, by_same, by_other)), (
                by_undo,
                by_other,
            )
            reversals = world.rows(
                """select paid_outside_id, count(*) from billing.transfer
                   where statement_id = %s and kind = 'paid_outside_reversal' group by 1""",
                statement_id,
            )
            assert all(count == 1 for _, count in reversals)
            assert len(reversals) == sum(result.code is Code.UNDONE for result in undone)
            told["undone"] += len(reversals)
            told["rebilled"] += by_rebill == [Code.CHARGED]
            told["marked"] += isinstance(by_mark, ActionResult)
            due, planned = world.rows(
                """select balance_due,
                          (select count(*) from finance.payment_plans p where p.statement_id = s.statement_id)
                   from finance.statements s where statement_id = %s""",
                statement_id,
            )[0]
            assert (planned == 1) is (due > 0), (statement_id, due, planned)
        assert told["undone"] >= 2, told
        assert told["rebilled"] > 0, told
        assert told["marked"] > 0, told
        sums = """select s.statement_id from finance.statements s left join finance.payments p using (statement_id)
                  group by s.statement_id, s.paid_amount having s.paid_amount <> coalesce(sum(p.amount), 0)"""
        assert world.rows(sums) == []
        world.settle()
        assert world.tie_out() == []
        check_collected_once(world)
