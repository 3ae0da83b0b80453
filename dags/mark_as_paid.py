"""
### Mark as Paid

Records that a connector statement was paid outside the payment gateway: by bank transfer, say.

**When**: by hand only.

**What it does**: books the amount (all that is due, unless one is given) with its day, reference and reason. A part of
what is due may be paid; never more than that. Refused while a charge of the statement is under way. With `dry_run` it
only says what would be booked.

**Re-run**: safe; one run books one payment.

**A failure means**: the payment can't be right (the message says why), or the warehouse doesn't answer. Nothing was
booked then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import payments
from evbilling_airflow.defaults import BY_HAND, MARK_AS_PAID_PARAMS, Tag


@dag(
    schedule=None,
    **BY_HAND,
    params=MARK_AS_PAID_PARAMS,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def mark_as_paid() -> None:
    @task
    def record_payment() -> list[str]:
        """Book the payment and say what stays due."""
        return payments.mark_as_paid(get_current_context())

    record_payment()


mark_as_paid()
