"""Reconciliation: what became of charges nobody heard of, and each kind of break, found, told and gone again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import Mismatch, TransientError
from evbilling.payments.actions import Debt, RefundRequest, acknowledge_refund
from evbilling.payments.reconciliation import WHAT_TO_DO, Break, compare, copy_payments, require_no_breaks
from evbilling.payments.retries.runs import month_end_retries, open_retries
from evbilling_local.sandbox.faults import (
    DROP_AFTER,
    DROP_BEFORE,
    ERROR_500_AFTER,
    ERROR_500_BEFORE,
    READS,
    TIMEOUT_AFTER,
    FaultPlan,
)
from evbilling_local.sandbox.intents import INTENT
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PERIOD, contents
from tests.support.payments import (
    LONG_AGO,
    SOFT,
    VISA,
    PaymentWorld,
    check_books,
    check_collected_once,
    payment_world,
)
from tests.support.reconciling import look, mark, pay, refund

pytestmark = pytest.mark.postgres

# Kind of break, payment, what is recorded, what the gateway has, and how it is put right.
Made = tuple[str, str, int, int, Callable[[], object]]


def books(world: PaymentWorld) -> dict[str, list[str]]:
    """All that a comparison must leave alone."""
    names = ("statement", "transfer", "payment_attempt", "paid_outside", "payment_plan", "audit_event")
    with psycopg.connect(world.admin_url) as connection:
        return {
            name: [row[0] for row in connection.execute(f"select t::text from billing.{name} t order by 1")]
            for name in names
        }


def collect_without_asking(world: PaymentWorld, faults: FaultPlan | None, *, send: bool = True) -> None:
    """Try every statement once, without asking afterwards what became of it."""
    world.sandbox.set_faults(faults)
    with world.payment_services(workers=1) as payments:
        batches = open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", "once", "ann")
        for batch in batches if send else ():
            payments.collect(batch)
    world.sandbox.set_faults()


def credit(world: PaymentWorld, statement: str, total: int) -> None:
    """Issue a correction that credits so much."""
    tax = round(total * 0.19 / 1.19)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """insert into billing.statement (statement_id, kind, period, account_id, revision, number, run_id,
                   financial_admin_id, time_zone, statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor,
                   total_minor, corrects_statement_id, code_version)
               select replace(statement_id, 'A', 'C'), 'correction', period, account_id, 1, number, run_id,
                      financial_admin_id, time_zone, statement_date, currency, minor_unit, tax_rate, %s, %s, %s,
                      statement_id, 'x'
               from billing.statement where statement_id = %s""",
            (tax - total, -tax, -total, statement),
        )


# ---- Each kind of break


def deleted(world: PaymentWorld, paid: str, _: str) -> Made:
    """Vanished at the gateway."""
    (intent,) = world.charged()[paid]
    world.sandbox.delete_intent(intent["id"])

    def restore() -> None:
        world.sandbox.call(lambda api: api.store.put(INTENT, intent))

    return "recorded_not_charged", intent["id"], intent["amount"], 0, restore


def tampered(kind: str, more: int | None = None, **changes: Any) -> Callable[[PaymentWorld, str, str], Made]:
    """Changed at the gateway: so much more received, or something else."""

    def make(world: PaymentWorld, paid: str, _: str) -> Made:
        (intent,) = world.charged()[paid]
        before = {name: intent[name] for name in ("amount_received", *changes)}
        got = intent["amount_received"] + (more or 0)
        world.sandbox.tamper(intent["id"], **{"amount_received": got, **changes})
        recorded = 0 if "currency" in changes else intent["amount"]
        has = 0 if "status" in changes else got
        return kind, intent["id"], recorded, has, lambda: world.sandbox.tamper(intent["id"], **before)

    return make


def twice(world: PaymentWorld, paid: str, _: str) -> Made:
    """Charged once more for the attempt that succeeded, and refunded then."""
    (first,) = world.charged()[paid]
    second = world.sandbox.make_payment(first["amount"], "eur", metadata=first["metadata"])["id"]
    return "duplicate", second, 0, first["amount"], lambda: refund(world, second)


def refunded(share: int) -> Callable[[PaymentWorld, str, str], Made]:
    """Refunded in full or in part, credited by a correction then, which leaves it open, and acknowledged."""

    def make(world: PaymentWorld, paid: str, _: str) -> Made:
        (intent,) = world.charged()[paid]
        given_back = intent["amount"] // share
        refund(world, intent["id"], given_back)

        def put_right() -> None:
            credit(world, paid, given_back)
            assert [found.kind for found in look(world)] == ["refunded"]
            request = RefundRequest(f"seen {paid}", "ann", "seen", paid, Debt.DUE_AGAIN)
            assert acknowledge_refund(world.services, request).balance_due == 0

        return "refunded", intent["id"], intent["amount"], intent["amount"] - given_back, put_right

    return make


def out_of_nothing(world: PaymentWorld, _: str, failed: str) -> Made:
    """Charged for a statement without an attempt of ours, and booked by hand then."""
    due = world.one("select balance_minor from billing.receivable where statement_id = %s", failed)
    payment = pay(world, due, evbilling_statement=failed)
    return "charged_not_recorded", payment, 0, due, lambda: mark(world, failed, payment)


def after_all(world: PaymentWorld, _: str, failed: str) -> Made:
    """Charged for an attempt that was declined, and deleted then."""
    attempt = world.one("select attempt_id from billing.payment_attempt where statement_id = %s", failed)
    payment = pay(world, 4_711, evbilling_attempt=str(attempt))
    return "charged_not_recorded", payment, 0, 4_711, lambda: world.sandbox.delete_intent(payment)


def for_nothing(attempt: str) -> Callable[[PaymentWorld, str, str], Made]:
    """Charged for what no attempt can be, and refunded then."""

    def make(world: PaymentWorld, *_: str) -> Made:
        payment = pay(world, 300, evbilling_attempt=attempt)
        return "charged_not_recorded", payment, 0, 300, lambda: refund(world, payment)

    return make


BREAKS = {
    "deleted": deleted,
    "canceled": tampered("recorded_not_charged", status="canceled"),
    "more": tampered("amount_differs", 1),
    "less": tampered("amount_differs", -100),
    "another currency": tampered("amount_differs", currency="usd"),
    "twice": twice,
    "refunded": refunded(1),
    "partly refunded": refunded(2),
    "out of nothing": out_of_nothing,
    "declined, and charged after all": after_all,
    "for nobody": for_nothing(""),
    "for nonsense": for_nothing("9" * 40),
}


@pytest.fixture(scope="module")
def month(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """A paid and a failed statement for each break; each test leaves it without an open one."""
    with payment_world(postgres, tmp_path_factory.mktemp("month"), 2 * len(BREAKS), methods=[VISA, SOFT]) as world:
        world.charge()
        yield world


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_told_and_gone_once_put_right(month: PaymentWorld, name: str) -> None:
    """It is listed with its amounts and what to do, the books stay as they were, and put right it is gone."""
    number = list(BREAKS).index(name)
    paid, failed = month.ids[2 * number : 2 * number + 2]
    before = books(month)
    kind, payment, recorded, has, put_right = BREAKS[name](month, paid, failed)
    found = look(month)
    (one,) = found
    assert (one.kind, one.gateway_payment_id, one.recorded_minor, one.gateway_minor) == (kind, payment, recorded, has)
    of = None if name.startswith("for") else failed if kind == "charged_not_recorded" else paid
    currency = "USD" if "currency" in name else "EUR"
    query = """select kind, statement_id, currency, recorded_minor, gateway_minor, detail, is_open
               from finance.payment_breaks where gateway_payment_id = %s"""
    for_whom = f" for {of}" if of else ""
    sentence = (
        f"{kind}: {payment}{for_whom}: {recorded / 100:.2f} {currency} recorded, {has / 100:.2f} {currency} at the "
        f"gateway; {WHAT_TO_DO[kind]}"
    )
    assert month.rows(query, payment) == [(kind, of, currency, recorded, has, sentence, True)]
    with pytest.raises(Mismatch, match=f"differ in 1 payments:\n  {kind}: {payment}"):
        require_no_breaks(found)
    # A payment that says only its attempt, or nothing, is of no statement that the check could know.
    not_ok = [] if kind == "refunded" or of is None or "after all" in name else ["gateway-EUR"]
    assert month.tie_out() == not_ok
    assert look(month) == found
    assert books(month) == before
    put_right()
    assert look(month) == []
    assert [row[-1] for row in month.rows(query, payment)] == [False]
    assert month.tie_out() == []


def test_a_break_that_comes_back_is_open_again(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """It is the same row; and a payment booked by hand in part stays a break until it is booked whole."""
    with payment_world(postgres, tmp_path, 2, methods=[VISA, SOFT]) as world:
        world.charge()
        payment = world.intent_of(world.ids[0])
        query = "select break_id, first_seen_at, is_open from finance.payment_breaks where kind = 'amount_differs'"
        seen = []
        for received in (500, 595, 500, 595):
            world.sandbox.tamper(payment, amount_received=received)
            look(world)
            seen += world.rows(query)
        assert len({row[:2] for row in seen}) == 1
        assert [row[2] for row in seen] == [True, False, True, False]
        other = pay(world, 714, evbilling_statement=world.ids[1])
        found = []
        for amount in (Decimal("7.00"), Decimal("0.14")):
            mark(world, world.ids[1], other, amount)
            found += [(b.kind, b.recorded_minor, b.gateway_minor) for b in look(world)]
        assert found == [("amount_differs", 700, 714)]
        assert world.tie_out() == []


def test_an_old_break_stays_open_until_it_is_put_right(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Also where a comparison looks back less far than the payment is old."""
    with payment_world(postgres, tmp_path, 1) as world, world.payment_services() as payments:
        world.charge()
        payment = world.intent_of(world.ids[0])
        world.sandbox.tamper(payment, amount_received=500)
        look(world)
        since = datetime.now(UTC) + timedelta(days=1)
        assert [found.gateway_payment_id for found in compare(payments, since)] == [payment]
        assert world.one("select is_open from finance.payment_breaks")
        world.sandbox.tamper(payment, amount_received=595)
        assert compare(payments, since) == []
        assert not world.one("select is_open from finance.payment_breaks")


def test_payments_of_others_are_ignored(month: PaymentWorld) -> None:
    """Another warehouse's payment is none of ours, whatever statement and attempt it names; nor is anybody's else."""
    (intent,) = month.charged()[month.ids[4]]
    with month.payment_services() as payments:
        count = copy_payments(payments, LONG_AGO)
        foreign = intent["metadata"] | {"evbilling_installation": "00000000-0000-0000-0000-000000000000"}
        made = [month.sandbox.make_payment(595, "eur", metadata=data)["id"] for data in (foreign, {})]
        assert copy_payments(payments, LONG_AGO) == count
        assert compare(payments, LONG_AGO) == []
    for payment in made:
        month.sandbox.delete_intent(payment)


def test_a_list_that_breaks_off_marks_nothing_as_gone(month: PaymentWorld) -> None:
    """Only a list read to its end says that a payment is no longer on it."""
    gone = month.rows("select gateway_payment_id, gone_at from billing.gateway_payment order by 1")
    month.sandbox.set_faults(FaultPlan(rates={ERROR_500_BEFORE: 1.0}, on=READS))
    try:
        with pytest.raises(TransientError, match="HTTP 500"):
            look(month)
    finally:
        month.sandbox.set_faults()
    assert month.rows("select gateway_payment_id, gone_at from billing.gateway_payment order by 1") == gone


@pytest.mark.parametrize(("count", "named", "more"), [(1, 1, None), (20, 20, None), (23, 20, "... and 3 more")])
def test_at_most_twenty_breaks_are_named(count: int, named: int, more: str | None) -> None:
    """The message names so many and counts the rest; no break is no error."""
    require_no_breaks([])
    breaks = [Break("duplicate", f"pi_{n}", n, f"A-{n}", "JPY", 0, n) for n in range(count)]
    with pytest.raises(Mismatch, match=f"differ in {count} payments") as caught:
        require_no_breaks(breaks)
    assert str(caught.value).count("\n  duplicate: pi_") == named
    assert f"duplicate: pi_0 for A-0: 0 JPY recorded, 0 JPY at the gateway; {WHAT_TO_DO['duplicate']}" in str(
        caught.value
    )
    assert ("more" in caught.value.what.rpartition("\n")[2]) == bool(more)
    assert more is None or more in str(caught.value)


# ---- What became of charges without an answer

PAID = ("succeeded", None)
OPEN = ("unknown", None)
NEVER = ("declined", "not_charged")
# Payment method, fault, what the payment says then; what is known of it at once, and what after an hour.
CASES: dict[str, tuple[str, str, dict[str, Any] | str | None, tuple[str, str | None], tuple[str, str | None]]] = {
    "charged, no answer in time": (VISA, TIMEOUT_AFTER, None, PAID, PAID),
    "charged, connection lost": (VISA, DROP_AFTER, None, PAID, PAID),
    "charged, HTTP 500": (VISA, ERROR_500_AFTER, None, PAID, PAID),
    "charged twice": (VISA, DROP_AFTER, "twice", PAID, PAID),
    "declined, connection lost": (
        SOFT,
        DROP_AFTER,
        None,
        ("declined", "insufficient_funds"),
        ("declined", "insufficient_funds"),
    ),
    "canceled": (VISA, DROP_AFTER, {"status": "canceled"}, ("declined", "canceled"), ("declined", "canceled")),
    "to be confirmed by the customer": (
        VISA,
        DROP_AFTER,
        {"status": "requires_action"},
        ("declined", "authentication_required"),
        ("declined", "authentication_required"),
    ),
    "refunded meanwhile": (VISA, DROP_AFTER, "refunded", NEVER, NEVER),
    "never arrived": (VISA, DROP_BEFORE, None, OPEN, NEVER),
    "waits to be confirmed": (
        VISA,
        DROP_AFTER,
        {"status": "requires_payment_method"},
        OPEN,
        ("declined", "unspecified"),
    ),
    "still at work": (VISA, DROP_AFTER, {"status": "processing"}, OPEN, OPEN),
    "another amount": (VISA, DROP_AFTER, {"amount_received": 1}, OPEN, OPEN),
}


def test_only_asking_settles_what_is_unknown(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Each is settled by what the gateway lists; what isn't listed, only once it can't be on its way any more."""
    hour = timedelta(hours=1)
    with payment_world(postgres, tmp_path, len(CASES), methods=[case[0] for case in CASES.values()]) as world:
        faults = tuple(case[1] for case in CASES.values())
        collect_without_asking(world, FaultPlan(sequence=faults, hold_seconds=0.5))
        assert world.outcomes() == {"unknown": len(CASES)}
        ids = dict(zip(CASES, world.ids, strict=True))
        for name, (*_, change, _, _) in CASES.items():
            if change == "twice":
                (first,) = world.charged()[ids[name]]
                world.sandbox.make_payment(
                    first["amount"], "eur", metadata=first["metadata"], created=first["created"] + 1
                )
            elif change == "refunded":
                refund(world, world.intent_of(ids[name]))
            elif isinstance(change, dict):
                world.sandbox.tamper(world.intent_of(ids[name]), **change)
        # While they are asked about, what was charged as asked is no break yet; what isn't as asked is one.
        differing = [(b.kind, b.statement_id, b.recorded_minor, b.gateway_minor) for b in look(world)]
        assert differing == [("amount_differs", ids["another amount"], 0, 1)]
        for age, column in ((timedelta(0), 3), (2 * hour, 4)):
            for statement in world.ids if age else ():
                world.backdate(statement, age)
            expected = [case[column] for case in CASES.values()]
            settled = world.settle(min_age=hour)
            assert settled["still_unknown"] == expected.count(OPEN)
            query = "select outcome, decline_code from billing.payment_attempt order by statement_id"
            assert world.rows(query) == expected
            before = books(world)
            again = world.settle(min_age=hour)
            assert again == {"succeeded": 0, "declined": 0, "still_unknown": expected.count(OPEN)}
            assert books(world) == before
            check_books(world)
        assert {b.statement_id: b.kind for b in look(world)} == {
            ids["charged twice"]: "duplicate",
            ids["another amount"]: "amount_differs",
        }
        failed = {
            row[0]
            for row in world.rows("select statement_id from finance.payment_plans where reason_id <> 'FIRST-TRY'")
        }
        assert failed == {ids[name] for name, case in CASES.items() if case[4][0] == "declined"}
        for intent in world.intents():
            if intent["status"] == "processing":
                world.sandbox.tamper(intent["id"], status="succeeded")
        refund(world, world.intent_of(ids["another amount"]))
        world.settle()
        assert (world.attempts(ids["still at work"]), world.attempts(ids["another amount"])) == (
            ["succeeded"],
            ["declined"],
        )


def test_what_was_never_sent_is_given_up_after_a_day(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Whoever was to send it may still be about to, until a day has passed; afterwards nobody sends it any more."""
    with payment_world(postgres, tmp_path, 2) as world:
        collect_without_asking(world, None, send=False)
        world.backdate(world.ids[0], timedelta(hours=23))
        assert world.settle() == {"succeeded": 0, "declined": 0, "still_unknown": 2}
        world.backdate(world.ids[0], timedelta(hours=1, minutes=1))
        assert world.settle() == {"succeeded": 0, "declined": 1, "still_unknown": 1}
        query = "select decline_code, message, sent_at from finance.payment_attempts where outcome = 'declined'"
        assert world.rows(query) == [("not_charged", "it was never sent", None)]
        plans = dict(world.rows("select statement_id, reason_id from finance.payment_plans"))
        assert plans == {world.ids[0]: "RETRY", world.ids[1]: "FIRST-TRY"}
        with world.payment_services() as payments:
            assert payments.collect("once/0").succeeded == 1
        assert list(world.charged()) == [world.ids[1]]
        check_collected_once(world)


def test_an_old_charge_without_an_outcome_is_a_break(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Charged and not settled is no break for an hour; after it, until it is settled."""
    with payment_world(postgres, tmp_path, 2) as world:
        collect_without_asking(world, FaultPlan(rates={DROP_AFTER: 1.0}))
        assert look(world) == []
        world.backdate(world.ids[1], timedelta(minutes=61))
        assert [(b.kind, b.statement_id) for b in look(world)] == [("charged_not_recorded", world.ids[1])]
        assert world.settle() == {"succeeded": 2, "declined": 0, "still_unknown": 0}
        assert look(world) == []
        check_collected_once(world)


# ---- The figures of a month

FALSIFIED = [
    (
        "delete from billing.transfer where kind = 'payment' and statement_id = %s",
        ["collected-EUR", "listed-EUR", "standing-EUR"],
    ),
    (
        "delete from billing.transfer where kind = 'paid_outside' and statement_id <> %s",
        ["listed-EUR", "outside-EUR", "standing-EUR"],
    ),
    (
        "update billing.transfer set amount_minor = amount_minor + 1 where kind = 'issue' and statement_id = %s",
        ["ledger-EUR", "listed-EUR", "standing-EUR"],
    ),
    (
        "update billing.payment_attempt set amount_minor = amount_minor - 1 where statement_id = %s",
        ["collected-EUR", "gateway-EUR"],
    ),
    ("update billing.gateway_payment set gone_at = now() where statement_id = %s", ["gateway-EUR"]),
    ("update billing.standing set has_failed = true where statement_id = %s", ["standing-EUR"]),
    (
        "update billing.statement_sum set balance_minor = balance_minor + 1 where currency = 'EUR' and %s <> ''",
        ["listed-EUR"],
    ),
]


def test_the_figures_of_a_month_tie_out(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A clean month is all ok; each thing falsified shows in exactly its check, of its currency, until it is undone."""
    with payment_world(
        postgres, tmp_path, 4, methods=[VISA, VISA, SOFT, SOFT], kinds=[("EUR", None), ("JPY", "1500")]
    ) as world:
        world.charge()
        mark(world, world.ids[2], "bank")
        checks = "select check_id, left_value, right_value, is_ok from finance.tie_out where check_id ~ '-(EUR|JPY)$'"
        assert world.tie_out() == []
        clean = world.rows(checks)
        ids = {
            f"{check}-{currency}"
            for check in ("ledger", "collected", "gateway", "outside", "outstanding", "listed", "standing")
            for currency in ("EUR", "JPY")
        }
        assert ids <= {row[0] for row in clean}
        assert all(row[-1] for row in clean)
        tables = ("transfer", "payment_attempt", "gateway_payment", "standing", "statement_sum")
        with psycopg.connect(world.admin_url, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            for table in tables:
                connection.execute(f"create table public.{table}_before as table billing.{table}")
            for falsify, expected in FALSIFIED:
                connection.execute(falsify, (world.ids[0],))
                assert (falsify, world.tie_out()) == (falsify, expected)
                failing = [row[0] for row in world.rows(checks) if not row[-1]]
                assert sorted(failing) == expected
                for table in tables:
                    connection.execute(f"delete from billing.{table}")
                    columns = world.one(
                        """select string_agg(quote_ident(attname), ', ') from pg_attribute
                           where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''""",
                        f"billing.{table}",
                    )
                    connection.execute(
                        f"insert into billing.{table} ({columns}) overriding system value"
                        f" select {columns} from public.{table}_before"
                    )
            assert world.tie_out() == []
        assert sorted(world.rows(checks)) == sorted(clean)


def test_everything_twice_changes_nothing_more(month: PaymentWorld) -> None:
    """Asking, comparing and counting again leaves every row as it was, but for when it was last looked at."""

    def once() -> dict[str, list[Any]]:
        month.settle()
        payment = month.intent_of(month.ids[8])
        month.sandbox.tamper(payment, amount_received=1)
        found = look(month)
        month.tie_out()
        leave_out = ("gateway_pace", "gateway_payment", "payment_break")
        rows = {
            table: [
                json.dumps(row[0])
                for row in month.rows(f"select to_jsonb(t) - %s from billing.{table} t order by 1", seen)
            ]
            for table, seen in (("gateway_payment", "seen_at"), ("payment_break", "last_seen_at"))
        }
        return {**contents(month.admin_url, leave_out=leave_out), **rows, "found": found}

    assert once() == once()
    month.sandbox.tamper(month.intent_of(month.ids[8]), amount_received=595 + 119 * 8)
    assert look(month) == []
    assert datetime.now(UTC) > month.one("select max(last_seen_at) from finance.payment_breaks")
