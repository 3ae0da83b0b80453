"""What people change by hand, at one moment with Re-Bill, Mark as Paid, both retries and the reconciliation.

Who wins is the machine's business. After each round the gateway, the books and the list agree, nothing was charged
beyond what was due then, and no money was given back twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import BadInput, EvbillingError, TransientError
from evbilling.payments import PaymentServices
from evbilling.payments.actions import (
    Adjustment,
    AdjustRequest,
    Debt,
    MarkRequest,
    RebillRequest,
    RefundPaymentRequest,
    RefundRequest,
    acknowledge_refund,
    adjust_statement,
    charge_again,
    mark_statements,
    refund_payment,
)
from evbilling.payments.reconciliation import compare, settle_unknown
from evbilling.payments.retries.runs import close_retries, due_retries, month_end_retries, open_retries
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PERIOD
from tests.support.payments import LONG_AGO, SOFT, PaymentWorld, check_standings, payment_world, together
from tests.support.reconciling import look, refund

pytestmark = pytest.mark.postgres

# By then everything that may still succeed is due.
LATER = NOW + timedelta(days=20)
# How many head starts there are; the longest is about as long as a charge takes.
HEAD_STARTS = 4
TWO = Decimal("2.00")
DAY = date(2026, 11, 20)

# Of each statement: what is due less what should be, the cash, whether what is due is planned, whether something is
# under way, and whether it was ever paid or written off beyond what was due then.
UNEVEN = """
    select s.statement_id,
           r.balance_minor - (s.total_minor + coalesce(c.minor, 0) - r.paid_minor - l.written_off - l.given_up),
           l.cash, r.balance_minor <= 0 or exists (
               select from billing.payment_plan p where p.statement_id = s.statement_id and p.reason_id <> 'PAID'),
           exists (select from billing.payment_attempt a
                   where a.statement_id = s.statement_id and a.outcome in ('pending', 'unknown'))
           or exists (select from billing.refund_attempt a
                      where a.statement_id = s.statement_id and a.outcome in ('pending', 'unknown')),
           l.is_beyond
    from billing.statement s
    join billing.receivable r using (statement_id)
    cross join lateral (
        select sum(k.total_minor) as minor from billing.statement k where k.corrects_statement_id = s.statement_id) c
    cross join lateral (
        select coalesce(sum(t.signed) filter (where 'cash' in (t.debit_account, t.credit_account)), 0) as cash,
               coalesce(sum(t.signed) filter (where 'written_off' in (t.debit_account, t.credit_account)), 0)
                   as written_off,
               coalesce(sum(t.signed) filter (where 'goodwill' in (t.debit_account, t.credit_account)), 0) as given_up,
               coalesce(bool_or(t.kind in ('payment', 'paid_outside', 'write_off') and t.balance < 0), false)
                   as is_beyond
        from (select k.*,
                     case when k.credit_account = 'receivable' then k.amount_minor else -k.amount_minor end as signed,
                     sum(case when k.debit_account = 'receivable' then k.amount_minor else -k.amount_minor end)
                         over (order by k.transfer_id) as balance
              from billing.transfer k where k.statement_id = s.statement_id) t) l
    where s.kind = 'connector'"""

Act = Callable[[PaymentWorld, PaymentServices, str, str], object]


# ---- What is done by hand; each takes the world, a task's services, the statement and a request's id


def _adjust(kind: Adjustment, amount: Decimal | None, world: PaymentWorld, _: object, statement: str, key: str) -> Any:
    request = AdjustRequest(f"{kind}-{key}", "ann", "agreed", statement, kind, amount)
    if kind is Adjustment.REFUND_OUTSIDE:
        request = replace(request, paid_on=DAY, reference="bank 7")
    return adjust_statement(world.services, request)


def _give_back(*, is_due_again: bool) -> Act:
    def act(_: PaymentWorld, payments: PaymentServices, statement: str, key: str) -> object:
        amount = None if is_due_again else TWO
        asked = RefundPaymentRequest(f"refund-{key}", "ann", "agreed", statement, "", amount, is_due_again)
        return refund_payment(payments, asked)

    return act


def _acknowledge(debt: Debt, world: PaymentWorld, _: object, statement: str, key: str) -> object:
    return acknowledge_refund(world.services, RefundRequest(f"acknowledge-{key}", "ann", "seen", statement, debt))


def _rebill(_: PaymentWorld, payments: PaymentServices, statement: str, key: str) -> object:
    return charge_again(payments, RebillRequest(f"rebill-{key}", "cy", "asked for", (statement,)), LATER)


def _mark(world: PaymentWorld, _: object, statement: str, key: str) -> object:
    request = MarkRequest(f"mark-{key}", "bob", "by transfer", (statement,), DAY, f"bank {key}")
    return mark_statements(world.services, request, date(2026, 12, 1))


def _retry(trigger: str, _: PaymentWorld, payments: PaymentServices, statement: str, key: str) -> object:
    name = f"{trigger} {key}"
    found = month_end_retries(payments, PERIOD, NOW) if trigger == "month_end" else due_retries(payments, LATER)
    mine = [replace(retry, is_tried=True) for retry in found if retry.debt.statement_id == statement]
    for batch in open_retries(payments, mine, trigger, name, "airflow:scheduled"):
        payments.collect(batch)
    return close_retries(payments, name, LATER)


def _reconcile(_: PaymentWorld, payments: PaymentServices, __: str, ___: str) -> object:
    settle_unknown(payments, LONG_AGO, NOW, min_age=payments.least_age)
    return compare(payments, LONG_AGO)


RIVALS: list[Act] = [_rebill, _mark, partial(_retry, "month_end"), partial(_retry, "planned"), _reconcile]

# Of a debt that was declined: before the round, and in it.
OF_A_DEBT: list[tuple[list[Act], Act]] = [
    ([], partial(_adjust, Adjustment.GOODWILL, TWO)),
    ([], partial(_adjust, Adjustment.EXTRA_DEBIT, TWO)),
    ([], partial(_adjust, Adjustment.WRITE_OFF, None)),
    ([partial(_adjust, Adjustment.WRITE_OFF, None)], partial(_adjust, Adjustment.UNDO_WRITE_OFF, None)),
]


def _refund_there(world: PaymentWorld, _: object, statement: str, __: str) -> None:
    refund(world, world.intent_of(statement), 200)
    look(world)


_CREDIT = partial(_adjust, Adjustment.GOODWILL, TWO)
# Of a payment.
OF_A_PAYMENT: list[tuple[list[Act], Act]] = [
    ([_CREDIT], _give_back(is_due_again=False)),
    ([], _give_back(is_due_again=True)),
    ([_CREDIT], partial(_adjust, Adjustment.REFUND_OUTSIDE, None)),
    ([_refund_there], partial(_acknowledge, Debt.DUE_AGAIN)),
    ([_refund_there], partial(_acknowledge, Debt.CREDITED)),
]


@pytest.mark.parametrize("deeds", [OF_A_DEBT, OF_A_PAYMENT], ids=["debts", "payments"])
def test_by_hand_against_all_that_collects(
    postgres: EmbeddedPostgres, tmp_path: Path, full: bool, deeds: list[tuple[list[Act], Act]]
) -> None:
    """Each deed, begun first, last and in between; what was refused for want of time is done afterwards."""
    rounds = len(deeds) * (8 if full else 1)
    is_debt = deeds is OF_A_DEBT
    keys = count(1)
    with payment_world(postgres, tmp_path, rounds, methods=[SOFT] if is_debt else ["pm_card_visa"]) as world:
        assert world.charge()["declined" if is_debt else "succeeded"]
        world.sandbox.set_method(SOFT, None)
        with ExitStack() as stack:
            services = [stack.enter_context(world.payment_services(rate=2000, workers=2)) for _ in range(6)]
            for number, statement in enumerate(world.ids):
                before, deed = deeds[number % len(deeds)]
                for act in before:
                    act(world, services[0], statement, f"before-{number}")
                acts = [deed, *RIVALS]
                # Each act begins first in turn, all at once or so far apart that the first has claimed or finished.
                turn, apart = number // len(deeds) + number, 0.02 * (number % HEAD_STARTS)
                delays = [(place - turn) % len(acts) * apart for place in range(len(acts))]
                told = together(
                    *(
                        partial(_after, delay, partial(act, world, payments, statement, f"{number}-{place}"))
                        for place, (act, payments, delay) in enumerate(zip(acts, services, delays, strict=True))
                    )
                )
                unforeseen = [one for one in told if isinstance(one, EvbillingError) and not _is_foreseen(one)]
                assert unforeseen == [], (statement, told)
                if isinstance(told[0], EvbillingError):
                    _again(lambda d=deed, s=statement: d(world, services[0], s, f"again-{next(keys)}"))
                if full:
                    _require_even(world, [statement])
        _require_even(world, world.ids)


def _after(delay: float, act: Callable[[], Any]) -> Any:
    time.sleep(delay)
    return act()


def _is_foreseen(error: EvbillingError) -> bool:
    return isinstance(error, BadInput | TransientError)


def _again(act: Callable[[], object]) -> None:
    """Alone a deed is done, or what the rivals did has left nothing to be done."""
    (told,) = together(act)
    assert "under way" not in str(told), told


def _require_even(world: PaymentWorld, statements: Sequence[str]) -> None:
    """No break, no check that isn't ok, and each of these statements in itself and at the gateway."""
    assert look(world) == []
    check_standings(world.admin_url)
    assert world.tie_out() == []
    kept: Counter[str] = Counter()
    with world.payment_services() as payments:
        for payment in payments.gateway.list_payments(LONG_AGO):
            if payment.outcome == "succeeded":
                kept[payment.metadata["evbilling_statement"]] += payment.amount_minor - payment.refunded_minor
    uneven = [
        (statement, row)
        for statement, *row in world.rows(UNEVEN)
        if statement in statements and row != [0, kept[statement], True, False, False]
    ]
    assert uneven == []
