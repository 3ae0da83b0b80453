"""
### Refund

Gives back a payment of a connector statement, or a part of it, through the gateway.

**When**: by hand only: the statement has a credit (`adjust_statement` gives one), or the wrong card was charged.

**What it does**: keeps what is asked for, asks the gateway with a key of its own, and books the refund with the answer.
`debt` credit: at most the statement's credit is refunded. `due_again`: more is, and the debt is due again, so retries
collect it. Never more than the payment brought, less what was given back. Above the limit of one person
(`evbilling settings limit`) it becomes a request; another person runs the same with `approves`. Refused while a charge
or another refund of the statement is under way, while a refund made elsewhere isn't acknowledged, for a disputed
payment, and while charging is on hold. With `dry_run` it only says what would be refunded.

**Re-run**: safe; the same key goes to the gateway, which refunds once. Without an answer the outcome is unknown:
`payment_reconciliation` asks the gateway.

**A failure means**: the payment can't be refunded now (the message says why), the gateway refused it, or warehouse or
gateway don't answer.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import REFUND_PAYMENT
from evbilling_airflow.defaults import BY_HAND, GATEWAY_POOL, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=REFUND_PAYMENT.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def refund_payment() -> None:
    @task(pool=GATEWAY_POOL)
    def give_back() -> list[dict[str, str]]:
        """Refund the payment at the gateway, and book it."""
        return REFUND_PAYMENT.carry_out(get_current_context())

    give_back()


refund_payment()
