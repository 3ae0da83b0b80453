"""Reads what a preview of an account's billing needs, from the platform and the warehouse."""

from __future__ import annotations

from datetime import datetime

import psycopg

from evbilling.period import Period
from evbilling.platform import CountWindow, PlatformLookup
from evbilling.read_models.preview.preview import PlatformFacts, Preview, preview
from evbilling.settings import BillingTerms, settings_of

# The zones where a day begins first and last.
_FIRST_ZONE, _LAST_ZONE = "Pacific/Kiritimati", "Etc/GMT+12"


def preview_terms(
    platform: PlatformLookup,
    connection: psycopg.Connection,
    account_id: str,
    period: Period,
    proposed: BillingTerms | None,
    *,
    now: datetime,
) -> Preview:
    """The account's month of `period` under the `proposed` terms beside those in force; changes nothing.

    Raises `TransientError` if the platform doesn't answer, or not in time.
    """
    window = CountWindow(*(min(now, period.count_instant(zone)) for zone in (_FIRST_ZONE, _LAST_ZONE)))
    history = platform.history_of(account_id, window)
    others = set(history.accounts_around(window)) - {account_id}
    in_force = settings_of(connection, period, [account_id, *sorted(others)])
    current = in_force.pop(account_id, None)
    rivals = [row.terms for row in in_force.values() if row.terms.charge_connectors]
    own = [terms for terms in (proposed, current.terms if current else None) if terms is not None]
    admins = {terms.financial_admin_id for terms in [*own, *rivals] if terms.financial_admin_id}
    facts = PlatformFacts(
        accounts=platform.account_rows([account_id, *(terms.account_id for terms in rivals)]),
        users=platform.users(sorted(admins)),
        history=history,
    )
    return preview(facts, account_id, period, proposed, current.terms if current else None, rivals, now)
