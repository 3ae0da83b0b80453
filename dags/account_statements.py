"""
### Account statements

Sums up the month of every account with a financial admin: opening balance, connector statements and corrections, other
charges, payments, closing balance (`S-…`). Then it retries failed payments and plans the next retries.

**When**: 12:00 UTC on the last day of the month. The period is the run's partition key (`2026-11`), or the Param
`period`; never the date of the run.

**What it does**: assemble → validate → issue statements → close run → plan retries → send retries → record; deliver
mails the statements in parallel with the retries. Each item is on exactly one account statement; a late item goes on
the next.

**Re-run**: as often as you like, the whole run or any task. An account that has its statement keeps it (0 rows
written); an account whose fault has been fixed gets its statement; a statement is mailed once and a failed payment
retried once, however often the task runs. Months are issued in order, each after its connector statements.

**A failure means**: `assemble`: the platform can't be reached, or it is too early for the month. `validate`: items and
their sources differ (see *Validation results* on the task); nothing is published. `plan_retries`, `send_retries` or
`record`: the platform or the gateway doesn't answer; the statements are issued, clear the task to go on. `record` also
fails, once everything is recorded, for a break or a failing check, with what to do. `deliver`: the
mail server doesn't answer or refuses us; `mail_delivery` sends the mail later. An account with a fault or a wrong
address doesn't fail the run: see `finance.withheld_account_statements` and `finance.mail`.

**Runbook**: `docs/runbooks/month-end.md`
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronPartitionTimetable, dag, get_current_context, task

from evbilling_airflow import account_statements as steps
from evbilling_airflow import mail, payments
from evbilling_airflow.alerting import deadline
from evbilling_airflow.assets import ACCOUNT_STATEMENTS
from evbilling_airflow.defaults import (
    CHARGING_TIMEOUT,
    DELIVER_PARAM,
    DELIVERY_TIMEOUT,
    GATEWAY_POOL,
    PERIOD_PARAM,
    SCHEDULED,
    Tag,
)
from evbilling_airflow.links import ValidationResultsLink, with_link
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=CronPartitionTimetable("0 12 L * *", timezone="UTC", run_offset=0, key_format="%Y-%m"),
    **SCHEDULED,
    deadline=deadline(timedelta(hours=6)),
    params={"period": PERIOD_PARAM, "deliver": DELIVER_PARAM},
    tags=[Tag.BILLING, Tag.MONTHLY, Tag.TIER_1],
    doc_md=__doc__,
)
def account_statements() -> None:
    @task(multiple_outputs=True)
    def assemble() -> dict[str, Any]:
        """Put together each account's items: its own record, and the platform's charges."""
        return steps.assemble(get_current_context())

    @task(multiple_outputs=True)
    def validate(assembled: dict[str, Any]) -> dict[str, Any]:
        """Great Expectations: balances roll forward and items agree with their sources, or the run stops."""
        return steps.validate(assembled)

    @task(multiple_outputs=True)
    def issue_statements(validated: dict[str, Any]) -> dict[str, Any]:
        """Number the account statements and publish them in one short transaction."""
        return steps.issue_statements(validated)

    @task(multiple_outputs=True, outlets=[ACCOUNT_STATEMENTS])
    def close_run(issued: dict[str, Any]) -> dict[str, Any]:
        """Write the tie-out, drop the staging tables, update the asset."""
        return steps.close_run(issued)

    @task(pool=GATEWAY_POOL)
    def plan_retries() -> list[str]:
        """Open an attempt for every failed payment that may still succeed, in batches."""
        return payments.plan_month_end(get_current_context())

    @task(
        multiple_outputs=True,
        pool=GATEWAY_POOL,
        execution_timeout=CHARGING_TIMEOUT,
        map_index_template="{{ batch }}",
        doc_md="Make the calls of one batch and record their outcomes; a killed task resumes where it was.",
    )
    def send_retries(batch: str) -> dict[str, Any]:
        return payments.send(batch)

    @task(multiple_outputs=True, pool=GATEWAY_POOL)
    def record() -> dict[str, Any]:
        """Plan the next retries, and compare the period's money with the gateway's."""
        return payments.close_month_end(get_current_context())

    @task(multiple_outputs=True, execution_timeout=DELIVERY_TIMEOUT)
    def deliver() -> dict[str, int]:
        """Mail each statement once to its financial admin, and the notices of failed charges that are due."""
        return mail.deliver_month_end(get_current_context())

    closed = close_run(issue_statements(with_link(validate(assemble()), ValidationResultsLink())))
    batches = plan_retries()
    closed >> [batches, deliver()]
    send_retries.expand(batch=batches) >> record()


account_statements()
