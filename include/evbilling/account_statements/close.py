"""Task close_run: tie the account statements out and drop the run's staging tables."""

from __future__ import annotations

from typing import Any

from evbilling import run_steps
from evbilling.account_statements import stage
from evbilling.services import Services
from evbilling.warehouse import runs


def close_run(services: Services, run_id: int) -> dict[str, Any]:
    """Write this DAG's part of the period's tie-out and drop the staging tables; {"outcome", "checks", "not_ok"}.

    Only the period's newest run that issued account statements, or found nothing to issue, writes the tie-out.
    """
    with run_steps.running(services, run_id) as run, services.warehouse() as connection:
        keeps = run_steps.keeps_tie_out(connection, run, runs.ACCOUNT_STATEMENTS)
        stage.set_work_mem(connection)
        stage.drop_stage(connection, run_id)
        stage.sweep_stages(connection, run_id)
        return run_steps.close_run(connection, run, "account_statements" if keeps else None)
