"""Step 6: the figures that must agree, and away with the staging tables."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from evbilling.statements.services import Services
from evbilling.warehouse import runs, staging

log = logging.getLogger(__name__)


def close_run(services: Services, run_id: int) -> dict[str, Any]:
    """Write the period's tie-out and drop the run's stage; returns {"outcome", "checks", "not_ok"}.

    The tie-out belongs to the newest run that published the period or found it unchanged: one that found differences,
    was superseded, or is closed again after a newer one, leaves it as it is.
    """
    with services.recording_failure(run_id), services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        latest = runs.latest_settled_run(connection, run.period)
        checks = _tie_out(connection, run) if latest and latest.run_id == run_id else []
        connection.execute("select billing.drop_stage(%s)", (run_id,))
        connection.execute("update billing.run set closed_at = coalesce(closed_at, now()) where run_id = %s", (run_id,))
    not_ok = [check for check in checks if check[2] != check[4]]
    for check_id, left, left_value, right, right_value in not_ok:
        log.error("tie-out %s: %s %s, but %s %s", check_id, left, left_value, right, right_value)
    log.info(
        "run %s of %s closed (%s): %s tie-out checks, %s not ok",
        run_id,
        run.period,
        run.state,
        len(checks),
        len(not_ok),
    )
    return {"outcome": run.state, "checks": len(checks), "not_ok": [check[0] for check in not_ok]}


def _tie_out(connection: psycopg.Connection[Any], run: runs.Run) -> list[tuple[Any, ...]]:
    facts = run.facts
    _, checks = staging.query_rows(
        connection,
        "tie_out",
        period=run.period,
        extracted=facts["extracted"],
        held=facts["held"],
        accounts=facts["accounts"],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into billing.tie_out as t
                   (check_id, left_label, left_value, right_label, right_value, period, run_id)
               values (%s, %s, %s, %s, %s, %s, %s)
               on conflict (period, check_id) do update
               set left_label = excluded.left_label, left_value = excluded.left_value,
                   right_label = excluded.right_label, right_value = excluded.right_value, run_id = excluded.run_id
               where (t.left_value, t.right_value) is distinct from (excluded.left_value, excluded.right_value)""",
            [(*check, run.period, run.run_id) for check in checks],
        )
    return checks
