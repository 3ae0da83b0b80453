"""
### Undo Mark as Paid

Takes back a payment of a connector statement that was marked as paid by mistake.

**When**: by hand only.

**What it does**: books a reversing entry of the whole payment, with the reason; what was recorded stays. The statement
is due again with the status it had before; `payment_retries` tries it again, or `rebill` at once. If the payment
is on an account statement, the next one lists the undo. Refused, with the reason: what is undone already, what the
gateway itself has collected, a statement with several such payments unless one is named, and while a charge of the
statement is under way. With `dry_run` it only says what would be undone.

**Re-run**: safe; one run undoes one payment, once.

**A failure means**: there is nothing that may be undone (the message says why), or the warehouse doesn't answer.
Nothing was booked then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import UNDO_MARK_AS_PAID
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=UNDO_MARK_AS_PAID.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def undo_mark_as_paid() -> None:
    @task
    def reverse_payment() -> list[dict[str, str]]:
        """Book the reversing entry and say what is due again."""
        return UNDO_MARK_AS_PAID.carry_out(get_current_context())

    reverse_payment()


undo_mark_as_paid()
