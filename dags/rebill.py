"""
### Re-Bill

Charges connector statements again, on an operator's request: named ones, or all of an account in a period.

**When**: by hand only.

**What it does**: charges what is due on each statement to its financial admin's payment method of today, once, and
says what became of it. Refused, each with its reason: what is paid, what is under way, what was tried as often as is
allowed in 30 days, and what was declined for good while the payment method is the same. With `expected_total` nothing
is charged if it would come to another amount by then. With `dry_run` it only says what would be charged to whom.

**Re-run**: safe; one run charges a statement once. Trigger a new run to try again.

**A failure means**: no statement was charged (the message says why for each), or platform, warehouse or gateway don't
answer: clear the task to go on.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import REBILL
from evbilling_airflow.defaults import BY_HAND, CHARGING_TIMEOUT, GATEWAY_POOL, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=REBILL.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def rebill() -> None:
    @task(pool=GATEWAY_POOL, execution_timeout=CHARGING_TIMEOUT)
    def charge_again() -> list[dict[str, str]]:
        """Charge the statements that may be charged, and say of each what became of it or why not."""
        return REBILL.carry_out(get_current_context())

    charge_again()


rebill()
