"""A summary of the requests, and the limit on requests a second."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from datetime import UTC, datetime

from evbilling_local.sandbox.replies import Json


class Traffic:
    """The API requests since the start or the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the requests so far."""
        self._arrivals = array("d")
        self._statuses: Counter[str] = Counter()
        self._endpoints: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()

    def arrived(self) -> None:
        """Count a request that arrives now."""
        self._arrivals.append(time.time())

    def answered(self, endpoint: str, status: int | None, fault: str | None) -> None:
        """Count how a request ended: with a status, or with no answer."""
        self._statuses[str(status or "no_answer")] += 1
        self._endpoints[endpoint] += 1
        if fault:
            self._faults[fault] += 1

    def summary(self) -> Json:
        """Totals, the first and last arrival, and how many came in the busiest second and on average."""
        arrivals = sorted(self._arrivals)
        counts = {
            "by_status": dict(sorted(self._statuses.items())),
            "by_endpoint": dict(sorted(self._endpoints.items())),
            "by_fault": dict(sorted(self._faults.items())),
        }
        spread = arrivals[-1] - arrivals[0] if arrivals else 0.0
        return {
            "total": len(arrivals),
            **counts,
            "first": _moment(arrivals[0]) if arrivals else None,
            "last": _moment(arrivals[-1]) if arrivals else None,
            "busiest_second": _busiest(arrivals),
            "per_second": round(len(arrivals) / spread, 3) if spread > 0 else None,
        }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _busiest(arrivals: list[float]) -> int:
    """The most arrivals, sorted, in any span shorter than a second."""
    most, start = 0, 0
    for end, moment in enumerate(arrivals):
        while moment - arrivals[start] >= 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most


class Limit:
    """A bucket with a second's worth of tokens, refilled evenly; None lets everything pass."""

    def __init__(self, per_second: float | None) -> None:
        self._rate = per_second
        self._tokens = max(1.0, per_second or 0.0)
        self._filled_at = time.monotonic()

    def admits(self) -> bool:
        """Take a token; False if there is none."""
        if self._rate is None:
            return True
        now = time.monotonic()
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
