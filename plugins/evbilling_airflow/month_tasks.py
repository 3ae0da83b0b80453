"""The tasks of a month: connector_statements and bill_month share all, correct_statements those that count it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import TaskGroup, TriggerRule, get_current_context, task

from evbilling_airflow import approval, mail
from evbilling_airflow import connector_statements as steps
from evbilling_airflow.assets import CONNECTOR_STATEMENTS
from evbilling_airflow.defaults import CHARGING_TIMEOUT, DELIVERY_TIMEOUT, GATEWAY_POOL
from evbilling_airflow.links import ValidationResultsLink, with_link


def counting_tasks() -> Any:
    """Add the tasks from the opening of a run to its validation; returns what `validate` gives the next task."""

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

    decided: Any = apply_scope_rules.expand(extracted=extract_inventory.expand(part=open_run()))
    return with_link(validate(decided), ValidationResultsLink())


def month_tasks() -> None:
    """Add the tasks to the DAG that is being defined, each after the one whose result it takes."""

    @task
    def plan(validated: dict[str, Any]) -> list[dict[str, Any]]:
        """Draft and number the statements, keep what would be issued as a plan, and list it if it has to wait."""
        return steps.plan(validated, get_current_context())

    # Where nothing waits, Airflow skips what is asked without a process; whatever else happens to that stops the run.
    @task(multiple_outputs=True, trigger_rule=TriggerRule.NONE_FAILED)
    def issue_statements(validated: dict[str, Any]) -> dict[str, Any]:
        """Publish the plan, or the rest of it, in one short transaction, as it was approved, and nothing else."""
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

    validated = counting_tasks()
    # What a task gives is its result where another takes it: Airflow's types don't say so.
    issued: Any = issue_statements(validated)
    decided = approval.ask(plan(validated))
    [decided, canary_tasks(decided)] >> issued
    closed: Any = close_run(issued)
    charge(closed)
    closed >> deliver()


def canary_tasks(canaries: Any) -> Any:
    """Add the tasks that issue, charge and mail a canary and ask about the rest; all are skipped if there is none.

    Returns the last, which records the answer.
    """
    with TaskGroup("canary", prefix_group_id=False, tooltip="The first few statements, before a second word"):

        @task(multiple_outputs=True, doc_md="Publish the statements of the plan's canary, and nothing else.")
        def issue_canary(canary: dict[str, Any]) -> dict[str, Any]:
            return steps.issue_canary(canary)

        @task(
            multiple_outputs=True,
            pool=GATEWAY_POOL,
            execution_timeout=CHARGING_TIMEOUT,
            doc_md="Charge each statement of the canary once.",
        )
        def charge_canary(issued: dict[str, Any]) -> dict[str, Any]:
            return steps.charge_canary(get_current_context(), issued)

        @task(
            multiple_outputs=True,
            execution_timeout=DELIVERY_TIMEOUT,
            doc_md="Mail the canary, and say what a person is asked about the rest.",
        )
        def deliver_canary(charged: dict[str, Any]) -> dict[str, Any]:
            delivered = mail.deliver_statements(get_current_context(), "connector_statement")
            return steps.ask_about_rest(charged) | delivered

        issued: Any = issue_canary.expand(canary=canaries)
        waiting: Any = deliver_canary.expand(charged=charge_canary.expand(issued=issued))
        return approval.ask_again(waiting)
