"""What every page shows and takes as long to find out as the page itself: used again for some seconds."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

# A page is older than that by the time it is read.
SECONDS = 5.0

_MOST = 1000


class Briefly:
    """Values by key, each for some seconds after it was put. Safe for threads: no step needs another's."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._values: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable) -> Any | None:
        """The value; None if there is none, or it is too old."""
        until, value = self._values.get(key, (0.0, None))
        return value if time.monotonic() < until else None

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value that isn't None."""
        if len(self._values) >= _MOST:
            self._values.clear()
        self._values[key] = (time.monotonic() + self._seconds, value)
