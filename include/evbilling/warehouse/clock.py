"""The warehouse's clock, which decides what has begun and what is late.

A worker's clock decides nothing: one that is ahead would bill a month that hasn't begun.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from evbilling.errors import NotReady

# Clocks that are kept by NTP differ by less than a second; more than this is a fault.
MOST_APART = timedelta(minutes=5)


def read_clock(connection: psycopg.Connection[Any]) -> datetime:
    """The warehouse's time now, in UTC."""
    (now,) = connection.execute("select clock_timestamp()").fetchone()  # type: ignore[misc]
    return now.astimezone(UTC)  # type: ignore[no-any-return]


def agreed_clock(connection: psycopg.Connection[Any]) -> datetime:
    """As `read_clock`; raises `NotReady` if the clock of this machine differs by more than five minutes."""
    before = datetime.now(UTC)
    now = read_clock(connection)
    # Between these two the warehouse's clock was read, however long that took.
    ahead, behind = before - now, now - datetime.now(UTC)
    if (apart := max(ahead, behind)) > MOST_APART:
        raise NotReady(
            f"the clock of this machine is {timedelta(seconds=round(apart.total_seconds()))} "
            f"{'ahead of' if ahead > behind else 'behind'} the warehouse's, which is at {now:%Y-%m-%d %H:%M:%S} UTC",
            where="clocks of worker and warehouse",
            fix="set the one that is wrong (both by NTP), then clear the task",
        )
    return now
