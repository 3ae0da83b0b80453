"""
### Bill a month, or what is missing in one

The same tasks as `connector_statements`, at a person's word: a month that was never billed, or what accounts are
missing in a month that was.

**When**: by hand only: *Bill …* and *Issue what is missing* on the pages Months and Account Billing, which show the
amounts first. It isn't paused, and works while `connector_statements` is paused or waits.

**What it does**: counts the whole month from its own inventory and plans it. With `account_ids` it then issues, charges
and mails exactly the statements that these accounts are missing; without, the whole month. With `expected` or
`plan_hash` it issues what was decided on, or nothing; with `dry_run` it makes the plan only.

**Re-run**: as often as you like; what is issued stays, and nothing is charged or mailed twice.

**A failure means**: as for `connector_statements`; or it comes to other amounts than were decided on: nothing is issued
then, and the message says which.

**Runbook**: `docs/runbooks/monthly-run.md`
"""

from __future__ import annotations

from airflow.sdk import dag

from evbilling_airflow.actions import BILL_MONTH
from evbilling_airflow.defaults import MONTH_BY_HAND, Tag
from evbilling_airflow.month_tasks import month_tasks
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **MONTH_BY_HAND,
    params=BILL_MONTH.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.TIER_1],
    doc_md=__doc__,
)
def bill_month() -> None:
    month_tasks()


bill_month()
