"""What a page offers to do with a statement: by what the statement is, and by what its reader may do."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from evbilling.payments.actions import Action, ActionFacts, refused_actions
from evbilling_web.rights import Right, why_not

_OFFERED: tuple[tuple[Action, str, str, Right], ...] = (
    (Action.REBILL, "Re-Bill", "rebill", Right.REBILL),
    (Action.MARK_AS_PAID, "Mark as Paid", "mark-as-paid", Right.MARK_AS_PAID),
    (Action.UNDO_MARK_AS_PAID, "Undo Mark as Paid", "undo-mark-as-paid", Right.UNDO_MARK_AS_PAID),
    (Action.SEND, "Send by mail", "send-mail", Right.SEND_MAIL),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """An action on a statement: its words, the name of its page, and why it can't be done now; None: it can."""

    words: str
    name: str
    why_not: str | None


def offers(user: BaseUser, facts: ActionFacts) -> tuple[Offer, ...]:
    """The actions on a statement, in order. What it doesn't allow is said before what its reader may not do."""
    refused = refused_actions(facts)
    return tuple(Offer(words, name, refused[action] or why_not(user, right)) for action, words, name, right in _OFFERED)
