"""
### Connector statements

Counts the connectors of every account with per-connector billing at 00:00 on the 1st in the account's own time zone,
issues a connector statement (`A-…`, *Account Chargers*) to its financial admin, charges it and mails it.

**When**: 12:00 UTC on the 1st, when every inhabited zone has got there. The period is the run's partition key
(`2026-11`), or the Param `period`; never the date of the run.

**What it does**: open run → extract inventory → apply scope rules → validate → issue statements → close run →
charge and, beside it, deliver. All is staged first; one short transaction publishes it. Readers never see half a month.

**Re-run**: as often as you like, whole or any task. What is issued stays: the same truth writes 0 rows; accounts that
were quarantined and have been mended get their statements; where the truth has changed the run says so and writes
nothing. A statement is charged once and mailed once, however often `charge` and `deliver` run; months that are long
over are mailed only if the Param `deliver` says so. Another month: trigger it with that partition key.
Several: `airflow backfill create --dag-id connector_statements --from-date … --to-date … --max-active-runs 1`.

**A failure means**: `open_run`, the source can't be reached or its inventory can't be right; `validate`, an
expectation that guards the money failed (see *Validation results* on the task). Nothing is published then; the
message says what to do. `charge`, the payment gateway doesn't answer or refuses the key: all is issued, clear the task
to go on. `deliver`, the mail server doesn't answer or refuses us: `mail_delivery` sends what waits. A faulty account, a
declined charge or an address that doesn't work doesn't fail the run: see `finance.unbilled_accounts`,
`finance.payment_attempts` and `finance.mail`.

**Runbook**: `docs/runbooks/monthly-run.md`
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronPartitionTimetable, dag, get_current_context, task

from evbilling_airflow import connector_statements as steps
from evbilling_airflow import mail
from evbilling_airflow.assets import CONNECTOR_STATEMENTS
from evbilling_airflow.defaults import CHARGING_TIMEOUT, DELIVERY_TIMEOUT, GATEWAY_POOL, MONTH_PARAMS, SCHEDULED, Tag
from evbilling_airflow.links import ValidationResultsLink, with_link
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=CronPartitionTimetable("0 12 1 * *", timezone="UTC", run_offset=0, key_format="%Y-%m"),
    **SCHEDULED,
    params=MONTH_PARAMS,
    tags=[Tag.BILLING, Tag.MONTHLY, Tag.TIER_1],
    doc_md=__doc__,
)
def connector_statements() -> None:
    @task
    def open_run() -> list[dict[str, Any]]:
        """Check period and source, fix the accounts and their terms, split the inventory into parts."""
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

    @task(multiple_outputs=True)
    def issue_statements(validated: dict[str, Any]) -> dict[str, Any]:
        """Number the statements and publish the month in one short transaction."""
        return steps.issue_statements(validated)

    @task(multiple_outputs=True, outlets=[CONNECTOR_STATEMENTS])
    def close_run(issued: dict[str, Any]) -> dict[str, Any]:
        """Write the tie-out, drop the staging tables, tell the asset's followers."""
        return steps.close_run(issued)

    @task(multiple_outputs=True, pool=GATEWAY_POOL, execution_timeout=CHARGING_TIMEOUT)
    def charge(closed: dict[str, Any]) -> dict[str, Any]:
        """Charge each statement once; a killed task goes on where it was and charges nothing twice."""
        return steps.charge(get_current_context(), closed)

    @task(multiple_outputs=True, execution_timeout=DELIVERY_TIMEOUT)
    def deliver() -> dict[str, int]:
        """Mail each statement once to its financial admin; what can't be sent is listed and stops nothing."""
        return mail.deliver_statements(get_current_context(), "connector_statement")

    decided = apply_scope_rules.expand(extracted=extract_inventory.expand(part=open_run()))
    validated = with_link(validate(decided), ValidationResultsLink())
    closed = close_run(issue_statements(validated))
    charge(closed)
    closed >> deliver()


connector_statements()
