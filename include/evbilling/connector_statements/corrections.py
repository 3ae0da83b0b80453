"""Corrections: what is issued stays, and a linked credit or debit note says by how much the truth differs now."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.connector_statements.draft_stage import stage_settlement
from evbilling.errors import BadInput, StaleTry
from evbilling.money import from_minor
from evbilling.services import Services, stands
from evbilling.warehouse import runs

log = logging.getLogger(__name__)

# So many corrections are named in the log; their number is given in full.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Correction:
    """By how much a statement is to change, in major units. `is_waiting`: a charge of it is under way."""

    statement_id: str
    account_id: str
    currency: str
    net: Decimal
    tax: Decimal
    total: Decimal
    is_waiting: bool

    def sentence(self) -> str:
        """The correction in one line."""
        waits = "; not yet: a charge of it is under way" if self.is_waiting else ""
        return (
            f"{self.statement_id} of {self.account_id}: {self.total:+} {self.currency}"
            f" (net {self.net:+}, tax {self.tax:+}){waits}"
        )


def correct_statements(services: Services, run_id: int, *, reason: str, dry_run: bool = False) -> dict[str, Any]:
    """Issue a correction for every issued statement of the run's period whose amounts the run finds otherwise.

    Returns {"outcome", "corrections", "lines", "waiting"}. Outcomes: `issued`; `unchanged`, if nothing differs;
    `differs`, for a dry run that found something or if all of it waits; `superseded`. Done once: the same truth again
    corrects nothing. Accounts at fault now are left as they are. Raises `BadInput` if no reason is given.
    """
    if not reason.strip():
        raise BadInput("no reason is given", where="correct_statements", fix="say why: it is kept in the audit")
    with services.recording_failure(run_id):
        try:
            return _correct(services, run_id, reason.strip(), dry_run=dry_run)
        except StaleTry as stale:
            with services.warehouse() as connection:
                runs.mark_superseded(connection, run_id)
            log.warning("run %s writes nothing: a newer run of the same period has taken over (%s)", run_id, stale.what)
            return {"outcome": "superseded", "corrections": 0, "lines": 0, "waiting": 0}


def _correct(services: Services, run_id: int, reason: str, *, dry_run: bool) -> dict[str, Any]:
    with services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
    if stands(run):
        return {"outcome": run.state, "corrections": 0, "lines": 0, "waiting": 0}
    epoch, settlement = stage_settlement(services, run)
    held = settlement.quarantined
    with services.warehouse() as connection:
        due = _due(connection, run_id, held)
        corrections = lines = 0
        if not dry_run:
            corrections, lines = connection.execute(
                "select * from billing.publish_corrections(%s, %s, %s, %s, %s)",
                (run_id, epoch, held, run.actor, reason),
            ).fetchone()  # type: ignore[misc]
        outcome = "issued" if corrections else "differs" if due else "unchanged"
        facts = {"corrections": corrections, "lines": lines, "held": 0, "dry_run": dry_run}
        runs.mark_settled(connection, run_id, outcome, facts=facts, differences=[])
    for correction in due[:_NAMED]:
        log.info("%s%s", "dry run: " if dry_run else "", correction.sentence())
    log.info(
        "%s: %s corrections issued, %s lines%s",
        run.period,
        corrections,
        lines,
        f"; {len(due)} would be" if dry_run else "",
    )
    waiting = sum(correction.is_waiting for correction in due)
    return {"outcome": outcome, "corrections": corrections, "lines": lines, "waiting": waiting}


def _due(connection: psycopg.Connection[Any], run_id: int, held: list[str]) -> list[Correction]:
    rows = connection.execute("select * from billing.corrections_due(%s, %s)", (run_id, held)).fetchall()
    return [
        Correction(
            statement_id,
            account_id,
            currency,
            from_minor(net, unit),
            from_minor(tax, unit),
            from_minor(total, unit),
            is_waiting,
        )
        for statement_id, account_id, currency, unit, net, tax, total, is_waiting in rows
    ]
