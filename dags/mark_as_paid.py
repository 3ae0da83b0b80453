"""
### Mark as Paid

Records that connector statements were paid outside the payment gateway: by bank transfer, say.

**When**: by hand only.

**What it does**: books the amount (all that is due, unless one is given) with its day, reference and reason. Of one
statement a part may be paid, never more than is due; of several each is paid in full. One that is paid by now, or with
a charge under way, is refused by name and the others are booked. With `expected_total` nothing is booked if another
amount is due by then. With `dry_run` it only says what would be booked. What was a mistake is taken back by
`undo_mark_as_paid`.

**Re-run**: safe; one run books one payment of a statement.

**A failure means**: no payment can be right (the message says why for each), or the warehouse doesn't answer. Nothing
was booked then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import MARK_AS_PAID
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=MARK_AS_PAID.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def mark_as_paid() -> None:
    @task
    def record_payment() -> list[dict[str, str]]:
        """Book the payments and say of each statement what stays due, or why nothing is booked."""
        return MARK_AS_PAID.carry_out(get_current_context())

    record_payment()


mark_as_paid()
