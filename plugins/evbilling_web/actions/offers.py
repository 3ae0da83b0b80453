"""The actions that a page offers on a statement, by its state and the user's rights."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from evbilling.payments.actions import Action, ActionFacts, refusal, refused_actions
from evbilling_airflow.actions import ACTIONS
from evbilling_web.rights import right_to, why_not


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

    def on(self, facts: ActionFacts) -> tuple[Offer, ...]:
        """The actions on a statement, in order; a reason of the statement is given before a missing right."""
        refused = refused_actions(facts)
        return tuple(
            Offer(
                action.label,
                action.page,
                refusal(code) if (code := refused[Action(action.dag_id)]) else self._why_not[action.dag_id],
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


def offers(user: BaseUser, facts: ActionFacts) -> tuple[Offer, ...]:
    """The actions on one statement, as `Offers.on`."""
    return Offers.to(user).on(facts)
