"""Re-Bill and Mark as Paid: what they do, what they refuse and why, their previews, and the same request again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import BadInput, TransientError
from evbilling.payments import PaymentServices
from evbilling.payments.actions import (
    CHARGE_REFUSALS,
    Action,
    ActionResult,
    Code,
    MarkRequest,
    RebillRequest,
    charge_again,
    latest_today,
    line,
    mark_statements,
    preview_mark_statements,
    preview_rebill,
)
from evbilling.payments.retries.planner import Policy
from evbilling.payments.retries.runs import month_end_retries, open_retries
from evbilling.period import Period
from evbilling_local.sandbox.faults import ALL, DROP_AFTER, ERROR_500_BEFORE, FaultPlan
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import (
    ASKS_CUSTOMER,
    HARD,
    SOFT,
    VISA,
    PaymentWorld,
    check_books,
    check_collected_once,
    payment_world,
)

pytestmark = pytest.mark.postgres

TODAY = PAID_ON
NOWHERE = "http://127.0.0.1:9"
CARDS = [VISA, SOFT, HARD, ASKS_CUSTOMER, None]
PAID, SOFTLY, HARDLY, ASKING, NONE = range(5)
AUDIT = (
    "select actor, action, subject_id, reason from finance.audit_events where action = %s order by subject_id, event_id"
)


def everything(world: PaymentWorld) -> dict[str, list[str]]:
    """Every row of the warehouse, but for the pace of requests; over one connection, for it is looked at often."""
    tables = """select relname from pg_class where relnamespace = 'billing'::regnamespace and relkind in ('r', 'p')
                and relname <> 'gateway_pace'"""
    with psycopg.connect(world.admin_url) as connection:
        names = [row[0] for row in connection.execute(tables)]
        return {
            name: [row[0] for row in connection.execute(f"select t::text from billing.{name} t order by 1")]
            for name in names
        }


def asked(*ids: str, **changes: Any) -> RebillRequest:
    """A request for these statements."""
    return replace(RebillRequest("r1", "ann", "the customer called", ids), **changes)


def under_way(payments: PaymentServices, *, trigger: str = "month_end") -> None:
    """Open attempts of what may be tried, and send none."""
    open_retries(payments, month_end_retries(payments, PERIOD, NOW), trigger, "under way", "ann")


@pytest.fixture
def month(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """A statement for each class of decline, charged once; the first is paid."""
    with payment_world(postgres, tmp_path, len(CARDS), methods=CARDS) as world:
        world.charge()
        yield world


@pytest.fixture(scope="module")
def kept(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """The same with a sixth statement; for what is refused, so that it stays as it is."""
    with payment_world(postgres, tmp_path_factory.mktemp("kept"), 6, methods=[*CARDS, VISA]) as world:
        world.charge()
        mark_statements(
            world.services, MarkRequest("before", "ann", "x", (world.ids[SOFTLY],), TODAY, "x", Decimal(1)), TODAY
        )
        yield world


# ---- Re-Bill

NO_STATEMENT = "A-209901-000001"
REFUSED = [
    (PAID, None, Policy(), Code.PAID, CHARGE_REFUSALS[Code.PAID]),
    (SOFTLY, None, Policy(most_in_30_days=1), Code.CAPPED, "tried once within 30 days, the most allowed"),
    (HARDLY, None, Policy(), Code.HARD_DECLINE, "only another payment method helps"),
    (NONE, None, Policy(), Code.NO_METHOD, "no payment method is stored, so there is nothing to charge"),
    (None, NO_STATEMENT, Policy(), Code.UNKNOWN, "there is no such connector statement"),
    (None, "", Policy(), Code.UNKNOWN, "there is no such connector statement"),
]


@pytest.mark.parametrize(("place", "statement", "policy", "code", "why"), REFUSED)
def test_a_statement_that_may_not_be_charged_again(
    kept: PaymentWorld, place: int | None, statement: str | None, policy: Policy, code: Code, why: str
) -> None:
    """The preview says why, the deed raises with the same reason, and neither writes nor calls the gateway."""
    statement_id = statement if place is None else kept.ids[place]
    before = everything(kept)
    with kept.payment_services(url=NOWHERE, policy=policy) as payments:
        (row,) = preview_rebill(payments, asked(str(statement_id)), NOW)
        assert row.code is code
        assert line(row).startswith(f"{statement_id}: not charged: ")
        assert why in line(row)
        with pytest.raises(BadInput, match="no statement is charged") as caught:
            charge_again(payments, asked(str(statement_id)), NOW)
    assert line(row) in str(caught.value)
    assert everything(kept) == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reason": ""}, "no reason is given"),
        ({"reason": " \t\n"}, "no reason is given"),
        ({"statement_ids": ()}, "name statements, or an account and a period"),
        ({"account_id": "a00001", "period": PERIOD}, "name statements, or an account and a period"),
        ({"statement_ids": (), "period": PERIOD}, "name statements, or an account and a period"),
        ({"statement_ids": (), "account_id": "a00001"}, "an account needs a period"),
        ({"statement_ids": (), "account_id": "nobody", "period": PERIOD}, "account nobody has no connector statement"),
        (
            {"statement_ids": (), "account_id": "a00001", "period": Period(2026, 10)},
            "account a00001 has no connector statement for 2026-10",
        ),
    ],
)
def test_a_request_that_is_none(kept: PaymentWorld, changes: dict[str, Any], says: str) -> None:
    """What is wrong with it is said, by the preview too, which asks for no reason yet; and nothing happens."""
    before = everything(kept)
    with kept.payment_services(url=NOWHERE) as payments:
        for deed in (preview_rebill, charge_again) if "reason" not in changes else (charge_again,):
            with pytest.raises(BadInput, match=says):
                deed(payments, asked(kept.ids[SOFTLY], **changes), NOW)
    assert everything(kept) == before


def test_a_charge_under_way_refuses(month: PaymentWorld) -> None:
    """While an attempt is open nobody knows what is due."""
    with month.payment_services() as payments:
        under_way(payments)
        before = everything(month)
        (row,) = preview_rebill(payments, asked(month.ids[SOFTLY]), NOW)
        assert row.code is Code.OPEN_ATTEMPT
        with pytest.raises(BadInput, match="a charge is under way"):
            charge_again(payments, asked(month.ids[SOFTLY]), NOW)
    assert everything(month) == before


def test_a_preview_says_what_would_be_charged(kept: PaymentWorld) -> None:
    """In the order asked for, each once, with what is due; without writing and without asking the gateway."""
    before = everything(kept)
    ids = [kept.ids[n] for n in (ASKING, SOFTLY, ASKING, PAID)]
    with kept.payment_services(url=NOWHERE) as payments:
        rows = preview_rebill(payments, asked(*ids), NOW)
        by_account = preview_rebill(payments, asked(account_id="a00003", period=PERIOD), NOW)
    assert [line(row) for row in rows] == [
        f"{ids[0]}: charge 9.52 EUR to {rows[0].payer}",
        f"{ids[1]}: charge 6.14 EUR to {rows[1].payer}",
        f"{ids[3]}: not charged: {CHARGE_REFUSALS[Code.PAID]}",
    ]
    assert by_account == rows[:1]
    assert everything(kept) == before


def test_after_a_change_of_the_payment_method_it_is_resolved(month: PaymentWorld) -> None:
    """Every class of decline is charged then; who asked and why is kept; the same request again charges nothing."""
    for n in range(1, 5):
        month.set_method(f"a{n:05d}", VISA)
    request = asked(*month.ids[1:])
    with month.payment_services() as payments:
        done = charge_again(payments, request, NOW)
        assert [(row.code, row.amount) for row in done] == [
            (Code.CHARGED, Decimal(amount)) for amount in ("7.14", "8.33", "9.52", "10.71")
        ]
        assert line(done[0]) == f"{month.ids[1]}: succeeded: 7.14 EUR to {done[0].payer}"
        assert set(month.statuses()[1:]) == {"Billing failure (resolved)"}
        assert month.rows("select * from finance.payment_plans") == []
        events = [("ann", "rebill", statement, "the customer called") for statement in month.ids[1:]]
        assert month.rows(AUDIT, "rebill") == events
        before = everything(month)
        month.set_method("a00001", HARD)
        assert charge_again(payments, request, NOW) == done
        with pytest.raises(BadInput, match="it is paid"):
            charge_again(payments, replace(request, request_id="r2"), NOW)
    # A charge first looks at the gateway's list, which is kept with the time when it was seen.
    assert everything(month) | {"gateway_payment": before["gateway_payment"]} == before
    check_collected_once(month)


def test_some_are_charged_and_some_refused(month: PaymentWorld) -> None:
    """One request: each with what became of it; by hand a soft decline needs no waiting, nor one for the customer."""
    month.set_method("a00003", VISA)
    with month.payment_services() as payments:
        rows = charge_again(payments, asked(*month.ids, NO_STATEMENT), NOW)
        codes = [row.code for row in rows]
        assert [codes[n] for n in (PAID, SOFTLY, ASKING)] == [Code.PAID, Code.DECLINED, Code.CHARGED]
        assert [codes[n] for n in (HARDLY, NONE, 5)] == [Code.HARD_DECLINE, Code.NO_METHOD, Code.UNKNOWN]
        assert rows[SOFTLY].decline_code == "insufficient_funds"
        assert "only another payment method helps" in line(rows[HARDLY])
        assert [row[2] for row in month.rows(AUDIT, "rebill")] == [month.ids[SOFTLY], month.ids[ASKING]]
        # A decline is an answer: the same request again reports it and tries nothing.
        assert [row.code for row in charge_again(payments, asked(*month.ids, NO_STATEMENT), NOW)] == codes
    assert (month.attempts(month.ids[SOFTLY]), month.status(month.ids[SOFTLY])) == (["declined"] * 2, "Billing failure")
    check_collected_once(month)


def test_by_account_and_period(month: PaymentWorld) -> None:
    """All connector statements that the account has for the period."""
    month.set_method("a00002", VISA)
    with month.payment_services() as payments:
        request = RebillRequest("r1", "bob", "new card", account_id="a00002", period=PERIOD)
        (row,) = charge_again(payments, request, NOW)
        assert (row.statement_id, row.code) == (month.ids[HARDLY], Code.CHARGED)
        assert charge_again(payments, request, NOW) == [row]
    assert month.rows(AUDIT, "rebill") == [("bob", "rebill", month.ids[HARDLY], "new card")]
    check_collected_once(month)


def test_a_rebill_that_is_cut_off_goes_on_with_the_same_request(month: PaymentWorld) -> None:
    """Without a gateway nothing is opened; without its answer it is unknown, and the repeat charges nothing more."""
    month.set_method("a00002", VISA)
    request = asked(month.ids[HARDLY])
    with month.payment_services() as payments:
        month.sandbox.set_faults(FaultPlan(rates={ERROR_500_BEFORE: 1.0}, on=ALL))
        with pytest.raises(TransientError):
            charge_again(payments, request, NOW)
        assert len(month.attempts(month.ids[HARDLY])) == 1
        month.sandbox.set_faults(FaultPlan(rates={DROP_AFTER: 1.0}))
        for _ in range(2):
            (row,) = charge_again(payments, request, NOW)
            assert (row.code, row.amount) == (Code.OUTCOME_UNKNOWN, Decimal("8.33"))
        month.sandbox.set_faults()
        assert month.settle()["succeeded"] == 1
        (row,) = charge_again(payments, request, NOW)
        assert (row.code, row.amount) == (Code.CHARGED, Decimal("8.33"))
    check_collected_once(month)


def test_a_rebill_charges_and_shows_what_the_gateway_can_take(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Of three decimals two: the last digit isn't charged, and that digit alone is refused, in the preview too."""
    with (
        payment_world(postgres, tmp_path, 1, methods=[SOFT], kinds=[("KWD", "5.100")]) as world,
        world.payment_services() as payments,
    ):
        world.charge()
        world.set_method("a00000", VISA)
        request = asked(*world.ids)
        assert [row.amount for row in preview_rebill(payments, request, NOW)] == [Decimal("6.060")]
        assert [(row.code, row.amount) for row in charge_again(payments, request, NOW)] == [
            (Code.CHARGED, Decimal("6.060"))
        ]
        (row,) = preview_rebill(payments, replace(request, request_id="r2"), NOW)
        assert row.code is Code.TOO_SMALL
        with pytest.raises(BadInput, match="less than the gateway can charge"):
            charge_again(payments, replace(request, request_id="r2"), NOW)
        assert world.status(world.ids[0]) == "Partly paid"


# ---- Mark as Paid


def paid(statement: str, amount: str | None = None, **changes: Any) -> MarkRequest:
    """A payment by bank."""
    payment = MarkRequest("m1", "ann", "came by bank", (statement,), TODAY, "bank 4711", amount and Decimal(amount))
    return replace(payment, **changes)


WRONG_REQUESTS = [
    ({"paid_on": TODAY + timedelta(days=1)}, "which is still to come"),
    ({"paid_on": date.max}, "which is still to come"),
    ({"reason": " "}, "no reason is given"),
    ({"reference": " "}, "no reference is given"),
    ({"reason": "paid by 4242 4242 4242 4242"}, "the reason has what looks like a card number"),
    ({"reference": "4242424242424242"}, "the reference has what looks like a card number"),
    ({"reason": "a\x00b"}, "the reason has a control character"),
    ({"reference": "a\x1bb"}, "the reference has a control character"),
    ({"reference": "x\u202ey"}, "the reference has a character that changes the order"),
    ({"reason": "x" * 1_001}, "the reason has 1,001 characters"),
]
REFUSED_PAYMENTS = [
    ({"amount": Decimal("9.53")}, "9.53 EUR is more than the 9.52 EUR due"),
    ({"amount": Decimal(-1)}, "the amount is -1"),
    ({"amount": Decimal("0.00")}, "the amount is 0.00"),
    ({"amount": Decimal("1.001")}, r"1.001 has more decimals than EUR has \(2\)"),
    ({"amount": Decimal("NaN")}, "the amount is NaN"),
    ({"amount": Decimal("Infinity")}, "the amount is Infinity"),
    ({"amount": Decimal("1e30")}, "more than any statement comes to"),
    ({"currency": "USD"}, "the statement is in EUR, not in USD"),
    ({"paid_on": date.min}, "paid_on is 0001-01-01, more than a year before"),
    ({"paid_on": date(2025, 10, 31)}, "paid_on is 2025-10-31, more than a year before"),
    ({"statement_ids": (NO_STATEMENT,)}, "there is no such connector statement"),
    ({"request_id": "before"}, "the request before was for another payment already"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED_PAYMENTS)
def test_a_payment_that_cannot_be_right_is_refused(kept: PaymentWorld, changes: dict[str, Any], says: str) -> None:
    """With what is wrong, in the preview too; nothing is written."""
    before = everything(kept)
    request = paid(kept.ids[ASKING], **changes)
    (row,) = preview_mark_statements(kept.services, request, TODAY)
    assert row.is_refused
    assert re.search(says, line(row))
    with pytest.raises(BadInput, match=says):
        mark_statements(kept.services, request, TODAY)
    assert everything(kept) == before


@pytest.mark.parametrize(("changes", "says"), WRONG_REQUESTS)
def test_a_request_that_makes_no_sense_is_refused(kept: PaymentWorld, changes: dict[str, Any], says: str) -> None:
    """As a whole; the preview asks for no reason or reference yet, but one of blanks is none."""
    before = everything(kept)
    for deed in (preview_mark_statements, mark_statements):
        with pytest.raises(BadInput, match=says):
            deed(kept.services, paid(kept.ids[ASKING], **changes), TODAY)
    assert everything(kept) == before


def test_what_is_paid_or_under_way_is_refused(month: PaymentWorld) -> None:
    """Nothing is due, or nobody knows what is; an account statement or correction is never paid itself."""
    with month.payment_services() as payments:
        under_way(payments)
    month_statement = "S-202611-000001"
    columns = (
        "period, account_id, account_name, run_id, financial_admin_id, time_zone, statement_date, currency, minor_unit"
    )
    amounts = "tax_rate, net_minor, tax_minor, total_minor, code_version"
    with psycopg.connect(month.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            f"""insert into billing.statement (statement_id, kind, revision, number, {columns}, {amounts})
                select %s, 'account', 0, 1, {columns}, {amounts} from billing.statement where statement_id = %s""",
            (month_statement, month.ids[0]),
        )
    before = everything(month)
    refused = {
        month.ids[PAID]: "is paid: nothing is due on it",
        month.ids[SOFTLY]: "a charge of .* is under way",
        month_statement: "is no connector statement",
    }
    for statement, says in refused.items():
        (row,) = preview_mark_statements(month.services, paid(statement), TODAY)
        assert row.code is Code.NOT_POSSIBLE
        assert re.search(says, line(row))
        with pytest.raises(BadInput, match=says):
            mark_statements(month.services, paid(statement), TODAY)
    assert everything(month) == before


@pytest.mark.parametrize("amount", [None, "9.52", "9.5", "1"])
def test_a_preview_writes_nothing(kept: PaymentWorld, amount: str | None) -> None:
    """It says what would be recorded and what would stay due."""
    before = everything(kept)
    (marked,) = preview_mark_statements(kept.services, paid(kept.ids[ASKING], amount), TODAY)
    given = Decimal(amount or "9.52")
    left = Decimal("9.52") - given
    assert marked == ActionResult(Action.MARK_AS_PAID, kept.ids[ASKING], Code.MARKED, given, "EUR", left)
    assert f"{kept.ids[ASKING]}: {given:.2f} EUR paid by other means; {left:.2f} EUR stay due" == line(marked)
    assert everything(kept) == before


def test_paid_in_full_and_the_same_request_again(month: PaymentWorld) -> None:
    """All that is due is paid once; the plan ends; who marked it and why is kept; again it is only reported."""
    statement = month.ids[HARDLY]
    payment = paid(statement, reason=" came by bank ", reference=" bank 4711 ", currency="EUR")
    for deed in (preview_mark_statements, mark_statements):
        (marked,) = deed(month.services, payment, TODAY)
        due = Decimal("0.00")
        assert marked == ActionResult(Action.MARK_AS_PAID, statement, Code.MARKED, Decimal("8.33"), "EUR", due)
    assert month.status(statement) == "Paid manually"
    assert month.rows("select * from finance.payment_plans where statement_id = %s", statement) == []
    recorded = "select paid_by, paid_on, amount, recorded_by, reference from finance.payments where statement_id = %s"
    assert month.rows(recorded, statement) == [("outside", TODAY, Decimal("8.33"), "ann", "bank 4711")]
    assert month.rows(AUDIT, "mark_as_paid") == [("ann", "mark_as_paid", statement, "came by bank")]
    before = everything(month)
    for amount in (None, "8.33"):
        again = paid(statement, amount)
        for deed in (preview_mark_statements, mark_statements):
            (marked,) = deed(month.services, again, TODAY)
            assert (marked.amount, marked.balance_due, marked.code) == (Decimal("8.33"), 0, Code.MARKED_BEFORE)
            assert "recorded before" in line(marked)
    for other in (paid(statement, "8.32"), paid(month.ids[SOFTLY]), paid(month.ids[SOFTLY], "8.33")):
        with pytest.raises(BadInput, match=r"was for another payment already|is more than"):
            mark_statements(month.services, other, TODAY)
    with month.payment_services() as payments, pytest.raises(BadInput, match="it is paid"):
        charge_again(payments, asked(statement), NOW)
    assert everything(month) == before
    check_books(month)


def test_paid_in_parts(month: PaymentWorld) -> None:
    """Each part lowers what is due; the rest by hand, or by a charge of exactly that."""
    by_hand, charged = month.ids[SOFTLY], month.ids[HARDLY]
    for number, (part, left, status) in enumerate([
        ("7.00", "0.14", "Partly paid"),
        ("0.04", "0.10", "Partly paid"),
        (None, "0.00", "Paid manually"),
    ]):
        (marked,) = mark_statements(month.services, paid(by_hand, part, request_id=f"p{number}"), TODAY)
        assert (marked.balance_due, month.status(by_hand)) == (Decimal(left), status)
        planned = month.rows("select 1 from finance.payment_plans where statement_id = %s", by_hand)
        assert bool(planned) == (status == "Partly paid")
    mark_statements(month.services, paid(charged, "5.00"), TODAY)
    month.set_method("a00002", VISA)
    with month.payment_services() as payments:
        (row,) = charge_again(payments, asked(charged), NOW)
    assert (row.code, row.amount) == (Code.CHARGED, Decimal("3.33"))
    assert month.status(charged) == "Billing failure (resolved)"
    assert month.one("select balance_due from finance.statements where statement_id = %s", charged) == 0
    month.settle()
    assert month.tie_out() == []
    check_collected_once(month)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 12, 5, 9, 59, tzinfo=UTC), date(2026, 12, 5)),
        (datetime(2026, 12, 5, 10, tzinfo=UTC), date(2026, 12, 6)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2026, 12, 5, 1, tzinfo=timezone(timedelta(hours=14))), date(2026, 12, 5)),
        (datetime(2026, 12, 5, 1, tzinfo=timezone(timedelta(hours=-12))), date(2026, 12, 6)),
    ],
)
def test_nobodys_today_lies_in_the_future(moment: datetime, day: date) -> None:
    """The day that it is furthest east may be given, the one after it may not."""
    assert latest_today(moment) == day


@pytest.mark.parametrize(
    ("day", "says"),
    [
        ("'0001-01-01'", "more than a year before"),
        ("'-infinity'", "more than a year before"),
        ("'2025-10-31'", "more than a year before"),
        ("'2025-11-01'", None),
        ("(now() at time zone 'Pacific/Kiritimati')::date", None),
        ("(now() at time zone 'Pacific/Kiritimati')::date + 1", "still to come"),
        ("'9999-12-31'", "still to come"),
        ("'infinity'", "still to come"),
        ("null", "still to come"),
    ],
)
def test_the_warehouse_itself_bounds_the_day(kept: PaymentWorld, day: str, says: str | None) -> None:
    """By its own clock, whoever calls its function: from a year before the statement to the latest today on earth."""
    call = f"select is_new from billing.record_paid_outside('r', %s, null, 'EUR', {day}, 'x', 'ann', 'x')"
    with psycopg.connect(kept.services.warehouse_url) as writer:
        if says is None:
            assert writer.execute(call.encode(), (kept.ids[ASKING],)).fetchone() == (True,)
        else:
            with pytest.raises(psycopg.Error, match=says) as refused:
                writer.execute(call.encode(), (kept.ids[ASKING],))
            assert refused.value.sqlstate == "EV004"
        writer.rollback()
