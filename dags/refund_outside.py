"""
### Credit sent back

Books that a statement's credit was sent back by other means than the gateway, such as a bank transfer.

**When**: by hand only, after the money was sent.

**What it does**: books the amount in the ledger from paid outside to receivable, so that the credit is used up. The
next account statement lists it. Refused, with the reason: without a credit (give it first by `adjust_statement`),
beyond it, while a refund at the gateway isn't acknowledged, and while a charge is under way. Above the limit of
one person (`evbilling settings limit`) it becomes a request; another person runs the same with `approves`. With
`dry_run` it only says what would be booked.

**Re-run**: safe; one run books it once.

**A failure means**: the statement has no such credit, or the warehouse doesn't answer. Nothing was booked then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import REFUND_OUTSIDE
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=REFUND_OUTSIDE.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def refund_outside() -> None:
    @task
    def book_refund() -> list[dict[str, str]]:
        """Book what was sent back."""
        return REFUND_OUTSIDE.carry_out(get_current_context())

    book_refund()


refund_outside()
