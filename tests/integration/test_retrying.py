"""Retries: which failed statements are tried on which occasion, in batches, and what is planned for them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from evbilling.payments import PaymentServices, attempts
from evbilling.payments.actions import MarkRequest, mark_statements
from evbilling.payments.gateway.interface import Charge
from evbilling.payments.retries import runs
from evbilling.payments.retries.planner import Policy
from evbilling.payments.retries.runs import Retry, close_retries, due_retries, month_end_retries, open_retries
from evbilling.period import Period
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import (
    ASKS_CUSTOMER,
    DAY,
    HARD,
    SOFT,
    VISA,
    PaymentWorld,
    check_books,
    check_collected_once,
    counted,
    payment_world,
)

pytestmark = pytest.mark.postgres

UNCLEAR = "pm_unclear"
MINUTE = timedelta(minutes=1)
CARDS = [VISA, SOFT, HARD, ASKS_CUSTOMER, None, UNCLEAR]


@pytest.fixture
def failed(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """A statement for each class of decline, charged once; the first is paid."""
    with payment_world(postgres, tmp_path, len(CARDS), methods=CARDS) as world:
        world.sandbox.set_method(UNCLEAR, "call_issuer")
        world.charge()
        yield world


@pytest.fixture
def soft(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """One statement whose charge was declined softly."""
    with payment_world(postgres, tmp_path, 1, methods=[SOFT]) as world:
        world.charge()
        yield world


@pytest.fixture
def eight(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PaymentWorld]:
    """Eight statements never tried, in batches of three."""
    monkeypatch.setattr(runs, "BATCH_SIZE", 3)
    with payment_world(postgres, tmp_path, 8) as world:
        yield world


def now() -> datetime:
    """The moment, by the clock that attempts have."""
    return datetime.now(UTC)


def judged(world: PaymentWorld, retries: list[Retry]) -> list[tuple[int, str, bool]]:
    """Each retry as the statement's place, the reason and whether it is tried."""
    return [(world.ids.index(r.debt.statement_id), r.plan.reason_id, r.is_tried) for r in retries]


def run(payments: PaymentServices, retries: list[Retry], name: str, trigger: str = "planned") -> dict[str, int]:
    """Try what is to be tried, as the DAG does."""
    for batch in open_retries(payments, retries, trigger, name, "ann"):
        payments.collect(batch)
    return close_retries(payments, name, now())


def test_what_is_tried_by_class_of_decline(failed: PaymentWorld) -> None:
    """The month's end tries what may succeed without waiting, a day's retries what is due; neither what is hard."""
    at_month_end = [
        (1, "RETRY", True),
        (2, "HARD-DECLINE", False),
        (3, "NEEDS-CUSTOMER", False),
        (4, "NO-METHOD", False),
        (5, "RETRY", True),
    ]
    with failed.payment_services() as payments:
        assert judged(failed, month_end_retries(payments, PERIOD, now())) == at_month_end
        # What failed belongs to every month's end, whatever period it is of.
        assert judged(failed, month_end_retries(payments, Period(2027, 3), now())) == at_month_end
        assert [tried for *_, tried in judged(failed, due_retries(payments, now()))] == [False] * 5
        assert judged(failed, due_retries(payments, now() + DAY)) == at_month_end
        sentences = [retry.sentence() for retry in month_end_retries(payments, PERIOD, now())]
        assert f"{failed.ids[1]}  7.14 EUR  " in sentences[0]
        assert "  now  (declined once" in sentences[0]
        assert "  no automatic try  (declined for good" in sentences[1]
        assert " UTC  (declined once" in due_retries(payments, now())[0].sentence()
        assert run(payments, month_end_retries(payments, PERIOD, now()), "e", "month_end") == {"declined": 2}
        # A reason that nobody knows is tried again once only.
        later = judged(failed, month_end_retries(payments, PERIOD, now() + 9 * DAY))
        assert (later[0], later[-1]) == ((1, "RETRY", True), (5, "UNKNOWN-DECLINE", False))
    triggers = "select statement_id, trigger, requested_by, occasion from billing.payment_attempt where attempt_no = 2"
    assert failed.rows(f"{triggers} order by 1") == [(failed.ids[n], "month_end", "ann", "e") for n in (1, 5)]
    check_books(failed)


def test_gaps_grow_until_it_is_given_up(soft: PaymentWorld) -> None:
    """Each try waits longer after the one before; after the last gap nothing is tried by itself."""
    (statement,) = soft.ids
    with soft.payment_services() as payments:
        for number, gap in enumerate(payments.policy.gaps_days):
            soft.backdate(statement, gap * DAY - MINUTE)
            assert judged(soft, due_retries(payments, now())) == [(0, "RETRY", False)]
            planned = soft.one("select planned_at from finance.payment_plans")
            soft.backdate(statement, MINUTE)
            assert run(payments, due_retries(payments, now()), f"day {number}") == {"declined": 1}
            following = soft.one("select planned_at from finance.payment_plans")
            assert (following is None) == (number == 5)
            assert following is None or following > planned
        assert judged(soft, due_retries(payments, now() + 99 * DAY)) == [(0, "GIVEN-UP", False)]
        assert judged(soft, month_end_retries(payments, PERIOD, now() + 99 * DAY)) == [(0, "GIVEN-UP", False)]
    assert soft.attempts(statement) == ["declined"] * 7
    assert soft.rows("select planned_at, reason_id from finance.payment_plans") == [(None, "GIVEN-UP")]


def test_tries_are_spread_over_the_hours_that_the_policy_says(failed: PaymentWorld) -> None:
    """With a spread, a try is due up to so much later, always at the same moment."""
    with failed.payment_services(policy=Policy()) as payments:
        moments = [[r.plan.at for r in due_retries(payments, now())] for _ in range(2)]
    assert moments[0] == moments[1]
    with failed.payment_services() as payments:
        exact = [r.plan.at for r in due_retries(payments, now())]
    assert all(b <= a <= b + DAY for a, b in zip(moments[0], exact, strict=True) if a and b)
    assert moments[0] != exact


def test_a_changed_payment_method_is_tried_at_the_next_occasion(failed: PaymentWorld) -> None:
    """Whatever the decline was, another card needs no waiting; and what is paid then is planned no more."""
    for n in range(1, 6):
        failed.set_method(f"a{n:05d}", VISA)
    with failed.payment_services() as payments:
        retries = due_retries(payments, now())
        assert judged(failed, retries) == [(n, "METHOD-CHANGED", True) for n in range(1, 6)]
        assert run(payments, retries, "new cards") == {"succeeded": 5}
        assert due_retries(payments, now() + 99 * DAY) == []
    assert failed.rows("select * from finance.payment_plans") == []
    assert failed.statuses() == ["Paid"] + ["Billing failure (resolved)"] * 5
    check_collected_once(failed)


def test_a_payment_method_that_is_gone_is_not_charged(failed: PaymentWorld) -> None:
    """Taken away before the attempt is opened, it is a failure without a call; before the planning, no attempt."""
    with failed.payment_services(url="http://127.0.0.1:9") as payments:
        retries = month_end_retries(payments, PERIOD, now())
        failed.platform.execute("update platform.app_user set payment_method = null")
        assert open_retries(payments, retries, "month_end", "e", "ann") == ["e/0"]
        assert payments.collect("e/0").total == 0
        assert close_retries(payments, "e", now()) == {"declined": 2}
        assert {reason for _, reason, _ in judged(failed, month_end_retries(payments, PERIOD, now()))} == {"NO-METHOD"}
    query = (
        "select statement_id from billing.payment_attempt where decline_code = 'no_payment_method' and sent_at is null"
    )
    assert {row[0] for row in failed.rows(query)} == {failed.ids[n] for n in (1, 4, 5)}


def test_the_cap_holds_in_the_plan_and_in_the_warehouse(soft: PaymentWorld) -> None:
    """Tried as often as is allowed, it isn't tried again for 30 days, though somebody's plan says so."""
    (statement,) = soft.ids
    with soft.payment_services(policy=Policy(most_in_30_days=2, spread_hours=0)) as payments:
        assert run(payments, month_end_retries(payments, PERIOD, now()), "one", "month_end") == {"declined": 1}
        for days, is_open in ((5, False), (29, False), (30, True)):
            for retries in (
                month_end_retries(payments, PERIOD, now() + days * DAY),
                due_retries(payments, now() + days * DAY),
            ):
                assert [(r.plan.reason_id == "CAPPED", r.is_tried) for r in retries] == [(not is_open, is_open)]
        (capped,) = month_end_retries(payments, PERIOD, now())
        assert capped.sentence().endswith("the most allowed: not before " + f"{capped.plan.at:%Y-%m-%d %H:%M} UTC)")
        before = soft.attempts(statement)
        assert open_retries(payments, [replace(capped, is_tried=True)], "month_end", "two", "ann") == ["two/0"]
        assert close_retries(payments, "two", now()) == {}
        assert soft.attempts(statement) == before
        assert soft.rows("select reason_id, planned_at from finance.payment_plans") == [("CAPPED", capped.plan.at)]
        soft.backdate(statement, 30 * DAY)
        assert run(payments, due_retries(payments, now()), "two") == {"declined": 1}


def test_the_warehouse_refuses_what_was_declined_for_good(failed: PaymentWorld) -> None:
    """Whatever somebody's plan says, until the customer has another payment method."""
    hard = failed.ids[2]
    with failed.payment_services() as payments:
        (retry,) = [r for r in month_end_retries(payments, PERIOD, now()) if r.debt.statement_id == hard]
        forced = [replace(retry, is_tried=True)]
        assert open_retries(payments, forced, "month_end", "one", "ann") == ["one/0"]
        assert close_retries(payments, "one", now()) == {}
        assert failed.attempts(hard) == ["declined"]
        failed.set_method("a00002", VISA)
        assert run(payments, forced, "two", "month_end") == {"succeeded": 1}
    check_collected_once(failed)


OPEN = """select refused from billing.open_attempts('month_end', %s, 'batch', 'ann', 'again', 15, %s, '{cus_a00000}',
                                                  %s, '{1}')"""


def test_an_occasion_tries_a_statement_once(soft: PaymentWorld) -> None:
    """However often it comes up again, also after the attempt is settled; another occasion tries it again."""
    assert soft.rows(OPEN, "issue 2026-11", soft.ids, [SOFT]) == [("repeated",)]
    assert soft.rows(OPEN, "another", soft.ids, [SOFT]) == [(None,)]


def test_a_decline_is_to_be_planned_as_soon_as_it_is_recorded(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A run that is cut off before it plans leaves no failed statement that nobody would look at again."""
    with payment_world(postgres, tmp_path, 1, methods=[SOFT]) as world, world.payment_services() as payments:
        world.rows(OPEN, "once", world.ids, [SOFT])
        assert payments.collect("batch").declined.total() == 1
        assert world.rows("select statement_id, reason_id from finance.payment_plans") == [
            (world.ids[0], "TO-BE-PLANNED")
        ]


def test_a_key_that_the_gateway_may_have_forgotten_is_not_sent_again(eight: PaymentWorld) -> None:
    """First sent 23 hours ago, an attempt is left to reconciliation: sent once more, it could be a second charge."""
    with eight.payment_services() as payments:
        open_retries(payments, month_end_retries(payments, PERIOD, now())[:2], "month_end", "e", "ann")
    with eight.services.warehouse() as connection:
        assert len(attempts.claim(connection, "e/0", 2, 60)) == 2
        assert attempts.claim(connection, "e/0", 2, 60) == []
        eight.backdate(eight.ids[0], timedelta(hours=23))
        eight.backdate(eight.ids[1], timedelta(hours=22, minutes=55))
        assert [claimed.statement_id for claimed in attempts.claim(connection, "e/0", 2, 60)] == [eight.ids[1]]


def test_the_months_end_also_takes_what_was_never_tried(eight: PaymentWorld) -> None:
    """Of its own period only; a day's retries leave it alone, and what is paid by then is not tried."""
    payment = MarkRequest("r", "ann", "by bank", (eight.ids[2],), PAID_ON, "ref", Decimal("1.00"))
    mark_statements(eight.services, payment, NOW.date())
    with eight.payment_services() as payments:
        assert due_retries(payments, now() + 99 * DAY) == []
        assert month_end_retries(payments, Period(2026, 10), now()) == []
        retries = month_end_retries(payments, PERIOD, now())
        assert judged(eight, retries) == [(n, "FIRST-TRY", True) for n in range(8)]
        mark_statements(
            eight.services, replace(payment, request_id="s", statement_ids=(eight.ids[5],), amount=None), NOW.date()
        )
        assert run(payments, retries, "e", "month_end") == {"succeeded": 7}
        # Paid meanwhile, it may still have a plan of before; nobody sees it, and the next planning ends it.
        assert eight.rows("select * from finance.payment_plans") == []
        assert [r.is_tried for r in month_end_retries(payments, PERIOD, now())] in ([], [False])
    assert eight.charged()[eight.ids[2]][0]["amount_received"] == 833 - 100
    assert (eight.status(eight.ids[5]), eight.status(eight.ids[2])) == ("Paid manually", "Paid")
    check_collected_once(eight)


def test_many_are_opened_in_batches_and_once_per_occasion(eight: PaymentWorld) -> None:
    """Each batch is a task's work; opened again, nothing is opened, and those that still wait are named."""
    with eight.payment_services() as payments:
        retries = month_end_retries(payments, PERIOD, now())
        assert open_retries(payments, retries, "month_end", "e", "ann") == ["e/0", "e/1", "e/2"]
        per_batch = counted([row[0] for row in eight.rows("select batch from billing.payment_attempt")])
        assert per_batch == {"e/0": 3, "e/1": 3, "e/2": 2}
        assert payments.collect("e/1").succeeded == 3
        again = month_end_retries(payments, PERIOD, now())
        assert open_retries(payments, again, "month_end", "e", "ann") == ["e/0", "e/2"]
        # Another occasion meets those that are under way, and leaves them alone.
        assert open_retries(payments, again, "month_end", "f", "ann") == ["f/0"]
        assert close_retries(payments, "e", now()) == {"pending": 5, "succeeded": 3}
        assert [payments.collect(batch).succeeded for batch in ("e/0", "e/2", "e/0")] == [3, 2, 0]
        assert open_retries(payments, month_end_retries(payments, PERIOD, now()), "month_end", "e", "ann") == ["e/0"]
        assert close_retries(payments, "e", now()) == {"succeeded": 8}
    assert eight.outcomes() == {"succeeded": 8}
    check_collected_once(eight)


def test_a_run_that_was_cut_off_goes_on(eight: PaymentWorld) -> None:
    """Claimed and not sent, sent and not recorded, not claimed at all: each is charged once by who goes on."""
    with eight.payment_services(lease_seconds=0.2) as payments:
        open_retries(payments, month_end_retries(payments, PERIOD, now())[:3], "month_end", "e", "ann")
        with eight.services.warehouse() as connection:
            sent, _ = attempts.claim(connection, "e/0", 2, 0.2)
        names = ("evbilling_statement", "evbilling_attempt", "evbilling_installation")
        installation = eight.one("select installation_id::text from billing.installation")
        metadata = dict(zip(names, (sent.statement_id, str(sent.attempt_id), installation), strict=True))
        payments.gateway.charge(
            Charge(
                sent.idempotency_key,
                sent.amount_minor,
                sent.currency,
                sent.customer,
                sent.payment_method,
                f"Connector statement {sent.statement_id}",
                metadata,
            )
        )
        assert payments.collect("e/0").succeeded == 3
        assert close_retries(payments, "e", now()) == {"succeeded": 3}
    assert len(list(eight.intents())) == 3
    check_collected_once(eight)


def test_plans_show_what_is_next_and_forget_what_is_paid(failed: PaymentWorld) -> None:
    """Closing an occasion plans what it tried; paid by whatever way, a statement is in no plan any more."""
    failed.set_method("a00002", VISA)
    with failed.payment_services() as payments:
        assert close_retries(payments, "nothing of the kind", now()) == {}
        assert run(payments, month_end_retries(payments, PERIOD, now()), "e", "month_end") == {
            "declined": 2,
            "succeeded": 1,
        }
        assert failed.rows("select planned_at from billing.payment_plan where reason_id = 'PAID'") == [(None,)]
    shown = {failed.ids.index(row[0]): row[1:] for row in failed.rows("select * from finance.payment_plans")}
    assert {place: row[1] for place, row in shown.items()} == {
        1: "RETRY",
        3: "NEEDS-CUSTOMER",
        4: "NO-METHOD",
        5: "UNKNOWN-DECLINE",
    }
    last = failed.one("select max(sent_at) from billing.payment_attempt where statement_id = %s", failed.ids[1])
    assert shown[1][0] == last + 3 * DAY
    assert {place for place, row in shown.items() if row[0]} == {1}
    # In part it is still to be tried; in full it is not.
    for amount, remain in ((Decimal("1.00"), {1, 3, 4, 5}), (None, {3, 4, 5})):
        payment = MarkRequest(f"m {amount}", "ann", "by bank", (failed.ids[1],), PAID_ON, "ref", amount)
        mark_statements(failed.services, payment, NOW.date())
        assert {failed.ids.index(row[0]) for row in failed.rows("select * from finance.payment_plans")} == remain
    with failed.payment_services() as payments:
        assert [place for place, *_ in judged(failed, due_retries(payments, now() + 9 * DAY))] == [3, 4, 5]
    check_books(failed)
