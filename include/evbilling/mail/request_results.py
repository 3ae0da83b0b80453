"""What became of the messages that a request asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from evbilling.warehouse import fetch_as


@dataclass(frozen=True, slots=True)
class Requested:
    """A message of a request: its state as in finance.mail, and why it isn't sent (yet), if anything is in its way."""

    statement_id: str
    kind: str
    state: str
    reason: str | None
    recipient: str | None

    @property
    def is_sent(self) -> bool:
        """True once the mail server has taken it."""
        return self.state == "sent"

    def sentence(self) -> str:
        """What became of it, without the statement's id."""
        if self.is_sent:
            return f"sent to {self.recipient}"
        said = {"pending": "it waits to be sent", "sending": "it is being sent"}.get(self.state, f"it is {self.state}")
        return f"{said}: {self.reason}" if self.reason else said


def requested(connection: psycopg.Connection[Any], request_id: str) -> list[Requested]:
    """The messages of a request, in order of their statements; none for a request that isn't known."""
    return fetch_as(connection, Requested, "mail/requested", request_id=request_id)
