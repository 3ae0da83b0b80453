"""The charge on the 1st: every connector statement of a period once, right after it was issued."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evbilling.payments import attempts
from evbilling.payments.attempts import Occasion
from evbilling.payments.reconciliation import require_all_booked, settle_unknown, tie_out_payments
from evbilling.payments.retries import plans
from evbilling.payments.services import PaymentServices
from evbilling.period import Period

log = logging.getLogger(__name__)


def charge_period(
    services: PaymentServices,
    period: Period,
    *,
    actor: str,
    now: datetime,
    account_ids: Sequence[str] | None = None,
    batch: str | None = None,
) -> dict[str, Any]:
    """Charge the period's statements that were not charged at issue yet, and plan the retries of those that failed.

    Only those of `account_ids`, if they are given: `batch` then names who makes these calls, and nothing that others
    have opened is sent.

    Returns {"opened", "refused": {reason: count}, "succeeded", "declined": {class: count}, "unknown",
    "not_accepted": {code: count}, "not_ok": [check]}; safe to repeat: what was charged before isn't charged again.
    Raises `BadInput` if the gateway refuses the key or our requests, or has none of the customers, `NotReady` while
    charging is on hold, `TransientError` if the gateway doesn't answer; no attempt is opened then, or what is open
    stays and the next call goes on with it. Raises `Mismatch`, once all is done, if the gateway has collected something
    that can't be booked.
    """
    name = f"issue {period}"
    occasion = Occasion("issue", name, batch or name, actor, f"connector statements of {period}")
    with services.warehouse() as connection:
        debts = plans.load_debts(connection, account_ids=account_ids, period=str(period), occasion=name)
    payers = services.payers_of(debts)
    if debts:
        services.check_gateway(payers.values())
        services.require_charging()
    with services.warehouse() as connection:
        opened = attempts.open_attempts(connection, occasion, debts, payers, services.policy.most_in_30_days)
    collected = services.collect(occasion.batch, is_looked_at=bool(debts))
    with services.warehouse() as connection:
        failed = [
            row[0]
            for row in connection.execute(
                "select statement_id from billing.payment_attempt where occasion = %s and batch = %s and outcome = %s",
                (name, occasion.batch, "declined"),
            )
        ]
    if failed:
        services.replan(failed, now)
    without_call = sum(one.attempt_id is not None for one in opened) - collected.total
    log.info("%s: %s attempts opened, %s of them without a call", name, len(opened), max(0, without_call))
    not_ok = _tie_out(services, period, now)
    require_all_booked(services, name)
    return {
        "opened": sum(one.attempt_id is not None for one in opened),
        "refused": attempts.count_refusals(opened),
        **collected.as_dict(),
        "not_ok": not_ok,
    }


def _tie_out(services: PaymentServices, period: Period, now: datetime) -> list[str]:
    """Ask the gateway for what it has of the period, and keep the checks; returns those that aren't ok."""
    with services.warehouse() as connection:
        row = connection.execute(
            """select min(a.sent_at) from billing.payment_attempt a join billing.statement s using (statement_id)
               where s.kind = 'connector' and s.period = %s""",
            (str(period),),
        ).fetchone()
    if row and row[0] is not None:
        settle_unknown(services, row[0], now)
    return tie_out_payments(services, [str(period)]).get(str(period), [])
