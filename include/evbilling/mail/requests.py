"""Send again, or send what is held: at a person's word. The same for a DAG, a page or a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from evbilling.errors import BadInput
from evbilling.mail.addresses import masked
from evbilling.mail.letters import KIND_LABELS, KINDS
from evbilling.mail.recipients import read_directory
from evbilling.payments.actions.paid_outside import require_reason
from evbilling.period import Period
from evbilling.services import Services

HELD, FAILED, UNKNOWN, SENT = "held", "failed", "unknown", "sent"
ASKABLE_STATES = (HELD, FAILED, UNKNOWN, SENT)
# Of a whole period only what nobody has got: the others must be asked for by name, or by their state.
STATES_OF_A_PERIOD = (HELD, FAILED)

_WHERE = "send mail"
_REFUSALS = {
    "waits": "it waits to be sent already",
    "busy": "it is being sent just now",
    "unknown": "there is no such statement, or no such message of it",
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


@dataclass(frozen=True, slots=True)
class Sending:
    """One message of a request: to whom it would go, or went into the outbox for; or why not.

    `state` is what became of it before, None if there was none. `is_copy`: it was sent, or may have been, and goes out
    a second time. `recipient` is masked.
    """

    statement_id: str
    kind: str | None
    mail_id: int | None
    state: str | None
    account_id: str | None
    recipient: str | None
    refused: str | None
    is_copy: bool = False
    is_new: bool = True

    def sentence(self) -> str:
        """The message in one line."""
        if self.refused:
            return f"{self.statement_id}: not sent: {self.refused}"
        what = KIND_LABELS.get(self.kind or "", "message").lower()
        again = " once more" if self.is_copy else ""
        return f"{self.statement_id}: {what} to {self.recipient}{again}{'' if self.is_new else ' (asked for before)'}"


def preview_send(services: Services, request: SendRequest) -> list[Sending]:
    """What `request_send` would ask for now, message by message; nothing is written and nothing sent."""
    _check(request)
    ids = list(request.statement_ids) or None
    period = str(request.period) if request.period else None
    with services.warehouse() as connection:
        rows = connection.execute(
            "select * from billing.mail_to_send(%s, %s, %s, %s, %s)",
            (request.request_id, ids, request.kind, period, None if ids else list(request.states)),
        ).fetchall()
    return _told(services, rows)


def request_send(services: Services, request: SendRequest) -> list[Sending]:
    """Put messages into the outbox at a person's word; the next delivery sends them. Each is audited with the reason.

    Safe to repeat with the same request_id: nothing is asked for twice. Raises `BadInput` if nothing of it can be sent.
    """
    found = preview_send(services, request)
    eligible = [sending.statement_id for sending in found if sending.refused is None]
    if not eligible:
        raise BadInput(
            "no message is sent:\n  " + ("\n  ".join(s.sentence() for s in found) or "there is none like that"),
            where=_WHERE,
            fix="see what there is in finance.mail",
        )
    with services.warehouse() as connection:
        rows = connection.execute(
            "select statement_id, mail_id, does from billing.request_mail(%s, %s, %s, %s, %s)",
            (request.request_id, eligible, request.kind, request.actor, request.reason.strip()),
        ).fetchall()
    made = {statement_id: (mail_id, does) for statement_id, mail_id, does in rows}
    # Who lost a race for the message since it was looked at is told why.
    return [
        replace(
            sending,
            mail_id=made[sending.statement_id][0],
            refused=_REFUSALS.get(made[sending.statement_id][1]),
            is_new=made[sending.statement_id][1] != "repeated",
        )
        if sending.statement_id in made
        else sending
        for sending in found
    ]


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


def _told(services: Services, rows: Sequence[tuple[Any, ...]]) -> list[Sending]:
    admins = {row[5] for row in rows if row[5]}
    directory = read_directory(services.platform_url, admins, set()) if admins else None
    sendings = []
    for statement_id, kind, mail_id, state, account_id, admin, does in rows:
        address = directory.address_of(admin) if directory and admin else None
        refused = _REFUSALS.get(does) or (address if isinstance(address, str) else None)
        recipient = masked(address.text) if address and not isinstance(address, str) else None
        sendings.append(
            Sending(
                statement_id,
                kind,
                mail_id,
                state,
                account_id,
                recipient,
                refused,
                is_copy=does == "copy",
                is_new=does != "repeated",
            )
        )
    return sendings
