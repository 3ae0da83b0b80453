"""The filter and the order of the list of what is due, and their form in an address. Pure.

Fields of an address: `who` and `reason` (each may be given several times), `age`, `period`, `account`, `currency`,
`decline`, `sort` (`-` before it: descending), `after` and `before`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

from evbilling.errors import BadInput
from evbilling.payments.due import BY_ID, DUE_REASONS, WhoActs
from evbilling.period import Period
from evbilling.read_models.month import AGES, age_of
from evbilling.read_models.statement_list import Pairs, Sort, StatementFilter, last_value, several_values

# The ages of finance.receivables_by_age by their names in an address.
AGE_SLUGS = {age.removesuffix(" days").replace(" ", "-"): age for age, _ in AGES}
_WHO = {str(who): str(who) for who in WhoActs}
_REASONS = {reason: reason for reason in BY_ID}


@dataclass(frozen=True, slots=True)
class DueFilter:
    """Which of the statements on which something is due: those that meet every field that isn't empty.

    `who`: any of these has to act. `reasons`: any of these ids. `age`: of `AGES`. `account` as in `StatementFilter`.
    `decline`: the code of the last decline.
    """

    who: tuple[WhoActs, ...] = ()
    reasons: tuple[str, ...] = ()
    age: str | None = None
    period: Period | None = None
    account: str = ""
    currency: str | None = None
    decline: str = ""

    @classmethod
    def parse(cls, pairs: Pairs) -> DueFilter:
        """The filter in an address's pairs of field and value. Raises `BadInput` whose `where` is the field."""
        shared = StatementFilter.parse([pair for pair in pairs if pair[0] in {"period", "account", "currency"}])
        ages = several_values(pairs, "age", AGE_SLUGS, dict.fromkeys(AGE_SLUGS))
        return cls(
            who=tuple(WhoActs(who) for who in several_values(pairs, "who", _WHO, dict.fromkeys(_WHO))),
            reasons=several_values(pairs, "reason", _REASONS, dict.fromkeys(_REASONS)),
            age=AGE_SLUGS[ages[-1]] if ages else None,
            period=shared.period,
            account=shared.account,
            currency=shared.currency,
            decline=last_value(pairs, "decline"),
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs that `parse` reads back."""
        slug = next((slug for slug, age in AGE_SLUGS.items() if age == self.age), "")
        single = [
            ("age", slug),
            ("period", str(self.period or "")),
            ("account", self.account),
            ("currency", self.currency or ""),
            ("decline", self.decline),
        ]
        return [
            *(("who", str(who)) for who in self.who),
            *(("reason", reason) for reason in self.reasons),
            *((field, value) for field, value in single if value),
        ]

    def query(self) -> str:
        """The filter as the part of an address after its question mark."""
        return urlencode(self.pairs())

    @property
    def reason_ids(self) -> frozenset[str]:
        """The reasons of `who` and `reasons` together."""
        return frozenset(
            reason.id
            for reason in DUE_REASONS
            if (not self.who or reason.who_acts in self.who) and (not self.reasons or reason.id in self.reasons)
        )

    @property
    def has_all_reasons(self) -> bool:
        """True if no reason is left out."""
        return len(self.reason_ids) == len(DUE_REASONS)

    @property
    def is_counted_one_by_one(self) -> bool:
        """True if it asks for what the figures don't have."""
        return bool(self.account or self.decline)

    def has_period(self, period: Period, day: date) -> bool:
        """True if statements of `period` are wanted, with ages as of `day`."""
        return (self.period in {None, period}) and (self.age is None or age_of(period, day) == self.age)

    def id_range(self, day: date) -> tuple[str, str]:
        """The range [from, before) of the statement ids of the wanted periods, with ages as of `day`."""
        first = last = self.period
        if self.age is not None:
            this_month = Period(day.year, day.month)
            months = [
                month for month in map(this_month.shifted, range(0, -_OLDEST, -1)) if age_of(month, day) == self.age
            ]
            if not months or (self.period and not self.has_period(self.period, day)):
                return "A-", "A-"
            if self.period is None:
                # An age is a run of months; the youngest has later ones too, the oldest all earlier ones.
                first = None if self.age == AGES[-1][0] else months[-1]
                last = None if self.age == AGES[0][0] else months[0]
        return f"A-{_digits(first)}-" if first else "A-", f"A-{_digits(last.shifted(1))}-" if last else "B"


# By so many months ago the oldest age has begun.
_OLDEST = 6


def _digits(period: Period) -> str:
    return str(period).replace("-", "")


SORTS: dict[str, tuple[type, ...]] = {"statement": (), "balance": (str, Decimal), "next": (str,)}


@dataclass(frozen=True, slots=True)
class DueSort(Sort):
    """By statement, which is by age; by balance, each currency for itself; or by the next automatic attempt."""

    @classmethod
    def parse(cls, text: str) -> DueSort:
        """As `Sort.parse`."""
        by = text.removeprefix("-") or "statement"
        if by not in SORTS:
            raise BadInput(f"{text[:50]!r} can't be sorted by", where="sort", fix=f"give one of {', '.join(SORTS)}")
        return cls(by, text.startswith("-"))

    @property
    def types(self) -> tuple[type, ...]:
        """The types of the sort keys, before the statement's id."""
        return SORTS[self.by]
