"""Task correct: issue a linked credit or debit note for each issued statement whose amounts have changed since."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from evbilling import run_steps
from evbilling.connector_statements.stage import stage_drafts
from evbilling.money import from_minor
from evbilling.services import Services
from evbilling.typed_text import require_text
from evbilling.warehouse import runs, select_row

log = logging.getLogger(__name__)

# The log names at most this many corrections; it always has their number.
_NAMED = 100


def correct_statements(services: Services, run_id: int, *, reason: str, dry_run: bool = False) -> dict[str, Any]:
    """Issue a correction for each issued statement of the period whose amounts differ from the run's.

    Returns {"outcome", "corrections", "lines", "waiting"}. Outcomes: `issued`; `unchanged`, if nothing differs;
    `differs`, if a dry run found something or every correction waits; `superseded`. The same difference is corrected
    once. Accounts that have a fault now are left alone. Raises `BadInput` if no reason is given, or one that
    may not be kept.
    """
    require_text("reason", reason, "correct_statements", missing="say why: it is kept in the audit")
    return run_steps.publish_run(
        services,
        run_id,
        lambda services, run: _correct(services, run, reason.strip(), dry_run=dry_run),
        ("corrections", "lines", "waiting"),
    )


def _correct(services: Services, run: runs.Run, reason: str, *, dry_run: bool) -> dict[str, Any]:
    epoch, drafts = stage_drafts(services, run)
    with services.warehouse() as connection:
        due = _due(connection, run.run_id, drafts.quarantined)
        corrections = lines = 0
        if not dry_run:
            publish = "select * from billing.publish_corrections(%s, %s, %s, %s, %s)"
            corrections, lines = select_row(
                connection, publish, run.run_id, epoch, drafts.quarantined, run.actor, reason
            )
        outcome = "issued" if corrections else "differs" if due else "unchanged"
        facts = {"corrections": corrections, "lines": lines, "held": 0, "dry_run": dry_run}
        runs.mark_settled(connection, run.run_id, outcome, facts=facts, differences=[])
    for words, _ in due[:_NAMED]:
        log.info("%s%s", "dry run: " if dry_run else "", words)
    log.info(
        "%s: %s corrections issued, %s lines%s",
        run.period,
        corrections,
        lines,
        f"; {len(due)} would be issued" if dry_run else "",
    )
    waiting = sum(is_waiting for _, is_waiting in due)
    return {"outcome": outcome, "corrections": corrections, "lines": lines, "waiting": waiting}


def _due(connection: psycopg.Connection[Any], run_id: int, quarantined: list[str]) -> list[tuple[str, bool]]:
    """Each correction that is due: in words, and whether it waits for a charge under way."""
    due = []
    rows = connection.execute("select * from billing.corrections_due(%s, %s)", (run_id, quarantined))
    for statement_id, account_id, currency, unit, *minor_amounts, is_waiting in rows:
        net, tax, total = (from_minor(minor, unit) for minor in minor_amounts)
        waits = "; waits for the charge under way" if is_waiting else ""
        words = f"{statement_id} of {account_id}: {total:+} {currency} (net {net:+}, tax {tax:+}){waits}"
        due.append((words, is_waiting))
    return due
