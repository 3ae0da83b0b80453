"""Task correct: issue a linked credit or debit note for each issued statement whose amounts have changed since."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from evbilling import run_steps
from evbilling.connector_statements.draft_stage import stage_drafts
from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.services import Services
from evbilling.warehouse import runs

log = logging.getLogger(__name__)

# The log names at most this many corrections; it always has their number.
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

    def __str__(self) -> str:
        waits = "; waits for the charge under way" if self.is_waiting else ""
        return (
            f"{self.statement_id} of {self.account_id}: {self.total:+} {self.currency}"
            f" (net {self.net:+}, tax {self.tax:+}){waits}"
        )


def correct_statements(services: Services, run_id: int, *, reason: str, dry_run: bool = False) -> dict[str, Any]:
    """Issue a correction for each issued statement of the period whose amounts differ from the run's.

    Returns {"outcome", "corrections", "lines", "waiting"}. Outcomes: `issued`; `unchanged`, if nothing differs;
    `differs`, if a dry run found something or every correction waits; `superseded`. The same difference is corrected
    once. Accounts that have a fault now are left alone. Raises `BadInput` if no reason is given.
    """
    if not reason.strip():
        raise BadInput("no reason is given", where="correct_statements", fix="say why: it is kept in the audit")
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
            corrections, lines = connection.execute(
                "select * from billing.publish_corrections(%s, %s, %s, %s, %s)",
                (run.run_id, epoch, drafts.quarantined, run.actor, reason),
            ).fetchone()  # type: ignore[misc]
        outcome = "issued" if corrections else "differs" if due else "unchanged"
        facts = {"corrections": corrections, "lines": lines, "held": 0, "dry_run": dry_run}
        runs.mark_settled(connection, run.run_id, outcome, facts=facts, differences=[])
    for correction in due[:_NAMED]:
        log.info("%s%s", "dry run: " if dry_run else "", correction)
    log.info(
        "%s: %s corrections issued, %s lines%s",
        run.period,
        corrections,
        lines,
        f"; {len(due)} would be issued" if dry_run else "",
    )
    waiting = sum(correction.is_waiting for correction in due)
    return {"outcome": outcome, "corrections": corrections, "lines": lines, "waiting": waiting}


def _due(connection: psycopg.Connection[Any], run_id: int, quarantined: list[str]) -> list[Correction]:
    rows = connection.execute("select * from billing.corrections_due(%s, %s)", (run_id, quarantined))
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
