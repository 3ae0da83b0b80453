"""What the sandbox answers: a status and a JSON body; a refusal is an answer after which nothing has changed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the JSON object that goes with it."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that isn't executed. The transaction it was in is rolled back, and its key isn't taken."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        named = {"type": kind, "code": code, "param": param, "message": message}
        body = {"error": {name: value for name, value in named.items() if value is not None}}
        self.answer = Answer(status, body, headers or {})


def missing(kind: str, object_id: str, *, param: str = "id", status: int = 400) -> Refusal:
    """The refusal for an id that names nothing."""
    return Refusal(status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


def server_error() -> Answer:
    """The answer of a server that failed; asking again with the same key won't change it."""
    message = "The sandbox failed while it worked on this request."
    return Answer(500, {"error": {"type": "api_error", "message": message}}, {"Stripe-Should-Retry": "false"})


def new_id(prefix: str) -> str:
    """A fresh id such as `pi_5f0c…`."""
    return f"{prefix}_{secrets.token_hex(12)}"
