"""Messages that a person asks for, sent again or sent although on hold. The same for a DAG, a page or a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from evbilling.errors import BadInput
from evbilling.mail.letters import KINDS
from evbilling.mail.recipients import masked, read_recipients
from evbilling.payments.actions import Action, ActionResult, Code, line, require_reason
from evbilling.period import Period
from evbilling.services import Services
from evbilling.warehouse import fetch_as

HELD, FAILED, UNKNOWN, SENT = "held", "failed", "unknown", "sent"
ASKABLE_STATES = (HELD, FAILED, UNKNOWN, SENT)
# Of a whole period only what nobody has got: the others must be asked for by name, or by their state.
STATES_OF_A_PERIOD = (HELD, FAILED)

_WHERE = "send mail"
# What the functions of the warehouse say of a message that is asked for.
_CODES = {
    "send": Code.TO_SEND,
    "copy": Code.TO_SEND_AGAIN,
    "repeated": Code.REQUESTED_BEFORE,
    "waits": Code.MAIL_WAITS,
    "busy": Code.MAIL_BUSY,
    "unknown": Code.NO_MESSAGE,
}


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Which messages to send: those of statements by id, or all of a kind in a period that are in one of `states`.

    `kind` None: the statement itself, whatever kind it is. `request_id` makes it one request.
    """

    request_id: str
    actor: str
    reason: str
    statement_ids: tuple[str, ...] = ()
    period: Period | None = None
    kind: str | None = None
    states: tuple[str, ...] = STATES_OF_A_PERIOD


def preview_send(services: Services, request: SendRequest, *, in_full: bool = False) -> list[ActionResult]:
    """What `request_send` would ask for now, message by message; nothing is written and nothing sent.

    `in_full`: with whole addresses, for a page; what Airflow keeps has them masked.
    """
    _check(request)
    ids = list(request.statement_ids) or None
    period = str(request.period) if request.period else None
    with services.warehouse() as connection:
        rows = connection.execute(
            "select * from billing.mail_to_send(%s, %s, %s, %s, %s)",
            (request.request_id, ids, request.kind, period, None if ids else list(request.states)),
        ).fetchall()
    return _results(services, rows, in_full=in_full)


def request_send(services: Services, request: SendRequest) -> list[ActionResult]:
    """Put messages into the outbox at a person's word; the next delivery sends them. Each is audited with the reason.

    Safe to repeat with the same request_id: nothing is asked for twice. Raises `BadInput` if nothing of it can be sent.
    """
    found = preview_send(services, request)
    eligible = [row.statement_id for row in found if row.is_done]
    if not eligible:
        raise BadInput(
            "no message is sent:\n  " + ("\n  ".join(map(line, found)) or "there is none like that"),
            where=_WHERE,
            fix="see what there is in finance.mail",
        )
    with services.warehouse() as connection:
        rows = connection.execute(
            "select statement_id, does from billing.request_mail(%s, %s, %s, %s, %s)",
            (request.request_id, eligible, request.kind, request.actor, request.reason.strip()),
        ).fetchall()
    # Another request may have taken a message since the preview, so the code is the one given under the lock.
    made = {statement_id: _CODES[does] for statement_id, does in rows}
    return [replace(row, code=made.get(row.statement_id, row.code)) for row in found]


def _check(request: SendRequest) -> None:
    require_reason(request.reason, _WHERE)
    if bool(request.statement_ids) == bool(request.period):
        raise BadInput("name statements, or a period and a kind", where=_WHERE, fix="give one of the two")
    if request.period and not request.kind:
        raise BadInput("a period needs a kind of message", where=_WHERE, fix=f"give one of: {', '.join(KINDS)}")
    if request.kind and request.kind not in KINDS:
        raise BadInput(f"{request.kind!r} is no kind of message", where=_WHERE, fix=f"give one of: {', '.join(KINDS)}")
    if not set(request.states) <= set(ASKABLE_STATES):
        raise BadInput("no such state of a message", where=_WHERE, fix=f"give some of: {', '.join(ASKABLE_STATES)}")


def _results(services: Services, rows: Sequence[tuple[Any, ...]], *, in_full: bool) -> list[ActionResult]:
    admins = {row[5] for row in rows if row[5]}
    recipients = read_recipients(services.platform_url, admins, set()) if admins else None
    results = []
    for statement_id, kind, _, _, account_id, admin, does in rows:
        address = recipients.address_of(admin, account_id) if recipients and admin else None
        result = ActionResult(Action.SEND_MAIL, statement_id, _CODES[does], mail_kind=kind)
        if isinstance(address, str):
            if result.is_done:
                result = replace(result, code=Code.NO_ADDRESS, detail=address)
        elif address:
            result = replace(result, payer=address.text if in_full else masked(address.text))
        results.append(result)
    return results


@dataclass(frozen=True, slots=True)
class Requested:
    """A message of a request: its state as in finance.mail, and why it isn't sent (yet), if anything is in its way.

    For pages: the recipient's address is whole.
    """

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
