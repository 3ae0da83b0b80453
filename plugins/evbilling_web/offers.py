"""What a page offers to do with a statement: by what the statement is, and by what its reader may do."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from evbilling.payments.actions.allowed import ActionFacts, refused_actions
from evbilling.payments.actions.results import Action
from evbilling.payments.actions.wording import refusal
from evbilling_web.rights import Right, why_not

_OFFERED: tuple[tuple[Action, str, str, Right], ...] = (
    (Action.REBILL, "Re-Bill", "rebill", Right.REBILL),
    (Action.MARK_AS_PAID, "Mark as Paid", "mark-as-paid", Right.MARK_AS_PAID),
    (Action.UNDO_MARK_AS_PAID, "Undo Mark as Paid", "undo-mark-as-paid", Right.UNDO_MARK_AS_PAID),
    (Action.SEND_MAIL, "Send by mail", "send-mail", Right.SEND_MAIL),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """An action on a statement: its words, the name of its page, and why it can't be done now; None: it can."""

    words: str
    name: str
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Offers:
    """What a reader may do with statements: asked once, however many a page shows."""

    _why_not: dict[Right, str | None]

    @classmethod
    def to(cls, user: BaseUser) -> Offers:
        """By the rights of `user`."""
        return cls({right: why_not(user, right) for _, _, _, right in _OFFERED})

    def on(self, facts: ActionFacts) -> tuple[Offer, ...]:
        """The actions on a statement, in order. What it doesn't allow is said before what its reader may not do."""
        refused = refused_actions(facts)
        return tuple(
            Offer(words, name, refusal(code) if (code := refused[action]) else self._why_not[right])
            for action, words, name, right in _OFFERED
        )

    @property
    def on_many(self) -> tuple[Offer, ...]:
        """The actions that can be done with many statements at once."""
        return tuple(
            Offer(words, name, self._why_not[right])
            for action, words, name, right in _OFFERED
            if action in {Action.REBILL, Action.MARK_AS_PAID}
        )


def offers(user: BaseUser, facts: ActionFacts) -> tuple[Offer, ...]:
    """The actions on one statement, as `Offers.on`."""
    return Offers.to(user).on(facts)
