"""A clock that a test moves on, for what is watched each half minute."""

from __future__ import annotations

import threading
import time

from evbilling.progress import SteadyClock


class PlayedClock(SteadyClock):
    """Its time goes on by `go_on` alone, which waits until whoever watches has reported what is due."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until: float | None = None
        self._news = threading.Event()
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """The time played so far."""
        return self._seconds

    def wait(self, news: threading.Event, seconds: float) -> bool:
        """Wait until the test has played so many seconds."""
        self._news, self._until = news, (until := self._seconds + seconds)
        while self._seconds < until:
            if news.wait(0.001):
                self._until = None
                return True
        self._until = None
        return False

    def go_on(self, seconds: float) -> None:
        """Play so many seconds, from whichever thread."""
        with self._lock:
            self.wait_for_the_watcher()
            self._seconds += seconds
            self.wait_for_the_watcher()

    def wait_for_the_watcher(self) -> None:
        """Until it has reported what is due and waits for the next half minute."""
        while self._until is None or self._seconds >= self._until or self._news.is_set():
            time.sleep(0.0005)
