"""The product at a gateway that nobody here made: see `tests/support/localstripe` for where it isn't like Stripe.

It honours no idempotency keys, so a charge whose answer is lost and that the client sends again is charged twice. That
must not go unnoticed: each double is named by the reconciliation, and once what it names is refunded, the gateway has
payment by payment what `finance.payments` has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import EvbillingError, Mismatch
from evbilling.payments.actions import (
    ActionResult,
    Adjustment,
    AdjustRequest,
    Code,
    Debt,
    RefundPaymentRequest,
    RefundRequest,
    acknowledge_refund,
    adjust_statement,
    refund_payment,
)
from evbilling.payments.charge import charge_period
from evbilling.payments.gateway.interface import Refund, RefundResult
from evbilling.payments.reconciliation import Break, compare, settle_unknown
from evbilling.payments.retries.runs import close_retries, month_end_retries, open_retries
from evbilling_local.stack import EmbeddedPostgres
from tests.support.broken_proxy import BrokenProxy, broken_proxy
from tests.support.localstripe import DECLINED, GOOD, KEY, LocalStripe, running_localstripe
from tests.support.month import NOW, PERIOD
from tests.support.payments import LONG_AGO, PaymentWorld, check_books, payment_world

pytestmark = [pytest.mark.postgres, pytest.mark.full]

ACCOUNTS = 24


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LocalStripe]:
    with running_localstripe(tmp_path) as running:
        yield running


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path: Path, gateway: LocalStripe) -> Iterator[PaymentWorld]:
    """A billed month whose admins have cards at localstripe; every fourth card is declined."""
    with payment_world(postgres, tmp_path, ACCOUNTS) as world:
        for number in range(ACCOUNTS):
            give_card(world, gateway, number, DECLINED if number % 4 == 3 else GOOD)
        yield world


def give_card(world: PaymentWorld, gateway: LocalStripe, number: int, card: str) -> None:
    """Give an account's financial admin a card."""
    world.platform.execute(
        "update platform.app_user set payment_customer = %s, payment_method = %s where account_id = %s",
        *gateway.customer_with(card),
        f"a{number:05d}",
    )


def charge(world: PaymentWorld, url: str, **options: Any) -> dict[str, Any]:
    with world.payment_services(url=url, key=KEY, lease_seconds=1.0, **options) as payments:
        return charge_period(payments, PERIOD, actor="ann", now=NOW)


def look(world: PaymentWorld, gateway: LocalStripe) -> list[Break]:
    with world.payment_services(url=gateway.url, key=KEY) as payments:
        settle_unknown(payments, LONG_AGO, NOW)
        return compare(payments, LONG_AGO)


def at_gateway(gateway: LocalStripe) -> dict[str, tuple[str, int]]:
    """What localstripe has kept, refunds taken off: statement and amount by payment."""
    kept = {}
    for intent in gateway.succeeded():
        left = intent["amount"] - intent["latest_charge"]["amount_refunded"]
        if left:
            kept[intent["id"]] = (intent["metadata"]["evbilling_statement"], left)
    return kept


def in_finance(world: PaymentWorld) -> dict[str, tuple[str, int]]:
    """What finance reads, refunds taken off: statement and amount by payment."""
    return {
        payment: (statement, int(amount))
        for payment, statement, amount in world.rows(
            """select coalesce(reverses_payment_id, payment_id), statement_id, sum(amount) * 100 from finance.payments
               group by 1, 2 having sum(amount) <> 0"""
        )
    }


def test_payment_by_payment_equal(world: PaymentWorld, gateway: LocalStripe) -> None:
    """Charged, declined, retried with another card, refunded and acknowledged: the same payments on both sides."""
    result = charge(world, gateway.url)
    assert (result["succeeded"], result["declined"], result["not_ok"]) == (18, {"unknown": 6}, [])
    assert in_finance(world) == at_gateway(gateway)
    assert look(world, gateway) == []
    for number in range(3, ACCOUNTS, 4):
        give_card(world, gateway, number, GOOD)
    with world.payment_services(url=gateway.url, key=KEY) as payments:
        for batch in open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", "again", "ann"):
            assert payments.collect(batch).succeeded == 6
        close_retries(payments, "again", NOW)
    assert len(in_finance(world)) == ACCOUNTS
    assert in_finance(world) == at_gateway(gateway)
    refunded = [payment for payment, (statement, _) in in_finance(world).items() if statement in world.ids[:2]]
    for payment in refunded:
        gateway.refund(payment)
    assert sorted(b.gateway_payment_id for b in look(world, gateway)) == sorted(refunded)
    for statement, debt in zip(world.ids[:2], Debt, strict=True):
        acknowledge_refund(world.services, RefundRequest(f"r{statement}", "ann", "agreed", statement, debt))
    assert look(world, gateway) == []
    assert in_finance(world) == at_gateway(gateway)
    check_books(world)


class _Cut:
    """A gateway behind a proxy that cuts the answers from the refund on."""

    def __init__(self, gateway: Any, proxy: BrokenProxy | None) -> None:
        self._gateway, self._proxy = gateway, proxy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def refund(self, refund: Refund) -> RefundResult:
        if self._proxy:
            self._proxy.limit = self._proxy.carried + 100
        result: RefundResult = self._gateway.refund(refund)
        return result


@pytest.mark.parametrize("retries", [0, 2])
def test_a_refund_of_ours_is_booked(world: PaymentWorld, gateway: LocalStripe, retries: int) -> None:
    """By its answer; without one by its metadata. What the client sends again is given back again, and is a break."""
    with world.payment_services(url=gateway.url, key=KEY) as payments:
        charge_period(payments, PERIOD, actor="ann", now=NOW)
    answered, lost, again = world.ids[:3]
    for statement in (answered, lost):
        credit = AdjustRequest(f"c{statement}", "ann", "outage", statement, Adjustment.GOODWILL, Decimal("1.50"))
        adjust_statement(world.services, credit)

    def give_back(statement: str, proxy: BrokenProxy | None = None, **more: Any) -> ActionResult:
        url = proxy.address if proxy else gateway.url
        with world.payment_services(url=url, key=KEY, retries=retries) as payments:
            asked = RefundPaymentRequest(f"r{statement}", "ann", "agreed", statement)
            cut: Any = _Cut(payments.gateway, proxy)
            return refund_payment(replace(payments, gateway=cut), replace(asked, **more))

    assert give_back(answered).code is Code.REFUNDED
    with broken_proxy(gateway.url, upwards=False, cut=True) as proxy:
        assert give_back(lost, proxy).code is Code.OUTCOME_UNKNOWN
    breaks = look(world, gateway)
    assert world.one("select outcome from billing.refund_attempt where statement_id = %s", lost) == "succeeded"
    assert [(b.kind, b.statement_id, b.recorded_minor - b.gateway_minor) for b in breaks] == (
        [("refunded", lost, 150 * retries)] if retries else []
    )
    if retries:
        acknowledge_refund(world.services, RefundRequest("seen", "ann", "sent twice", lost, Debt.DUE_AGAIN))
    assert give_back(again, amount=Decimal("2.00"), is_due_again=True).balance_due == Decimal("2.00")
    assert look(world, gateway) == []
    assert in_finance(world) == at_gateway(gateway)
    check_books(world)


def test_a_key_of_nobodys_account_charges_nobody(world: PaymentWorld, gateway: LocalStripe) -> None:
    """Customers that localstripe doesn't have are noticed before the first charge."""
    world.platform.execute("update platform.app_user set payment_customer = 'cus_' || account_id")
    with pytest.raises(EvbillingError, match="has none of the customers"):
        charge(world, gateway.url)
    assert at_gateway(gateway) == {}
    assert set(world.statuses()) == {"Issued"}


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("kilobytes", [3, 9, 17, 29])
def test_each_double_is_named(world: PaymentWorld, gateway: LocalStripe, kilobytes: int, retries: int) -> None:
    """Answers are cut off in the middle, and the client and the next try send again, without keys that protect us."""
    with broken_proxy(gateway.url, upwards=False, cut=True) as proxy:
        for _ in range(3):
            proxy.carried, proxy.limit = 0, kilobytes * 1024
            with suppress(EvbillingError):
                charge(world, proxy.address, retries=retries, timeout=2.0, workers=4)
            proxy.limit = None
    for _ in range(3):
        # It names the doubles that it finds, once it has recorded everything.
        with suppress(Mismatch):
            charge(world, gateway.url)
    assert "refused" not in world.outcomes()
    breaks = look(world, gateway)
    kept, recorded = at_gateway(gateway), in_finance(world)
    # Nothing that we have as paid is missing, and what the gateway has beyond it is named, payment by payment.
    assert recorded.items() <= kept.items()
    named = {b.gateway_payment_id for b in breaks}
    assert named == kept.keys() - recorded.keys()
    doubled = {statement for statement, count in Counter(s for s, _ in kept.values()).items() if count > 1}
    assert {b.statement_id for b in breaks if b.kind == "duplicate"} <= doubled
    for payment in named:
        gateway.refund(payment)
    assert look(world, gateway) == []
    assert in_finance(world) == at_gateway(gateway)
    check_books(world)
