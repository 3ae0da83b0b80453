"""
### Payment reconciliation

Asks the gateway what became of charges without a known outcome, and compares its payments with ours, both ways.

**When**: 06:00 UTC every day, before the day's retries.

**What it does**: ask gateway → compare. A charge without an outcome is settled only by what the gateway lists: it was
made, it was declined, or, an hour after it was last claimed, it never took place. Every difference in money is a break:
charged but not recorded, recorded but not charged, another amount, charged twice, refunded, disputed. While charging is
on hold because the warehouse was restored from a backup, `compare` goes back as far as anything is due, and lifts the
hold.

**Re-run**: safe at any time; it only reads at the gateway. `days` looks further back.

**A failure means**: `compare` fails while there are breaks, and names them with what to do. Nothing is posted
automatically: fix it at the gateway, by Mark as Paid or by `acknowledge_refund`, and the next run marks the break as
gone. All are in `finance.payment_breaks`. It also fails if a check of the tie-out does.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import payments
from evbilling_airflow.alerting import deadline
from evbilling_airflow.defaults import GATEWAY_POOL, RECONCILIATION_PARAMS, SCHEDULED, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule="0 6 * * *",
    **SCHEDULED,
    deadline=deadline(timedelta(hours=3)),
    params=RECONCILIATION_PARAMS,
    tags=[Tag.BILLING, Tag.DAILY, Tag.PAYMENTS, Tag.TIER_1],
    doc_md=__doc__,
)
def payment_reconciliation() -> None:
    @task(multiple_outputs=True, pool=GATEWAY_POOL)
    def ask_gateway() -> dict[str, int]:
        """Settle every charge whose outcome isn't known, by asking the gateway."""
        return payments.ask_gateway(get_current_context())

    @task(multiple_outputs=True, pool=GATEWAY_POOL)
    def compare() -> dict[str, Any]:
        """Compare gateway and warehouse both ways; a break fails the task and is kept for finance."""
        return payments.compare(get_current_context())

    ask_gateway() >> compare()


payment_reconciliation()
