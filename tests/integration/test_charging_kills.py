"""The charging task is killed, or paused, at every moment that matters; the next try collects everything once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from evbilling.payments import PaymentServices, attempts
from evbilling.payments.charge import charge_period
from evbilling.payments.gateway.interface import Charge, ChargeResult
from evbilling.payments.gateway.pace import Pace
from evbilling.payments.gateway.stripe_gateway import StripeGateway
from evbilling.payments.reconciliation import settle_unknown
from evbilling_local.stack import EmbeddedPostgres
from tests.support.kills import is_killed, kill_in_wait, writing_waits
from tests.support.month import NOW, PERIOD
from tests.support.payments import PaymentWorld, check_collected_once, payment_world

pytestmark = pytest.mark.postgres

STATEMENTS = 6
# Short, so that the next try needn't wait long for the claims of the dead one.
LEASE = 0.5


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _pause() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    # The thread that asks for it may run on for a moment, which is the one that it mustn't reach the send in.
    time.sleep(0.2)


def _count(limit: int, deed: Callable[[], None]) -> Callable[[], None]:
    calls = 0

    def counted() -> None:
        nonlocal calls
        calls += 1
        if calls == limit:
            deed()

    return counted


def _before_sending(number: int, deed: Callable[[], None] = _die) -> None:
    """At the `number`-th charge: claimed and about to be sent."""
    real, now = StripeGateway.charge, _count(number, deed)

    def charge(gateway: StripeGateway, asked: Charge) -> ChargeResult:
        now()
        return real(gateway, asked)

    StripeGateway.charge = charge  # type: ignore[method-assign]


def _after_turn(number: int, deed: Callable[[], None] = _die) -> None:
    """With the `number`-th charge's turn to be sent in hand; three looks at the gateway have theirs before."""
    real, now = Pace.wait_turn, _count(number + 3, deed)

    def wait_turn(pace: Pace) -> None:
        real(pace)
        now()

    Pace.wait_turn = wait_turn  # type: ignore[method-assign]


def _after_charging(number: int) -> None:
    """At the `number`-th charge: made, and its answer in no record."""
    real, now = StripeGateway.charge, _count(number, _die)

    def charge(gateway: StripeGateway, asked: Charge) -> ChargeResult:
        result = real(gateway, asked)
        now()
        return result

    StripeGateway.charge = charge  # type: ignore[method-assign]


def _after_opening(_number: int) -> None:
    """With all attempts opened and none claimed."""
    PaymentServices.collect = lambda *_, **__: _die()  # type: ignore[method-assign, assignment, return-value]


def _after_recording(number: int) -> None:
    """After the `number`-th record, before anything else."""
    real, now = attempts.record, _count(number, _die)

    def record(*args: Any) -> Any:
        changed = real(*args)
        now()
        return changed

    attempts.record = record


def _charge(world: PaymentWorld, prepare: Callable[[int], None], number: int, workers: int = 2) -> None:
    prepare(number)
    with world.payment_services(lease_seconds=LEASE, workers=workers) as payments:
        charge_period(payments, PERIOD, actor="ann", now=NOW)


def _killed(world: PaymentWorld, prepare: Callable[[int], None], number: int) -> bool:
    """Charge in a process that is killed on the way; False if it came to its end before that."""
    # Of the world a child needs the addresses alone; the sandbox goes on in this process.
    return is_killed(partial(_charge, world, prepare, number))


def _next_try_collects_all(world: PaymentWorld) -> None:
    result = world.charge(lease_seconds=LEASE, workers=2)
    assert result["unknown"] == 0
    assert world.statuses() == ["Paid"] * STATEMENTS
    check_collected_once(world)
    assert world.one("select count(*) from billing.payment_attempt") == STATEMENTS
    assert result["not_ok"] == []


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("prepare", [_after_opening, _before_sending, _after_turn, _after_charging, _after_recording])
def test_a_killed_charge_is_finished_once(
    postgres: EmbeddedPostgres, tmp_path: Path, prepare: Callable[[int], None], number: int
) -> None:
    """After the charge and before the record, and at the other joints: the re-run collects nothing twice."""
    with payment_world(postgres, tmp_path, STATEMENTS) as world:
        # Few answers make few records.
        was_killed = _killed(world, prepare, 1 if prepare is _after_recording else number)
        assert was_killed
        assert len(world.charged()) <= STATEMENTS
        _next_try_collects_all(world)


def _nothing(number: int) -> None:
    """Let the charge come to its end."""


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_charge_killed_at_any_wait_for_the_warehouse_is_finished_once(
    postgres: EmbeddedPostgres, tmp_path: Path, full: bool
) -> None:
    """In each transaction of the charge and at each commit, or with `--full` in every wait for the warehouse."""
    with payment_world(postgres, tmp_path, STATEMENTS) as world:
        waits = writing_waits(partial(_charge, world, _nothing, 0))
    kills = 0
    for number in range(1, 500) if full else waits:
        with payment_world(postgres, tmp_path, STATEMENTS) as world:
            # The workers' waits come in another order, and in another number, each time.
            if not _killed(world, kill_in_wait, number):
                break
            kills += 1
            _next_try_collects_all(world)
    assert kills > 10


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("place", [_before_sending, _after_turn])
def test_a_paused_worker_sends_nothing_that_others_have_settled(
    postgres: EmbeddedPostgres, tmp_path: Path, place: Callable[[int, Callable[[], None]], None]
) -> None:
    """A worker stopped right before it sends, and let go when all is settled, charges nothing any more."""
    with payment_world(postgres, tmp_path, STATEMENTS) as world:

        def prepare(number: int) -> None:
            place(number, _pause)

        worker = multiprocessing.get_context("fork").Process(target=_charge, args=(world, prepare, 3, 1))
        worker.start()
        try:
            deadline = time.monotonic() + 60
            while psutil.Process(worker.pid).status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(LEASE)
            with world.payment_services() as payments:
                quiet = replace(payments, lease_seconds=LEASE, patience_seconds=0)
                settle_unknown(quiet, NOW - timedelta(days=400), NOW, min_age=timedelta(seconds=LEASE))
            assert len(world.charged()) == 2
            assert world.outcomes() == {"succeeded": 2, "declined": 1, "pending": 3}
        finally:
            os.kill(worker.pid or 0, signal.SIGCONT)
        worker.join(60)
        assert worker.exitcode == 0
        # The one that was about to go was never made; those not yet taken in hand went on as if nothing had been.
        assert world.outcomes() == {"succeeded": 5, "declined": 1}
        assert world.one("select count(*) from billing.payment_attempt where decline_code = 'not_charged'") == 1
        check_collected_once(world)
