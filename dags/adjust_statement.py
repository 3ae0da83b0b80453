"""
### Credit or debit

Credits an amount of a connector statement, or charges one in addition, by a linked note `C-…`.

**When**: by hand only: goodwill after an outage, or an amount that was left out.

**What it does**: issues the note with the tax of the statement's own rate, rounded once, moves the statement's balance,
and queues the note's mail. `reason` is for the audit, and no customer reads it; `customer_text` is on the note and in
the mail. A credit is at most what was billed less what was credited. If the statement is paid, the credit is left on
it: the account statement carries it, until it is sent back. A debit is collected as the balance is. Above the limit of
one person (`evbilling settings limit`) it becomes a request; another person runs the same with `approves`, the number
of the request. Refused while a charge of the statement is under way, and while it is written off. With `dry_run` it
only says what would be issued.

**Re-run**: safe; one run issues one note.

**A failure means**: the amount is more than can be credited, or the statement can't be adjusted now (the message says
why), or the warehouse doesn't answer. Nothing was issued then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import ADJUST_STATEMENT
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=ADJUST_STATEMENT.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def adjust_statement() -> None:
    @task
    def adjust() -> list[dict[str, str]]:
        """Issue the note and move the balance."""
        return ADJUST_STATEMENT.carry_out(get_current_context())

    adjust()


adjust_statement()
