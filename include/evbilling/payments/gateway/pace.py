"""One request rate for all processes: each request waits for a turn that was reserved in the warehouse."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.warehouse import connected, explained

Clock = Callable[[], float]
Sleep = Callable[[float], None]

# A reservation covers about this many seconds: few round trips, yet processes still take turns among each other.
_BLOCK_SECONDS = 0.25

# A turn this many seconds overdue is dropped: a process that was idle mustn't start with a handful of old turns,
# on top of what the others send now.
_STALE_SECONDS = 1.0

# Requests that leave evenly arrive unevenly, so the pace stays a little below the limit.
_BELOW_THE_LIMIT = 0.97


def rate_below(limit: float) -> float:
    """The rate at which no more than `limit` requests leave in any second."""
    return _checked(limit) * _BELOW_THE_LIMIT


class Pace:
    """Hands out turns, `rate` a second, to the threads of this process.

    `reserve(n)` reserves n consecutive turns, 1/rate apart, and returns in how many seconds the first may be taken;
    what it raises, `wait_turn` raises, and no turn is lost by it. `clock` and `sleep` are in seconds.
    """

    def __init__(
        self,
        reserve: Callable[[int], float],
        rate: float,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._reserve = reserve
        self._interval = 1 / _checked(rate)
        self._block = max(1, round(rate * _BLOCK_SECONDS))
        self._clock = clock
        self._sleep = sleep
        self._turn_lock = threading.Lock()
        self._turns: deque[float] = deque()
        # Apart from the turns' lock: a slow reservation mustn't hold up threads whose turns have come.
        self._send_lock = threading.Lock()
        # The latest sends: one more than the rate, so that the oldest tells whether the last second has room.
        self._sent: deque[float] = deque(maxlen=max(1, math.floor(rate)) + 1)

    def wait_turn(self) -> None:
        """Return when the next request may be sent. Safe to call from many threads at once."""
        with self._turn_lock:
            turn = self._next_turn()
        while (wait := self._try_to_send(turn)) > 0:
            self._sleep(wait)

    def _next_turn(self) -> float:
        """The earliest turn not yet handed out; reserves more if there is none. Call with the turns' lock held."""
        oldest = self._clock() - _STALE_SECONDS
        while self._turns and self._turns[0] < oldest:
            self._turns.popleft()
        if not self._turns:
            wait = max(0.0, self._reserve(self._block))
            # From when the answer came: the way back from the reservation makes turns late, never early.
            first = self._clock() + wait
            self._turns.extend(first + n * self._interval for n in range(self._block))
        return self._turns.popleft()

    def _try_to_send(self, turn: float) -> float:
        """Take `turn` now and return 0, or return the seconds to wait before asking again.

        A late turn is taken at once, but what piled up in a stall leaves at no more than twice the rate, and no second
        sees more than one request above the rate.
        """
        with self._send_lock:
            now = self._clock()
            earliest = turn
            if self._sent:
                earliest = max(earliest, self._sent[-1] + self._interval / 2)
            if len(self._sent) == self._sent.maxlen:
                earliest = max(earliest, self._sent[0] + 1.0)
            if earliest <= now:
                self._sent.append(now)
                return 0.0
            return earliest - now


class WarehouseTurns(AbstractContextManager["WarehouseTurns"]):
    """Reserves turns in the warehouse, so that all tasks and workers together keep to one rate.

    Call it with a number of turns; it returns in how many seconds the first of them may be taken. Keeps one connection
    until its block ends; safe across threads. Raises `TransientError` if the warehouse doesn't answer.
    """

    def __init__(self, warehouse_url: str, rate: float, gateway: str = "payment_gateway") -> None:
        self._url = warehouse_url
        self._rate = rate
        self._gateway = gateway
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._connection: psycopg.Connection[Any] | None = None

    def __call__(self, turns: int) -> float:
        with self._lock:
            if self._connection is None:
                opened = connected(self._url, what="warehouse", autocommit=True)
                self._connection = self._stack.enter_context(opened)
                # A turn lost in a crash of the server does no harm; waiting for the disk at each turn would.
                self._connection.execute("set synchronous_commit = off")
            with explained("warehouse"):
                row = self._connection.execute(
                    "select billing.take_turns(%s, %s, %s)", (self._gateway, turns, self._rate)
                ).fetchone()
        return float(row[0]) if row else 0.0

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._connection = None
            self._stack.close()


def _checked(rate: float) -> float:
    if not (math.isfinite(rate) and rate > 0):
        raise BadInput(f"a rate of {rate} requests a second makes no sense", fix="give a number above zero, such as 20")
    return rate
