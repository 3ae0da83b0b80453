"""
### Connector statements

Counts the connectors of every account with per-connector billing at 00:00 on the 1st in the account's own time zone,
issues a connector statement (`A-…`, *Account Chargers*) to its financial admin, charges it and mails it.

**When**: 12:00 UTC on the 1st, when it is the 1st in every inhabited time zone. The period is the run's partition key
(`2026-11`), or the Param `period`; never the date of the run.

**What it does**: open run → extract inventory → apply scope rules → validate → plan → issue statements → close run →
charge; deliver beside charge. One short transaction publishes exactly what was planned: readers never see half a month.
Where the approval policy asks for it, or a scheduled run begins late, `approve` waits for a person first.

**Re-run**: as often as you like, the whole run or any task. Issued statements stay. If nothing has changed, 0 rows are
written; accounts whose fault has been fixed get their statements; if an issued statement no longer matches the
inventory, the run reports the difference and writes nothing. A statement is charged once and mailed once, however often
`charge` and `deliver` run; past months are only mailed if the Param `deliver` says so. For another month,
`airflow dags test connector_statements -c '{"period": "2026-10"}'`, or a trigger or backfill, which follow the policy.

**A failure means**: `open_run`: the source can't be reached, or its inventory can't be right. `validate`: a critical
expectation failed (see *Validation results* on the task). In both cases nothing is published, and the message says what
to do. `record_decision`: the plan was rejected, or nobody approved it in time; nothing is issued. `charge`: the payment
gateway doesn't answer, or refuses the key or our requests; the statements are issued, clear the task to go on. It also
fails, once everything is recorded, for a break or a failing check, with what to do. `deliver`: the mail server doesn't
answer or refuses us; `mail_delivery` sends the mail later. An account with a fault, a declined charge or a wrong
address doesn't fail the run: see `finance.unbilled_accounts`, `finance.payment_attempts` and `finance.mail`.

**Runbook**: `docs/runbooks/monthly-run.md`
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronPartitionTimetable, TriggerRule, dag, get_current_context, task

from evbilling_airflow import approval, mail
from evbilling_airflow import connector_statements as steps
from evbilling_airflow.alerting import deadline
from evbilling_airflow.assets import CONNECTOR_STATEMENTS
from evbilling_airflow.defaults import CHARGING_TIMEOUT, DELIVERY_TIMEOUT, GATEWAY_POOL, MONTH_PARAMS, MONTHLY, Tag
from evbilling_airflow.links import ValidationResultsLink, with_link
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=CronPartitionTimetable("0 12 1 * *", timezone="UTC", run_offset=0, key_format="%Y-%m"),
    **MONTHLY,
    deadline=deadline(timedelta(hours=6)),
    params=MONTH_PARAMS,
    tags=[Tag.BILLING, Tag.MONTHLY, Tag.TIER_1],
    doc_md=__doc__,
)
def connector_statements() -> None:
    @task
    def open_run() -> list[dict[str, Any]]:
        """Check period and source, freeze the accounts and their terms, split the inventory into parts."""
        return steps.open_run(get_current_context())

    # Airflow shows a docstring as a task's documentation, but not that of a mapped task.
    @task(
        multiple_outputs=True,
        map_index_template="part {{ ti.map_index }}",
        doc_md="Read one part as of each account's count and keep it as hashed Parquet evidence.",
    )
    def extract_inventory(part: dict[str, Any]) -> dict[str, Any]:
        return steps.extract_inventory(part)

    @task(
        multiple_outputs=True,
        map_index_template="part {{ ti.map_index }}",
        doc_md="Decide on every connector of one part and stage the decisions.",
    )
    def apply_scope_rules(extracted: dict[str, Any]) -> dict[str, Any]:
        return steps.apply_scope_rules(extracted)

    @task(multiple_outputs=True)
    def validate(decided: list[dict[str, Any]]) -> dict[str, Any]:
        """Great Expectations on inventory, decisions, accounts and period; a critical failure stops the run."""
        return steps.validate(decided)

    @task
    def plan(validated: dict[str, Any]) -> list[dict[str, Any]]:
        """Draft and number the statements, keep what would be issued as a plan, and list it if it has to wait."""
        return steps.plan(validated, get_current_context())

    # Where nothing waits, Airflow skips what is asked without a process; whatever else happens to that stops the run.
    @task(multiple_outputs=True, trigger_rule=TriggerRule.NONE_FAILED)
    def issue_statements(validated: dict[str, Any]) -> dict[str, Any]:
        """Publish the plan in one short transaction, as it was approved, and nothing that isn't in it."""
        return steps.issue_statements(validated)

    @task(multiple_outputs=True, outlets=[CONNECTOR_STATEMENTS])
    def close_run(issued: dict[str, Any]) -> dict[str, Any]:
        """Write the tie-out, drop the staging tables, update the asset."""
        return steps.close_run(issued)

    @task(multiple_outputs=True, pool=GATEWAY_POOL, execution_timeout=CHARGING_TIMEOUT)
    def charge(closed: dict[str, Any]) -> dict[str, Any]:
        """Charge each statement once; a killed task resumes where it was and charges nothing twice."""
        return steps.charge(get_current_context(), closed)

    @task(multiple_outputs=True, execution_timeout=DELIVERY_TIMEOUT)
    def deliver() -> dict[str, int]:
        """Mail each statement once to its financial admin; what can't be sent is listed and doesn't fail the run."""
        return mail.deliver_statements(get_current_context(), "connector_statement")

    decided = apply_scope_rules.expand(extracted=extract_inventory.expand(part=open_run()))
    validated = with_link(validate(decided), ValidationResultsLink())
    issued = issue_statements(validated)
    approval.ask(plan(validated)) >> issued
    closed = close_run(issued)
    charge(closed)
    closed >> deliver()


connector_statements()
