"""
### Acknowledge refund

Books a payment that the gateway gave back: refunded there by somebody, or lost in the cardholder's dispute.

**When**: by hand only, after `payment_reconciliation` has named the break `refunded` or `dispute_lost`.

**What it does**: books all that was given back and isn't acknowledged yet, with the reason, and what becomes of the
debt. `due_again`: the statement is due again; `payment_retries` tries it again, or `rebill` at once. `credited`:
nothing is collected for it any more; the ledger keeps the amount as goodwill. The next account statement lists it. The
next comparison closes the break. Refused, with the reason: where the gateway gave back nothing, where another payment
of the statement makes up for it, several such payments unless one is named, and while a charge of the statement is
under way. With `dry_run` it only says what would be booked.

**Re-run**: safe; one run books a refund once.

**A failure means**: there is nothing to acknowledge (the message says why), another amount was given back than
expected, or the warehouse doesn't answer. Nothing was booked then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import ACKNOWLEDGE_REFUND
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=ACKNOWLEDGE_REFUND.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def acknowledge_refund() -> None:
    @task
    def book_refund() -> list[dict[str, str]]:
        """Book what was given back, and what becomes of the debt."""
        return ACKNOWLEDGE_REFUND.carry_out(get_current_context())

    book_refund()


acknowledge_refund()
