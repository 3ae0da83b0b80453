"""The request rate: never a turn early, never a burst, nearly the full rate with many threads."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.payments.gateway.pace import Pace, rate_below

ROUNDING = 1e-9


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class Reservation:
    """Consecutive turns, `rate` a second, as billing.take_turns gives them."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._lock = threading.Lock()
        self._next = -math.inf

    def __call__(self, turns: int) -> float:
        with self._lock:
            now = self._clock()
            first = max(now, self._next)
            self._next = first + turns * self._interval
            return first - now


def paced(rate: float, reserve: Callable[[int], float] | None = None) -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(reserve or Reservation(rate, clock), rate, clock=clock, sleep=clock.sleep), clock


def sends(pace: Pace, clock: Clock, pauses: list[float]) -> list[float]:
    """When each request was sent, with this long a pause after each."""
    sent = []
    for pause in pauses:
        pace.wait_turn()
        sent.append(clock.now)
        clock.now += pause
    return sent


def most_in_a_second(sent: list[float]) -> int:
    return max(sum(start <= at < start + 1 - ROUNDING for at in sent) for start in sent)


def test_turns_are_one_interval_apart() -> None:
    pace, clock = paced(10)
    sent = sends(pace, clock, [0] * 30)
    assert sent == pytest.approx([1000 + n / 10 for n in range(30)])


def test_reservations_are_small_blocks() -> None:
    asked: list[int] = []

    def reserve(turns: int) -> float:
        asked.append(turns)
        return 0.0

    for rate, block in ((20, 5), (100, 25), (1, 1), (0.5, 1)):
        asked.clear()
        pace, clock = paced(rate, reserve)
        sends(pace, clock, [0])
        assert asked == [block]


def test_a_turn_is_never_taken_early() -> None:
    waits = iter([3.0, 1.0, 7.5])
    pace, clock = paced(4, lambda turns: next(waits))
    assert sends(pace, clock, [0, 0, 0]) == pytest.approx([1003, 1004, 1011.5])


def test_the_first_turn_counts_from_when_the_answer_came() -> None:
    clock = Clock()

    def slow(turns: int) -> float:
        clock.now += 0.4
        return 1.0

    pace = Pace(slow, 2, clock=clock, sleep=clock.sleep)
    pace.wait_turn()
    assert clock.now == pytest.approx(1001.4)


def test_a_stall_does_not_become_a_burst() -> None:
    pace, clock = paced(20)
    sent = sends(pace, clock, [0.0] * 11 + [0.6] + [0.0] * 60)
    assert min(after - before for before, after in pairwise(sent)) >= 0.5 / 20 - ROUNDING
    assert most_in_a_second(sent) <= 21


def test_old_turns_are_given_up() -> None:
    reservation = Reservation(20)
    asked: list[int] = []

    def reserve(turns: int) -> float:
        asked.append(turns)
        return reservation(turns)

    pace, clock = paced(20, reserve)
    sends(pace, clock, [3600.0, 0])
    assert len(asked) == 2


def test_a_failed_reservation_is_raised_and_costs_nothing() -> None:
    answers: list[float | Exception] = [OSError("the warehouse doesn't answer"), 0.5]

    def reserve(turns: int) -> float:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    pace, clock = paced(2, reserve)
    with pytest.raises(OSError, match="doesn't answer"):
        pace.wait_turn()
    assert sends(pace, clock, [0]) == pytest.approx([1000.5])


@given(
    st.sampled_from([0.5, 1.0, 3.0, 20.0, 25.5, 100.0]),
    st.lists(st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 5)), min_size=1, max_size=120),
)
def test_never_faster_than_the_rate_whatever_pauses_come(rate: float, pauses: list[float]) -> None:
    pace, clock = paced(rate)
    sent = sends(pace, clock, pauses)
    assert all(after - before >= 0.5 / rate - ROUNDING for before, after in pairwise(sent))
    assert most_in_a_second(sent) <= max(rate, 1) + 1


def test_two_processes_share_the_rate() -> None:
    clock = Clock()
    shared = Reservation(20, clock)
    # Each process sleeps on its own: whoever's next send comes first goes on.
    paces = [Pace(shared, 20, clock=clock, sleep=clock.sleep) for _ in range(2)]
    sent = []
    for n in range(200):
        paces[n % 2].wait_turn()
        sent.append(clock.now)
    assert 199 / (sent[-1] - sent[0]) <= 20 * 1.03


def test_nearly_the_full_rate_with_many_late_threads() -> None:
    """32 threads as events on one clock, each waking up to 4 ms late."""
    rate, seconds = 20, 60.0
    clock = Clock()
    waiting: list[tuple[float, int, float]] = []
    pace = Pace(Reservation(rate, clock), rate, clock=clock, sleep=clock.sleep)
    for thread in range(32):
        heapq.heappush(waiting, (clock.now, thread, pace._next_turn()))
    sent: list[float] = []
    while clock.now < 1000 + seconds:
        at, thread, turn = heapq.heappop(waiting)
        clock.now = max(clock.now, at + 0.004 * ((thread * 7 + len(sent)) % 10) / 10)
        wait = pace._try_to_send(turn)
        if wait > 0:
            heapq.heappush(waiting, (clock.now + wait, thread, turn))
            continue
        sent.append(clock.now)
        heapq.heappush(waiting, (clock.now + 0.3, thread, pace._next_turn()))
    assert len(sent) >= 0.97 * rate * seconds
    assert most_in_a_second(sent) <= rate + 1


def test_real_threads_are_not_faster_than_the_rate() -> None:
    rate = 100
    pace = Pace(Reservation(rate), rate)
    sent: list[float] = []

    def work() -> None:
        for _ in range(3):
            pace.wait_turn()
            sent.append(time.monotonic())

    start = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 96
    assert time.monotonic() - start >= 95 / (rate + 1)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_makes_no_sense(rate: float) -> None:
    with pytest.raises(BadInput, match="makes no sense"):
        rate_below(rate)
    with pytest.raises(BadInput, match="makes no sense"):
        Pace(lambda turns: 0.0, rate)


def test_the_pace_keeps_a_little_below_the_limit() -> None:
    """Between 95 and 100 % of what is allowed; a limit that makes no sense is refused."""
    assert 19 <= rate_below(20) < 20
    with pytest.raises(BadInput):
        rate_below(0)
