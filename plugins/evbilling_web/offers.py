"""What a page offers to do with a statement: by what the statement is, and by what its reader may do."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from evbilling.payments.actions import ActionFacts, refusal, refused_actions
from evbilling_airflow.actions import ACTIONS
from evbilling_web.rights import Right, why_not


@dataclass(frozen=True, slots=True)
class Offer:
    """An action on a statement: its words, the name of its page, and why it can't be done now; None: it can."""

    words: str
    name: str
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Offers:
    """What a reader may do with statements: asked once, however many a page shows."""

    _why_not: dict[str, str | None]

    @classmethod
    def to(cls, user: BaseUser) -> Offers:
        """By the rights of `user`."""
        return cls({action.dag_id: why_not(user, Right(action.dag_id)) for action in ACTIONS})

    def on(self, facts: ActionFacts) -> tuple[Offer, ...]:
        """The actions on a statement, in order. What it doesn't allow is said before what its reader may not do."""
        refused = refused_actions(facts)
        return tuple(
            Offer(
                action.label,
                action.page,
                refusal(code) if (code := refused[action.dag_id]) else self._why_not[action.dag_id],
            )
            for action in ACTIONS
        )

    @property
    def on_many(self) -> tuple[Offer, ...]:
        """The actions that can be done with many statements at once."""
        return tuple(
            Offer(action.label, action.page, self._why_not[action.dag_id]) for action in ACTIONS if action.is_bulk
        )


def offers(user: BaseUser, facts: ActionFacts) -> tuple[Offer, ...]:
    """The actions on one statement, as `Offers.on`."""
    return Offers.to(user).on(facts)
