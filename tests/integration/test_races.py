"""Whoever collects the same statement at once collects it once, and the others say why not."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from month_helpers import NOW, PERIOD
from payment_helpers import SOFT, Till, check_collected_once, opened_till, together

from evbilling.errors import BadInput
from evbilling.payments.desk import Desk
from evbilling.payments.marking import MarkedAsPaid, PaidOutside, mark_as_paid
from evbilling.payments.rebilling import RebillRequest, rebill
from evbilling.payments.retrying import Retry, due_retries, month_end_retries, open_retries
from evbilling.stack.postgres import EmbeddedPostgres

pytestmark = pytest.mark.postgres

ROUNDS = 200
# The daily retries' own time: by then everything that may still succeed is due.
LATER = NOW + timedelta(days=20)

# Refusals as they are read; which of them depends on who was first and how far it had come.
REASONS = ("it is paid", "is paid: nothing is due", "under way", "tried on this occasion")


def _retry(desk: Desk, retry: Retry, trigger: str, occasion: str) -> int:
    """Tries one statement as a task of retries does; returns how many payments that brought."""
    return sum(
        desk.collect(batch).succeeded for batch in open_retries(desk, [retry], trigger, occasion, "airflow:scheduled")
    )


def _rebill(desk: Desk, statement_id: str, number: int) -> list[str | None]:
    request = RebillRequest(f"rebill-{number}", "ann", "asked for", (statement_id,))
    return [row.outcome for row in rebill(desk, request, LATER)]


def _mark(till: Till, statement_id: str, number: int) -> MarkedAsPaid:
    payment = PaidOutside(f"mark-{number}", "bob", "by transfer", statement_id, date(2026, 11, 20), f"bank {number}")
    return mark_as_paid(till.services, payment, date(2026, 12, 1))


def test_rebill_mark_and_both_retries_at_once_collect_once(
    postgres: EmbeddedPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """200 times the four ways to collect a failed statement begin at one moment; each time one of them collects it."""
    with opened_till(postgres, tmp_path, ROUNDS, methods=[SOFT]) as till, ExitStack() as stack:
        assert till.charge()["declined"] == {"soft": ROUNDS}
        till.sandbox.set_method(SOFT, None)
        desks = [stack.enter_context(till.desk(rate=2000, workers=2)) for _ in range(3)]
        at_end = {retry.debt.statement_id: retry for retry in month_end_retries(desks[0], PERIOD, NOW)}
        due = {retry.debt.statement_id: retry for retry in due_retries(desks[1], LATER)}
        assert all(retry.is_tried for retry in [*at_end.values(), *due.values()])
        winners: Counter[str] = Counter()
        for number, statement_id in enumerate(till.ids):
            caplog.clear()
            with caplog.at_level("INFO", logger="evbilling.payments.retrying"):
                by_end, by_plan, by_rebill, by_mark = together(
                    partial(_retry, desks[0], at_end[statement_id], "month_end", f"month_end {PERIOD}"),
                    partial(_retry, desks[1], due[statement_id], "planned", f"planned {number}"),
                    partial(_rebill, desks[2], statement_id, number),
                    partial(_mark, till, statement_id, number),
                )
            collected = {
                "month_end": by_end == 1,
                "planned": by_plan == 1,
                "rebill": by_rebill == ["succeeded"],
                "mark_as_paid": isinstance(by_mark, MarkedAsPaid),
            }
            winner = [name for name, has_won in collected.items() if has_won]
            assert len(winner) == 1, (statement_id, by_end, by_plan, by_rebill, by_mark)
            winners[winner[0]] += 1
            _check_losers_say_why(collected, by_rebill, by_mark, caplog.text)
            due_now = "select balance_due, paid_amount = total_amount from finance.statements where statement_id = %s"
            assert till.rows(due_now, statement_id) == [(0, True)]
        assert len(winners) > 1, winners
        check_collected_once(till)
        paid_outside = till.one("select count(*) from billing.paid_outside")
        assert paid_outside == winners["mark_as_paid"]
        assert len(till.charged()) == ROUNDS - paid_outside


def _check_losers_say_why(collected: dict[str, bool], by_rebill: Any, by_mark: Any, log: str) -> None:
    for name, result in (("rebill", by_rebill), ("mark_as_paid", by_mark)):
        if not collected[name]:
            assert isinstance(result, BadInput), (name, result)
            assert any(reason in str(result) for reason in REASONS), str(result)
    # A retry that lost says so in its log: how many were not tried, and why.
    losers = [name for name in ("month_end", "planned") if not collected[name]]
    told = [line for line in log.splitlines() if any(reason in line for reason in REASONS)]
    assert len(told) >= len(losers), (losers, log)


def test_two_of_the_same_action_at_once_are_one(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A request that comes twice at once, as from a page submitted twice, books or charges once."""
    with opened_till(postgres, tmp_path, 20, methods=[SOFT]) as till, ExitStack() as stack:
        till.charge()
        till.sandbox.set_method(SOFT, None)
        desks = [stack.enter_context(till.desk(rate=2000, workers=2, lease_seconds=0.5)) for _ in range(2)]
        for number, statement_id in enumerate(till.ids):
            if number % 2:
                results = together(*[partial(_mark, till, statement_id, number)] * 2)
                assert sorted(result.is_new for result in results) == [False, True], results
            else:
                results = together(*(partial(_rebill, desk, statement_id, number) for desk in desks))
                assert ["succeeded"] in results, results
            assert till.one("select balance_due from finance.statements where statement_id = %s", statement_id) == 0
        check_collected_once(till)
