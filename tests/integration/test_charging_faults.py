"""A month is charged through a gateway that loses answers in every way, and the money comes out to the cent.

400 statements; 5,000 with `--full`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from evbilling.payments.gateway.pace import Pace
from evbilling_local.sandbox import FaultPlan
from evbilling_local.stack import EmbeddedPostgres
from tests.support.payments import VISA, PaymentWorld, check_collected_once, payment_world

pytestmark = pytest.mark.postgres
log = logging.getLogger(__name__)

FAULTS = {
    "timeout_after": 0.05,
    "error_500_after": 0.03,
    "error_500_before": 0.02,
    "rate_limit": 0.05,
    "drop_before": 0.02,
    "drop_after": 0.02,
}


@pytest.mark.parametrize("retries", [0, 2])
def test_every_statement_is_charged_once_through_all_faults(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retries: int, full: bool
) -> None:
    """None twice, none forgotten; gateway, finance and ledger agree payment by payment, at the agreed rate."""
    statements, rate = (5_000, 200.0) if full else (400, 120.0)
    turns = _counted_turns(monkeypatch)
    with payment_world(postgres, tmp_path, statements, methods=[VISA] * 9 + [None]) as world:
        world.sandbox.set_faults(FaultPlan(seed=7, rates=FAULTS, hold_seconds=1.2))
        began = time.monotonic()
        result = world.charge(rate=rate, retries=retries, timeout=1)
        took = time.monotonic() - began
        traffic = world.sandbox.requests()
        log.warning("%s statements at %s/s: %s in %.1f s; %s", statements, rate, result, took, traffic)
        # Each in its turn, the library's own repeats too; how many turns a second has, the pace's own tests tell by
        # their clock. Here a machine may be late, so nothing is known but that the turns can't have been over sooner.
        assert traffic["total"] == len(turns)
        assert took >= (traffic["total"] - 1) / (rate + 1)
        assert 0 < result["unknown"] < statements / 5
        world.sandbox.set_faults()
        settled = world.settle()
        assert settled["still_unknown"] == 0
        _check_all_collected(world)
        assert world.charge()["opened"] == 0


def _counted_turns(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each turn that was waited for."""
    real, turns = Pace.wait_turn, []

    def wait_turn(pace: Pace) -> None:
        real(pace)
        turns.append(None)

    monkeypatch.setattr(Pace, "wait_turn", wait_turn)
    return turns


def _check_all_collected(world: PaymentWorld) -> None:
    outcomes = world.outcomes()
    without_method = len(world.ids) // 10
    assert set(outcomes) == {"succeeded", "declined"}
    query = "select decline_code, count(*) from billing.payment_attempt where outcome = 'declined' group by 1"
    codes = dict(world.rows(query))
    assert codes.pop("no_payment_method") == without_method
    # What a stored 500 kept from ever being executed is known to be so, and tried again as a soft decline.
    assert set(codes) <= {"not_charged"}
    check_collected_once(world)
    assert sum(len(intents) for intents in world.charged().values()) == outcomes["succeeded"]
    assert outcomes["succeeded"] == len(world.ids) - without_method - codes.get("not_charged", 0)
    paid = world.one("select sum(paid_amount) * 100 from finance.statements")
    cash = world.one("select sum(amount_minor) from billing.transfer where debit_account = 'cash'")
    assert paid == cash == sum(intent["amount_received"] for [intent] in world.charged().values())
    assert world.tie_out() == []
    assert world.one("select count(*) from finance.statements where status = 'Issued'") == 0
