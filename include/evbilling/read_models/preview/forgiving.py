"""What missed months would cost, by the inventory and the settings of each: what somebody forgives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.missed_months import MonthToForgive
from evbilling.period import Period
from evbilling.platform import PlatformLookup
from evbilling.read_models.preview.corrections import begins_later
from evbilling.read_models.preview.reading import preview_terms


@dataclass(frozen=True, slots=True)
class MissedAmount:
    """A missed month as it would be billed now; `note` says what is special about the amount. `name`: the account's."""

    month: MonthToForgive
    name: str | None
    note: str | None


def preview_missed(
    platform: PlatformLookup,
    connection: psycopg.Connection[Any],
    months: Sequence[tuple[str, Period]],
    *,
    now: datetime,
) -> list[MissedAmount]:
    """What each of these months of an account would cost, in the same order; changes nothing.

    An account with a fault has the amount expected of it. The amount isn't known without a valid currency, or where the
    platform's history of the account begins after the month's count. Raises `TransientError` if the platform doesn't
    answer, or not in time.
    """
    names = {row.account_id: row.name for row in platform.account_rows(list({account for account, _ in months}))}
    found = []
    for account, period in months:
        preview = preview_terms(platform, connection, account, period, None, now=now)
        outcome, name = preview.current, names.get(account)
        if not preview.connectors and begins_later(platform, account, preview.counted_at, now):
            unknown = "the platform's history of it begins later"
            found.append(MissedAmount(MonthToForgive(account, period), name, unknown))
        elif preview.currency is None:
            found.append(MissedAmount(MonthToForgive(account, period), name, "its currency isn't known"))
        else:
            month = MonthToForgive(account, period, outcome.billed, outcome.total, preview.currency)
            note = "; ".join(problem.detail for problem in outcome.problems) or outcome.nothing
            found.append(MissedAmount(month, name, note))
    return found
