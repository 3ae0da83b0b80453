"""The actions that a page offers on a statement, by its state and the user's rights."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from evbilling.errors import EvbillingError
from evbilling.payments.actions import (
    Action,
    ActionFacts,
    RebillRequest,
    preview_rebill,
    refusal,
    refused_actions,
)
from evbilling.payments.due import ON_HOLD
from evbilling.payments.retries import planner
from evbilling.read_models.due import DueStatement
from evbilling_airflow import connections
from evbilling_airflow.actions import ACTIONS
from evbilling_web import warehouse
from evbilling_web.rights import right_to, why_not

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """An action on a statement: its label, the name of its page, and why it isn't available (None: it is).

    `is_bulk`: it can be taken for several statements at once.
    """

    words: str
    name: str
    why_not: str | None
    is_bulk: bool


@dataclass(frozen=True, slots=True)
class Offers:
    """The actions that a user may take; rights are checked once for all statements of a page."""

    _why_not: dict[str, str | None]

    @classmethod
    def to(cls, user: BaseUser) -> Offers:
        """The offers to `user`."""
        return cls({action.dag_id: why_not(user, right_to(action)) for action in ACTIONS})

    def on(self, facts: ActionFacts, why_not_rebill: str | None = None) -> tuple[Offer, ...]:
        """The actions on a statement, in order; a reason of the statement is given before a missing right.

        `why_not_rebill`: what `why_not_rebill` found of it.
        """
        refused = {action: refusal(code) for action, code in refused_actions(facts).items() if code}
        if why_not_rebill:
            refused.setdefault(Action.REBILL, why_not_rebill)
        return tuple(
            Offer(
                action.label,
                action.page,
                refused.get(Action(action.dag_id), self._why_not[action.dag_id]),
                action.is_bulk,
            )
            for action in ACTIONS
        )

    @property
    def on_many(self) -> tuple[Offer, ...]:
        """The actions for several statements at once."""
        return tuple(
            Offer(action.label, action.page, self._why_not[action.dag_id], is_bulk=True)
            for action in ACTIONS
            if action.is_bulk
        )


# Reasons for which a statement may not be charged by hand either, unless the payment method has changed since the plan.
_MAYBE_NOT = frozenset({planner.NO_METHOD, planner.HARD_DECLINE, planner.CAPPED, planner.PAYER_UNCLEAR, ON_HOLD})
# After a platform that doesn't answer, it isn't asked again for so many seconds: a list must not wait for it.
_NOT_ASKED_FOR = 60.0
_asked_again_at = 0.0


def why_not_rebill(due: Iterable[DueStatement]) -> dict[str, str]:
    """Why those of these statements can't be re-billed now that can't, by a dry run; nothing if it can't be made."""
    global _asked_again_at
    ids = tuple(row.statement_id for row in due if row.reason_id in _MAYBE_NOT)
    if not ids or time.monotonic() < _asked_again_at:
        return {}
    try:
        request = RebillRequest("dry-run", "page", "", statement_ids=ids)
        results = preview_rebill(connections.preview_services(), request, warehouse.now())
    except EvbillingError as error:
        _asked_again_at = time.monotonic() + _NOT_ASKED_FOR
        log.warning("which statements can't be re-billed isn't known: %s", error)
        return {}
    return {row.statement_id: refusal(row.code, row.detail) for row in results if row.is_refused}


def offers(user: BaseUser, facts: ActionFacts) -> tuple[Offer, ...]:
    """The actions on one statement, as `Offers.on`."""
    return Offers.to(user).on(facts)
