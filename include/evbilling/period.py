"""The billing month, written `YYYY-MM`, and the instant at which an account's connectors are counted."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Self
from zoneinfo import ZoneInfo

from evbilling.errors import BadInput

_FORM = re.compile(r"([0-9]{4})-([0-9]{2})")


@lru_cache(maxsize=1)
def _known_zones() -> frozenset[str]:
    # From the database's own list, not from this machine's folder: `localtime` is another zone on each machine. Factory
    # is the database's word for "not set".
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()) - {"Factory"}


def is_time_zone(name: object) -> bool:
    """True if `name` is a zone of the IANA time zone database, spelt exactly so; an older name (a link) is one too."""
    return isinstance(name, str) and name in _known_zones()


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One billing month. Sorts in time; prints as `YYYY-MM`, the only form it has outside this class."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """The period that `text` names; raises `BadInput` for anything but `YYYY-MM` of a real month."""
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found and 1 <= int(found[2]) <= 12 and int(found[1]) >= 1900:
            return cls(int(found[1]), int(found[2]))
        raise BadInput(f"{text!r} is not a billing period", fix="write it as YYYY-MM, for example 2026-11")

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first_day(self) -> date:
        """The 1st of the month: the day of the count and of the connector statement."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """The last day of the month: that of the account statement."""
        return self.first_day.replace(day=monthrange(self.year, self.month)[1])

    def shifted(self, months: int) -> Period:
        """The period `months` later, or earlier if negative."""
        index = self.year * 12 + self.month - 1 + months
        return Period(index // 12, index % 12 + 1)

    def count_instant(self, time_zone: str) -> datetime:
        """00:00 on the 1st in `time_zone`, as UTC; the first moment of that day if clocks skip midnight.

        Raises `BadInput` if the zone is unknown.
        """
        if not is_time_zone(time_zone):
            raise BadInput(f"{time_zone!r} is not an IANA time zone", fix="use a name such as Europe/Berlin")
        local = datetime(self.year, self.month, 1, tzinfo=ZoneInfo(time_zone))
        return local.astimezone(UTC)
