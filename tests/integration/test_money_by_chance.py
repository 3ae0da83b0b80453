"""Whatever people and the gateway do with a statement, in whatever order: its figures are those of a simple model.

The model is written here and shares no code with the product. It says after each step what is due, paid, credited and
written off, the status, and whether the step is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evbilling.account_statements import assemble, close_run, issue_statements, validate
from evbilling.errors import BadInput
from evbilling.payments import PaymentServices
from evbilling.payments.actions import (
    Adjustment,
    AdjustRequest,
    Debt,
    MarkRequest,
    RebillRequest,
    RefundPaymentRequest,
    RefundRequest,
    UndoRequest,
    acknowledge_refund,
    adjust_statement,
    charge_again,
    mark_statements,
    refund_payment,
    reverse_payment,
)
from evbilling.payments.gateway.interface import Charge, ChargeResult, Outcome, Refund, RefundResult
from evbilling.payments.reconciliation import compare, look_again, settle_unknown
from evbilling.payments.retries.runs import due_retries, month_end_retries, open_retries
from evbilling.run_steps import RunRequest
from evbilling_local.stack import EmbeddedPostgres
from tests.support.corrections import correct
from tests.support.money_world import MemoryGateway
from tests.support.month import NOW, PERIOD
from tests.support.payments import LONG_AGO, PaymentWorld, check_standings, payment_world

pytestmark = pytest.mark.postgres

LATER = NOW + timedelta(days=20)
DAY = date(2026, 11, 20)
# Statements of the world: one for each example, and for the examples that are played again.
MOST = settings().max_examples + 10


# ---- The model, in minor units


@dataclass
class Model:
    """What a statement comes to. `payments`: what is left of each at the gateway; `marks`: those not undone."""

    billed: int
    # By the inventory: as first billed, as it was last corrected, as it is now.
    first: int
    inventory: int
    now: int
    payments: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    ways: list[tuple[str, int]] = field(default_factory=list)
    sent_back: int = 0
    # Of each payment what somebody refunded at the gateway and nobody has acknowledged; what was given up of that.
    given_back: dict[int, int] = field(default_factory=dict)
    given_up: int = 0
    write_offs: list[int] = field(default_factory=list)
    has_failed: bool = False
    charge: tuple[int, bool] | None = None
    refund: tuple[int, int, bool] | None = None
    booked: list[tuple[str, int]] = field(default_factory=list)

    @property
    def paid(self) -> int:
        return sum(self.payments) + sum(self.marks) - self.sent_back

    @property
    def due(self) -> int:
        return self.billed - self.paid - sum(self.write_offs) - self.given_up

    @property
    def most_credited(self) -> int:
        """What a credit by hand may come to."""
        return self.billed - self.given_up

    @property
    def is_quiet(self) -> bool:
        return self.charge is None and self.refund is None

    @property
    def status(self) -> str:
        unpaid = "Partly paid" if self.paid > 0 else "Billing failure" if self.has_failed else "Issued"
        if self.due > 0 or self.write_offs:
            return unpaid
        ways = [way for way, number in self.ways if way == "marked" or self.payments[number] > 0]
        if ways and ways[-1] == "marked":
            return "Paid manually"
        return "Billing failure (resolved)" if self.has_failed else "Paid"


# ---- The steps

GATEWAY = ("answers", "declines", "loses the answer", "never gets it")
STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["rebill", "retry", "month_end", "refund", "refund_due_again"]), st.sampled_from(GATEWAY)
    ),
    st.tuples(
        st.sampled_from(["mark", "goodwill", "extra_debit", "refund_outside"]),
        st.sampled_from(["part", "all", "too much"]),
    ),
    st.tuples(st.sampled_from(["undo", "write_off", "undo_write_off", "ask"]), st.just("")),
    st.sampled_from([
        *[("refund_there", how) for how in ("part", "all")],
        *[("acknowledge", debt.value) for debt in Debt],
        *[("correct", how) for how in ("removed", "in_service")],
    ]),
)


class ByChance(MemoryGateway):
    """The gateway in memory, which answers the next request as it is told to."""

    how = "answers"

    def charge(self, charge: Charge) -> ChargeResult:
        if self.how == "never gets it":
            return ChargeResult(Outcome.UNKNOWN, message="no answer")
        self.cards[charge.payment_method] = "soft" if self.how == "declines" else "ok"
        result = super().charge(charge)
        return ChargeResult(Outcome.UNKNOWN, message="no answer") if self.how == "loses the answer" else result

    def refund(self, refund: Refund) -> RefundResult:
        if self.how == "declines":
            return RefundResult(Outcome.REFUSED, message="not today")
        result = super().refund(refund) if self.how != "never gets it" else None
        return result if result and self.how == "answers" else RefundResult(Outcome.UNKNOWN, message="no answer")


@dataclass
class Bench:
    """The world, its services, and the statements that no example has had yet."""

    world: PaymentWorld
    payments: PaymentServices
    gateway: ByChance
    admin: psycopg.Connection[Any]
    left: Iterator[str]
    keys: Iterator[int]
    models: dict[str, Model] = field(default_factory=dict)

    def value(self, query: str, *values: Any) -> Any:
        """The only value of a query; the gateway asks what is due."""
        row = self.admin.execute(query, values).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def bench(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with (
        payment_world(postgres, tmp_path_factory.mktemp("chance"), MOST) as world,
        world.payment_services() as services,
        psycopg.connect(world.admin_url, autocommit=True) as admin,
    ):
        gateway = ByChance(None)
        bench = Bench(world, replace(services, gateway=gateway), gateway, admin, iter(world.ids), count(1))
        gateway.world = bench
        yield bench


def do(bench: Bench, model: Model, statement: str, step: str, how: str) -> None:
    """Do a step, and have the model follow; a refusal must be one of the model's."""
    key, before = f"chance-{next(bench.keys)}", len(bench.gateway.payments)
    bench.gateway.how = how
    asked: Any
    if step in {"rebill", "retry", "month_end"}:
        if step == "rebill":
            is_foreseen = model.due > 0 and model.charge is None
            _tried(is_foreseen, charge_again, bench.payments, RebillRequest(key, "ann", "asked", (statement,)), LATER)
        else:
            listed = due_retries(bench.payments, LATER)
            if step == "month_end":
                listed = month_end_retries(bench.payments, PERIOD, LATER)
            found = [one for one in listed if one.debt.statement_id == statement]
            # One that is planned while another charge is under way is refused when it is opened.
            is_foreseen = any(one.is_tried for one in found) and model.charge is None
            assert not is_foreseen or model.due > 0
            trigger = "month_end" if step == "month_end" else "planned"
            for batch in open_retries(bench.payments, found, trigger, key, "airflow"):
                bench.payments.collect(batch)
        if is_foreseen:
            amount, is_made = model.due, len(bench.gateway.payments) > before
            if how == "answers":
                model.payments.append(amount)
                model.ways.append(("charged", len(model.payments) - 1))
            elif how == "declines":
                model.has_failed = True
            else:
                model.charge = (amount, is_made)
        return
    if step == "ask":
        # When nothing is on its way any more.
        quiet = replace(bench.payments, lease_seconds=0, patience_seconds=0)
        settle_unknown(quiet, LONG_AGO, NOW, min_age=timedelta(0))
        if model.charge:
            amount, is_made = model.charge
            if is_made:
                model.payments.append(amount)
                model.ways.append(("charged", len(model.payments) - 1))
            else:
                model.has_failed = True
        if model.refund:
            number, amount, is_made = model.refund
            model.booked[-1:] = [(model.booked[-1][0], amount)] if is_made else []
            model.payments[number] -= amount * is_made
        model.charge = model.refund = None
        return
    if step in {"refund_there", "acknowledge", "correct"}:
        return _done_elsewhere(bench, model, statement, step, how, key)
    most = {
        "mark": model.due,
        "goodwill": model.most_credited,
        "extra_debit": 500,
        "refund_outside": -model.due,
        "undo": sum(model.marks[-1:]),
        "write_off": model.due,
        "undo_write_off": sum(model.write_offs[-1:]),
    }
    is_foreseen = model.is_quiet and (not model.write_offs or step in {"mark", "undo", "write_off", "undo_write_off"})
    if step.startswith("refund") and step != "refund_outside":
        is_foreseen = is_foreseen and not any(model.given_back.values())
        number = next((n for n, left in enumerate(model.payments) if left), 0)
        left = model.payments[number] if model.payments else 0
        amount = min(left, model.paid if step == "refund_due_again" else -model.due)
        made = _made(bench, statement)
        asked = RefundPaymentRequest(
            key, "ann", "agreed", statement, made[number] if made else "", is_due_again=step == "refund_due_again"
        )
        is_foreseen = is_foreseen and amount > 0
        _tried(is_foreseen and how != "declines", refund_payment, bench.payments, asked)
        if is_foreseen and how == "answers":
            model.payments[number] -= amount
            model.booked.append((step, amount))
        elif is_foreseen and how != "declines":
            model.refund = (number, amount, how == "loses the answer")
            model.booked.append((step, 0))
        return
    is_foreseen = is_foreseen and (step != "refund_outside" or not any(model.given_back.values()))
    # What was sent back of a payment keeps it from being undone.
    is_foreseen = is_foreseen and (step != "undo" or most[step] <= model.paid)
    amount = {"part": max(1, most[step] // 3), "all": most[step], "too much": most[step] + 1}.get(how, most[step])
    is_foreseen = is_foreseen and most[step] > 0 and (amount <= most[step] or step == "extra_debit")
    major = Decimal(amount) / 100
    if step == "mark":
        asked = MarkRequest(key, "bob", "by transfer", (statement,), DAY, f"bank {key}", major)
        _tried(is_foreseen, mark_statements, bench.world.services, asked, date(2026, 12, 1))
    elif step == "undo":
        payment = bench.admin.execute(
            """select max(paid_outside_id) from billing.paid_outside p where statement_id = %s and not exists (
                   select from billing.paid_outside_reversal r where r.paid_outside_id = p.paid_outside_id)""",
            (statement,),
        ).fetchone()
        wanted = UndoRequest(
            key, "cy", "another customer's", statement, f"paid-outside-{payment[0]}" if payment and payment[0] else ""
        )
        _tried(is_foreseen, reverse_payment, bench.world.services, wanted)
    else:
        asked = AdjustRequest(key, "ann", "agreed", statement, Adjustment(step), major if how else None)
        if step == "refund_outside":
            asked = replace(asked, paid_on=DAY, reference="bank 7")
        _tried(is_foreseen, adjust_statement, bench.world.services, asked)
    if not is_foreseen:
        return
    if step == "mark":
        model.marks.append(amount)
        model.ways.append(("marked", len(model.marks)))
    elif step == "undo":
        model.marks.pop()
        model.ways.pop(max(n for n, (way, _) in enumerate(model.ways) if way == "marked"))
    else:
        model.booked.append((step, amount))
        model.billed += {"goodwill": -amount, "extra_debit": amount}.get(step, 0)
        model.sent_back += amount if step == "refund_outside" else 0
        if step == "write_off":
            model.write_offs.append(amount)
        elif step == "undo_write_off":
            model.write_offs.pop()


def _done_elsewhere(bench: Bench, model: Model, statement: str, step: str, how: str, key: str) -> None:
    """What happens at the gateway and on the platform, and how it is acknowledged and corrected here."""
    made = _made(bench, statement)
    if step == "refund_there":
        on_its_way = model.refund[1] if model.refund and model.refund[2] else 0
        for number, left in enumerate(model.payments):
            rest = (
                left
                - model.given_back.get(number, 0)
                - (on_its_way if model.refund and model.refund[0] == number else 0)
            )
            if rest > 0:
                amount = rest if how == "all" else max(1, rest // 3)
                assert bench.gateway.give_back(made[number], amount)
                model.given_back[number] = model.given_back.get(number, 0) + amount
                break
        look_again(bench.payments, LONG_AGO)
    elif step == "acknowledge":
        number = next((n for n, minor in model.given_back.items() if minor), 0)
        amount, is_credited = model.given_back.get(number, 0), how == Debt.CREDITED
        is_foreseen = model.is_quiet and amount > 0 and not (is_credited and model.due < 0)
        asked = RefundRequest(key, "ann", "seen", statement, Debt(how), made[number] if made else "")
        _tried(is_foreseen, acknowledge_refund, bench.world.services, asked)
        if is_foreseen:
            model.given_back[number] = 0
            model.payments[number] -= amount
            model.given_up += amount if is_credited else 0
    else:
        account = f"a{bench.world.ids.index(statement):05d}"
        bench.world.platform.execute(
            "update platform.connector set status = %s where charger_id = %s", how, f"{account}-1"
        )
        model.now = 0 if how == "removed" else model.first
        by_hand = model.billed - model.inventory
        waits = model.charge is not None or bool(model.write_offs) or model.now + min(by_hand, 0) < model.given_up
        is_due = model.now != model.inventory
        (found,) = correct(bench.world.services, bench.world.admin_url, only=(statement,))["results"]
        assert found.state == ("as_issued" if not is_due else "waits" if waits else "corrected")
        if is_due and not waits:
            model.billed += model.now - model.inventory
            model.inventory = model.now


def _tried(is_foreseen: bool, act: Any, *values: Any) -> None:
    refused: BadInput | None = None
    try:
        act(*values)
    except BadInput as error:
        refused = error
    assert (refused is None) is is_foreseen, (act.__name__, values, refused)


def _made(bench: Bench, statement: str) -> list[str]:
    """The statement's recorded payments at the gateway, as they were made."""
    query = """select gateway_payment_id from billing.payment_attempt
               where statement_id = %s and outcome = 'succeeded' order by attempt_id"""
    return [row[0] for row in bench.admin.execute(query, (statement,)).fetchall()]


STATE = """
    select round(s.balance_due * 100)::int, round(s.paid_amount * 100)::int, round(s.written_off_amount * 100)::int,
           s.status::text,
           coalesce((select json_agg(json_build_array(a.kind, round(a.amount * 100)::int)
                                     order by a.kind, a.amount) from finance.adjustments a
                     where a.statement_id = s.statement_id and a.outcome = 'booked'), '[]'),
           (select coalesce(sum(case when p.status = 'succeeded' then p.amount * 100 end), 0)::int
            from (select 'succeeded' as status, amount from finance.payments f where f.statement_id = s.statement_id) p)
    from finance.statements s where s.statement_id = %s"""


def check(bench: Bench, model: Model, statement: str) -> None:
    """The statement's row, its adjustments and its payments are the model's."""
    (row,) = bench.admin.execute(STATE, (statement,)).fetchall()
    adjustments = sorted([kind, amount] for kind, amount in model.booked if amount)
    assert list(row) == [model.due, model.paid, sum(model.write_offs), model.status, adjustments, model.paid]
    assert bench.gateway.wrongs == []
    at_gateway = sum(p.amount_minor - p.refunded_minor for p in bench.gateway.successes().get(statement, []))
    on_the_way = (model.charge[0] if model.charge and model.charge[1] else 0) - (
        model.refund[1] if model.refund and model.refund[2] else 0
    )
    assert at_gateway == sum(model.payments) + on_the_way - sum(model.given_back.values())


@settings(phases=[Phase.explicit, Phase.generate])
@given(steps=st.lists(STEPS, min_size=3, max_size=9))
def test_any_sequence_of_steps(bench: Bench, steps: list[tuple[str, str]]) -> None:
    """After each step; at the end, once the gateway has been asked, no comparison or check minds."""
    statement = next(bench.left)
    total = bench.value("select total_minor from billing.statement where statement_id = %s", statement)
    model = bench.models[statement] = Model(total, total, total, total)
    last = [("ask", ""), *[("acknowledge", Debt.DUE_AGAIN)] * len(steps)]
    for step, how in [*steps, *last]:
        do(bench, model, statement, step, how)
        check(bench, model, statement)
    assert compare(bench.payments, LONG_AGO) == []
    assert bench.world.tie_out() == []
    check_standings(bench.world.admin_url)


def test_the_account_statements_come_to_the_models(bench: Bench) -> None:
    """After all examples: each account's closing balance is what the model says is due."""
    run_id = assemble(bench.world.services, RunRequest(PERIOD, "account_statements", "end", "ann"), now=LATER)["run_id"]
    validate(bench.world.services, run_id)
    issue_statements(bench.world.services, run_id)
    assert close_run(bench.world.services, run_id)["not_ok"] == []
    query = """select k.statement_id, s.total_minor from billing.statement s
               join billing.statement k on k.account_id = s.account_id and k.kind = 'connector'
               where s.kind = 'account'"""
    closing = dict(bench.admin.execute(query).fetchall())
    assert bench.models
    assert {statement: closing[statement] for statement in bench.models} == {
        statement: model.due for statement, model in bench.models.items()
    }
