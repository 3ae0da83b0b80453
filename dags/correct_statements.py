"""
### Corrections

Issues a correction (`C-…`), a linked credit or debit note, for the connector statements of a period whose amounts have
changed since they were issued: connectors were reported late or wrongly, or an account's settings were fixed for the
past.

**When**: by hand only: *Correct* on a statement's page, or for several statements in the list, which shows the amounts
first. A run of `connector_statements` with the outcome *differs* says that there is something to correct.

**What it does**: open run → extract inventory → apply scope rules → validate → correct → close run. Counts the period
again, as `connector_statements` does, and compares it with the statements and corrections issued so far: those in
`statement_ids`, or all of the month. With `dry_run` it only lists the corrections; with `expected` it issues exactly
these amounts, or nothing. Issued statements stay; the correction changes the statement's balance, and the account's
next account statement lists it.

**Re-run**: safe; the same difference is corrected once. Statements with a charge under way wait for the next run, and
so do accounts that have a fault now.

**A failure means**: the inventory can't be read or can't be right, as for `connector_statements`. Nothing is corrected
then.

**Runbook**: `docs/runbooks/monthly-run.md`
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import connector_statements as steps
from evbilling_airflow.actions import CORRECT
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.month_tasks import counting_tasks
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=CORRECT.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.TIER_2],
    doc_md=__doc__,
)
def correct_statements() -> None:
    @task(multiple_outputs=True)
    def correct(validated: dict[str, Any]) -> dict[str, Any]:
        """Issue the corrections in one transaction, or only list them."""
        return steps.correct(get_current_context(), validated)

    @task(multiple_outputs=True)
    def close_run(corrected: dict[str, Any]) -> dict[str, Any]:
        """Drop the staging tables."""
        return steps.close_run(corrected)

    close_run(correct(counting_tasks()))


correct_statements()
