"""Correct: by how much statements would change if they were issued now, by the inventory and settings as they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from evbilling.payments.actions import Action, ActionResult, Code
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview import CorrectionPreview, preview_corrections
from evbilling_airflow import actions
from evbilling_web import warehouse
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection


def propose(selection: Selection) -> Proposal:
    """The correction of each statement, by one account's counting and the run's own rules; nothing is written.

    A run corrects one month: statements of another month than the first are left out.
    """
    platform = open_lookup(warehouse.services(with_platform=True).platform_url)
    now = warehouse.now()
    with warehouse.reading() as connection:
        found = {
            one.statement_id: one for one in preview_corrections(platform, connection, selection.valid_ids, now=now)
        }
    period = next((found[id_].period for id_ in selection.statement_ids if id_ in found), None)
    results = [
        _refused(id_, Code.NOT_CORRECTED if id_[0] != "A" else Code.UNKNOWN)
        if id_ not in found
        else _refused(id_, Code.OTHER_PERIOD)
        if found[id_].period != period
        else _result(found[id_])
        for id_ in selection.valid_ids
    ]
    return Proposal.of(
        selection, results, lambda result, now: Row.of(result, now, preview=found.get(result.statement_id))
    )


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG correct_statements: it issues exactly these amounts, or nothing."""
    return {
        "period": proposal.able[0].now.period if proposal.able and proposal.able[0].now else None,
        "statement_ids": proposal.statement_ids,
        "expected": {row.statement_id: str(row.amount) for row in proposal.able},
        "reason": form.reason(),
    }


CORRECT = ActionPage(actions.CORRECT, "actions/correct.html", propose, read)


def _result(found: CorrectionPreview) -> ActionResult:
    now = found.preview.current
    if not found.has_history:
        return _refused(found.statement_id, Code.NO_HISTORY)
    if now.problems:
        return _refused(found.statement_id, Code.ACCOUNT_ON_HOLD)
    if found.difference == Decimal(0) or found.preview.currency != found.currency:
        return _refused(found.statement_id, Code.AS_ISSUED)
    if found.is_waiting:
        return _refused(found.statement_id, Code.OPEN_ATTEMPT)
    if found.is_written_off:
        return _refused(found.statement_id, Code.WRITTEN_OFF)
    return ActionResult(
        Action.CORRECT, found.statement_id, Code.TO_CORRECT, amount=found.difference, currency=found.currency
    )


def _refused(statement_id: str, code: Code) -> ActionResult:
    return ActionResult(Action.CORRECT, statement_id, code)
