"""
### Missed months

Carries out the policies of missed months: forgives what a policy forgives, and has `bill_month` bill what one bills.

**When**: 19:00 UTC every day, an hour after a month's statements are due. Nothing is caught up: what was missed
yesterday is missed today. Without a policy it does nothing, and each missed month waits for a person.

**What it does**: forgive → list → trigger, one run of `bill_month` a month, the oldest first. The run's id says which
accounts it bills by which policies, so nothing is triggered twice; the approval policy decides whether the run waits
for a person. A month that was never billed is billed as a whole, unless an account of it is left to a person; then the
month is too. With the Param `dry_run` the log says what would be done.

**Re-run**: safe; a month is forgiven once, and a run that was triggered is not triggered again, even if it failed: a
person looks at it.

**A failure means**: warehouse or platform don't answer, or a month was billed or forgiven meanwhile. Clear the task.

**Runbook**: `docs/runbooks/monthly-run.md`
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import missed_months as policies
from evbilling_airflow.defaults import DRY_RUN_PARAM, SCHEDULED, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule="0 19 * * *",
    **SCHEDULED,
    params={"dry_run": DRY_RUN_PARAM},
    tags=[Tag.BILLING, Tag.DAILY, Tag.TIER_2],
    doc_md=__doc__,
)
def missed_months() -> None:
    @task(multiple_outputs=True)
    def forgive() -> dict[str, int]:
        """Forgive the missed months that a policy forgives, with what each would have cost."""
        return policies.forgive_by_policy(get_current_context())

    @task
    def list_runs() -> list[dict[str, Any]]:
        """List the runs of bill_month by which the other policies bill; log what is left to a person, and why."""
        return policies.runs_to_trigger(get_current_context())

    @task(
        max_active_tis_per_dagrun=1,
        map_index_template="{{ run['run_id'] }}",
        doc_md="Trigger one run of bill_month, or be skipped if it was triggered before.",
    )
    def bill(run: dict[str, Any]) -> None:
        policies.trigger(run)

    listed = list_runs()
    forgive() >> listed
    bill.expand(run=listed)


missed_months()
