"""
### Payment retries

Tries again the failed payments whose planned date has come, and those whose payment method has changed since.

**When**: 09:00 UTC every day. Nothing is caught up: what was due yesterday is due today.

**What it does**: plan retries → send retries → record → deliver and check. The plan follows what the last decline
meant: a soft one is tried again in growing gaps, a hard one not until the payment method changes, none more often than
allowed in 30 days. An account that fails for a new reason gets a notice by mail.
To see the plan beforehand: `finance.payment_plans`, or a run with the Param `dry_run`.

**Re-run**: safe; on one run a statement is tried once, and a killed task goes on where it was.

**A failure means**: platform, warehouse or gateway don't answer, or the gateway refuses the key or our requests (see
the message). Nothing is lost: what was opened is sent when the task runs again. `check`: everything is recorded, and a
check of the tie-out failed, a break is open, or the gateway refused a request of ours; the message says what to do.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import mail, payments
from evbilling_airflow.alerting import deadline
from evbilling_airflow.defaults import CHARGING_TIMEOUT, DELIVERY_TIMEOUT, DRY_RUN_PARAM, GATEWAY_POOL, SCHEDULED, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule="0 9 * * *",
    **SCHEDULED,
    deadline=deadline(timedelta(hours=3)),
    params={"dry_run": DRY_RUN_PARAM},
    tags=[Tag.BILLING, Tag.DAILY, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def payment_retries() -> None:
    @task(pool=GATEWAY_POOL)
    def plan_retries() -> list[str]:
        """Plan every failed statement anew and open the attempts that are due, in batches."""
        return payments.plan_due(get_current_context())

    @task(
        multiple_outputs=True,
        pool=GATEWAY_POOL,
        execution_timeout=CHARGING_TIMEOUT,
        map_index_template="{{ batch }}",
        doc_md="Make the calls of one batch and record what became of them; a killed task goes on where it was.",
    )
    def send_retries(batch: str) -> dict[str, Any]:
        return payments.send(batch)

    @task(multiple_outputs=True, pool=GATEWAY_POOL)
    def record() -> dict[str, Any]:
        """Plan the next retries, and compare the money of the periods concerned with the gateway's."""
        return payments.close_due(get_current_context())

    @task(multiple_outputs=True, execution_timeout=DELIVERY_TIMEOUT)
    def deliver() -> dict[str, int]:
        """Mail the notices of failed charges that wait."""
        return mail.deliver_notices(get_current_context())

    @task
    def check(recorded: dict[str, Any]) -> None:
        """Fail if the money isn't in order, with what to do; everything is recorded by then."""
        payments.check(recorded)

    recorded = record()
    send_retries.expand(batch=plan_retries()) >> recorded
    recorded >> deliver()
    check(recorded)


payment_retries()
