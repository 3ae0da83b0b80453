"""How far a long piece of work is: a plain counter, its line of words, and who looks at it each half minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

# How often a report is due.
EVERY_SECONDS = 30.0
# A rate over less time than this says little.
_LEAST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How far a piece of work is: `done` of `total` (None: nobody knows how many there are), in `unit` (a plural).

    `failed` are those of `done` that didn't succeed. `per_second`: how many of them a second, None while nobody knows.
    """

    unit: str
    done: int
    total: int | None
    failed: int = 0
    per_second: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None if nobody knows."""
        return (self.total - self.done) / self.per_second if self.total and self.per_second else None

    def sentence(self) -> str:
        """For example "1,200 of 5,000 statements, 20.0 a second, 3 failed, about 4 minutes left"."""
        if not self.unit:
            return "under way"
        parts = [f"{self.done:,}{f' of {self.total:,}' if self.total is not None else ''} {self.unit}"]
        if self.per_second:
            digits = 0 if self.per_second >= 100 else 1 if self.per_second >= 1 else 2
            parts.append(f"{self.per_second:,.{digits}f} a second")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if (left := self.seconds_left) is not None and self.done < (self.total or 0):
            parts.append(f"{duration(left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """For example "less than a minute", "about 1 minute", "about 83 minutes", "about 3.5 hours"."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return "less than a minute"
    if minutes >= 120:
        return f"about {seconds / 3600:.1f} hours"
    return f"about {minutes} minute{'' if minutes == 1 else 's'}"


@dataclass(slots=True)
class Progress:
    """Counts what is done. It has no clock: `watched` looks at it from beside."""

    unit: str = ""
    total: int | None = None
    done: int = 0
    failed: int = 0
    # What was done before this try: the rate is of what is done now.
    _before: int = 0
    # Set by `begin` and, at the end, by `watched`.
    news: threading.Event = field(default_factory=threading.Event)

    def __reduce__(self) -> tuple[type[Progress], tuple[()]]:
        """In another process it counts anew, and nobody looks at it."""
        return Progress, ()

    def begin(self, unit: str, total: int | None = None, *, done: int = 0, failed: int = 0) -> None:
        """Count `unit` (a plural) from now on. `done` and `failed`: those that an earlier try has done already."""
        self.unit, self.total, self.done, self.failed, self._before = unit, total, done, failed, done
        self.news.set()

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count `done` more, `failed` of them without success."""
        self.done += done
        self.failed += failed

    def measured(self, seconds: float) -> Measure:
        """Where it is, `seconds` after `begin`."""
        now = self.done - self._before
        per_second = now / seconds if now > 0 and seconds >= _LEAST_SECONDS else None
        return Measure(self.unit, self.done, self.total, self.failed, per_second)


class SteadyClock:
    """Seconds that only go on, of this machine."""

    def seconds(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def wait(self, news: threading.Event, seconds: float) -> bool:
        """Wait for `news`, at most so long; False if the time is over."""
        return news.wait(seconds)


@contextmanager
def watched(
    progress: Progress, report: Callable[[Measure, bool], None], clock: SteadyClock | None = None
) -> Generator[None]:
    """Call `report` with the measure and whether a line is due: at once, at each `begin`, each half minute, at the end.

    It is called beside the block, in a thread, so that an hour in one statement of SQL is reported too; only the last
    call is in the block's own thread. `report` must not raise.
    """
    clock = clock or SteadyClock()
    is_over, begun = False, clock.seconds()

    def look() -> None:
        nonlocal begun
        is_due = False
        while not is_over:
            report(progress.measured(clock.seconds() - begun), is_due)
            is_due = not clock.wait(progress.news, EVERY_SECONDS)
            if not is_due:
                progress.news.clear()
                begun = clock.seconds()

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended = clock.seconds()
        is_over = True
        progress.news.set()
        thread.join()
        report(progress.measured(ended - begun), False)
