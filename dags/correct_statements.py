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
from evbilling_airflow.links import ValidationResultsLink, with_link
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
    @task
    def open_run() -> list[dict[str, Any]]:
        """Check period and source, freeze the accounts and their terms, split the inventory into parts."""
        return steps.open_run(get_current_context())

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
    def correct(validated: dict[str, Any]) -> dict[str, Any]:
        """Issue the corrections in one transaction, or only list them."""
        return steps.correct(get_current_context(), validated)

    @task(multiple_outputs=True)
    def close_run(corrected: dict[str, Any]) -> dict[str, Any]:
        """Drop the staging tables."""
        return steps.close_run(corrected)

    decided = apply_scope_rules.expand(extracted=extract_inventory.expand(part=open_run()))
    close_run(correct(with_link(validate(decided), ValidationResultsLink())))


correct_statements()
