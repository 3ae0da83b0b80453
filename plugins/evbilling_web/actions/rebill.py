"""Re-Bill: what would be charged, to whom and by which payment method."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from evbilling.errors import TransientError
from evbilling.payments.actions import (
    ActionResult,
    MethodTries,
    RebillRequest,
    preview_rebill,
    status_if_charged,
    tries_of_methods,
)
from evbilling.platform.access import open_lookup
from evbilling.read_models.due import read_due
from evbilling.read_models.statement_list import CurrentStatement
from evbilling_airflow import actions, connections
from evbilling_web import warehouse
from evbilling_web.actions.dag_runs import new_nonce
from evbilling_web.actions.view import ActionPage, Form, Proposal, Row, Selection

# What was tried with a payment method in so much time is shown before it is tried again.
_TODAY = timedelta(days=1)


def propose(selection: Selection) -> Proposal:
    """What a Re-Bill would charge now; the gateway isn't asked and nothing is written."""
    ids = selection.valid_ids
    results = _preview(ids) if ids else []
    names = _names(row.payer for row in results if row.payer)
    with warehouse.reading() as connection:
        tries = tries_of_methods(connection, (row.payment_method for row in results), warehouse.now() - _TODAY)
        due = {row.statement_id: row for row in read_due(connection, ids)}

    def row_of(result: ActionResult, now: CurrentStatement | None) -> Row:
        stated = due.get(result.statement_id)
        return _row(
            result, now, names, tries.get(result.payment_method or ""), stated.next_attempt_at if stated else None
        )

    return Proposal.of(selection, results, row_of)


def read(form: Form, proposal: Proposal) -> dict[str, Any]:
    """The Params of the DAG rebill."""
    return {
        "statement_ids": proposal.statement_ids,
        "reason": form.reason(),
        "expected_total": {currency: str(amount) for currency, amount in proposal.totals.items()},
    }


REBILL = ActionPage(actions.REBILL, "actions/rebill.html", propose, read)


def _preview(ids: tuple[str, ...]) -> list[ActionResult]:
    request = RebillRequest(new_nonce(), "page", "", statement_ids=ids)
    return preview_rebill(connections.preview_services(), request, warehouse.now())


def _row(
    row: ActionResult,
    now: CurrentStatement | None,
    names: dict[str, str],
    tries: MethodTries | None,
    next_try: datetime | None,
) -> Row:
    then = None
    if now and now.balance is not None and row.amount is not None and not row.is_refused:
        then = status_if_charged(now.balance, row.amount, has_failed=now.has_failed)
    payer = names.get(row.payer, row.payer) if row.payer else None
    return Row.of(row, now, then, payer=payer, method=row.payment_method, tries=tries, next_try=next_try)


def _names(user_ids: Iterable[str]) -> dict[str, str]:
    """Names and e-mail addresses of users from the platform; empty if it doesn't answer."""
    wanted = sorted(set(user_ids))
    if not wanted:
        return {}
    try:
        users = open_lookup(warehouse.services(with_platform=True).platform_url).users(wanted)
    except TransientError:
        # The charge goes to the payment method; the name is only shown.
        return {}
    return {user_id: user.label for user_id in wanted if (user := users.get(user_id))}
