"""Task close_run: tie the period out and drop the run's staging tables."""

from __future__ import annotations

from typing import Any

from evbilling import run_steps
from evbilling.archive import is_dropped
from evbilling.services import Services
from evbilling.warehouse import runs


def close_run(services: Services, run_id: int) -> dict[str, Any]:
    """Write the period's tie-out and drop staging tables of this run and of dead ones; {"outcome", "checks", "not_ok"}.

    Only the newest run that published the period, or found it unchanged, writes the tie-out. A run that found
    differences, was superseded, or is closed again after a newer one or after the period was archived, leaves it alone.
    """
    with run_steps.running(services, run_id) as run, services.warehouse() as connection:
        if run.state == "issued":
            connection.execute("select billing.sample_statements()")
        keeps = run_steps.keeps_tie_out(connection, run, runs.CONNECTOR_STATEMENTS)
        part = "connector_statements" if keeps and not is_dropped(connection, run.period) else None
        connection.execute("select billing.drop_stage(%s)", (run_id,))
        connection.execute("select billing.sweep_stages(%s)", (run_id,))
        return run_steps.close_run(connection, run, part)
