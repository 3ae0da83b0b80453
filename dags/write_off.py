"""
### Write off

Writes off what is due on a connector statement and won't be paid, or undoes that.

**When**: by hand only, once finance has given the debt up; `undo` when it is paid or pursued after all.

**What it does**: moves all that is due to the ledger account `written_off`. Nothing is collected for it any more:
`payment_retries`, the month's end and `rebill` leave it alone. The status stays that of an unpaid statement, and
`finance.statements.written_off_amount` says how much it is. The next account statement lists it. `undo` takes back the
newest write-off, and the debt is due again. Above the limit of one person (`evbilling settings limit`) it becomes a
request; another person runs the same with `approves`. Refused while a charge is under way, and while the
gateway has a payment for the statement that isn't recorded. With `dry_run` it only says what would be booked.

**Re-run**: safe; one run books it once.

**A failure means**: nothing is due or written off, another amount is due than expected, or the warehouse doesn't
answer. Nothing was booked then.

**Runbook**: `docs/runbooks/payments.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow.actions import WRITE_OFF
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=WRITE_OFF.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.PAYMENTS, Tag.TIER_2],
    doc_md=__doc__,
)
def write_off() -> None:
    @task
    def write_off_debt() -> list[dict[str, str]]:
        """Book the write-off, or its undoing."""
        return WRITE_OFF.carry_out(get_current_context())

    write_off_debt()


write_off()
