"""A lease ends as soon as any clock says so: one of them may stand still or be set back."""

from __future__ import annotations

import inspect
import time

import pytest

from evbilling.payments.gateway.interface import Lease


@pytest.mark.parametrize("running", [0, 1])
def test_a_lease_is_over_when_either_clock_has_reached_its_end(running: int) -> None:
    """Whichever of the two goes on: a machine that slept, or one whose time was set back."""
    now = [1_000.0, 50.0]
    lease = Lease(60, [lambda: now[0], lambda: now[1]])
    assert not lease.is_over
    now[running] += 59.9
    assert not lease.is_over
    now[running] += 0.1
    assert lease.is_over
    now[running] -= 30
    assert not lease.is_over


def test_a_lease_goes_by_the_time_of_day_and_by_the_machines_own_clock() -> None:
    """The one counts a machine's sleep, the other can't be set back."""
    assert set(inspect.signature(Lease).parameters["clocks"].default) == {time.time, time.monotonic}
