"""For how long a claimed attempt may still be sent. Pure but for the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

Clock = Callable[[], float]

# Either may stand still or be set back while the other goes on: one doesn't count a machine's sleep, one can be set.
_CLOCKS: tuple[Clock, ...] = (time.time, time.monotonic)


class Lease:
    """Runs from when it is made. To be made before the claim, so that it never outlasts it."""

    def __init__(self, seconds: float, clocks: Sequence[Clock] = _CLOCKS) -> None:
        self._ends = [(clock, clock() + seconds) for clock in clocks]

    @property
    def is_over(self) -> bool:
        """True once the time has passed by any of the clocks: what isn't sent then is sent by somebody else."""
        return any(clock() >= end for clock, end in self._ends)
