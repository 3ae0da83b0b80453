"""Sends what waits in the outbox: each message at most once, whoever is killed, and none because of another."""

from __future__ import annotations

import logging
import uuid
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import psycopg

from evbilling.errors import BadInput, TransientError
from evbilling.mail import outbox
from evbilling.mail.outbox import EVERYTHING, Reserved, Wanted
from evbilling.mail.preparation import Prepared, Preparer, preparing
from evbilling.mail.recipients import read_directory
from evbilling.mail.smtp import Answer, Conversation, Fate, SmtpSettings
from evbilling.payments.gateway.lease import Lease
from evbilling.services import Services
from evbilling.warehouse.connect import connected

log = logging.getLogger(__name__)

# What was reserved, or begun, longer ago is nobody's any more. Far longer than any message takes.
LEASE_SECONDS = 900.0
# So many messages are prepared ahead, each with its PDF: some megabytes.
_AHEAD = 32
# So many messages in a row refused for now, and it is the server, not they.
_REFUSED_IN_A_ROW = 8

NO_SERVER = "no mail server is defined"


def deliver(
    services: Services,
    settings: SmtpSettings | None,
    wanted: Wanted = EVERYTHING,
    *,
    lease_seconds: float = LEASE_SECONDS,
) -> dict[str, int]:
    """Send the messages that wait and are due; returns {"sent", "failed", "unknown", "later", "waiting"}.

    `later` were refused for now, `waiting` is what waits afterwards, whatever for. Without `settings` nothing is sent,
    and the log says how many wait. Safe to run again, and at once with others. Raises `TransientError` if the mail
    server can't be had now, `BadInput` if it refuses us: what was not sent waits on.
    """
    with connected(services.warehouse_url, what="warehouse", autocommit=True) as connection:
        given_up = outbox.give_up_lapsed(connection, lease_seconds)
        if given_up:
            log.warning(
                "%s messages were being sent by a run that was cut off: nobody knows whether they went", given_up
            )
        waiting, due = outbox.waiting(connection, wanted)
        counts: Counter[str] = Counter()
        if not settings:
            if waiting:
                log.warning(
                    "%s messages wait, and %s: define the Airflow connection smtp, and mail_delivery sends them",
                    waiting,
                    NO_SERVER,
                )
        elif due:
            directory = read_directory(services.platform_url, *outbox.concerned(connection, wanted))
            row = connection.execute("select installation_id from billing.installation").fetchone()
            with (
                preparing(services, directory, settings.sender, str(row[0]) if row else "", due) as preparer,
                Conversation(settings) as conversation,
            ):
                conversation.open()
                _Sending(connection, conversation, preparer, wanted, lease_seconds, counts).run()
        waiting, _ = outbox.waiting(connection, wanted)
    log.info(
        "%s sent, %s failed, %s unknown, %s refused for now; %s wait",
        *(counts[name] for name in ("sent", "failed", "unknown", "later")),
        waiting,
    )
    return {name: counts[name] for name in ("sent", "failed", "unknown", "later")} | {"waiting": waiting}


@dataclass
class _Sending:
    connection: psycopg.Connection[Any]
    conversation: Conversation
    preparer: Preparer
    wanted: Wanted
    lease_seconds: float
    counts: Counter[str]
    sender: str = field(default_factory=lambda: uuid.uuid4().hex)
    _ready: deque[Future[Prepared]] = field(default_factory=deque)
    _refused_in_a_row: int = 0

    def run(self) -> None:
        try:
            while self._fill():
                self._send(self._ready.popleft().result())
        finally:
            # Whoever comes next needn't wait for the lease. If the warehouse is what fails, the lease runs out.
            for future in self._ready:
                future.cancel()
            if not self.connection.closed:
                outbox.release(self.connection, self.sender)

    def _fill(self) -> bool:
        if len(self._ready) <= _AHEAD // 2:
            rows = outbox.reserve(self.connection, self.sender, _AHEAD // 2, self.lease_seconds, self.wanted)
            self._ready.extend(self.preparer.submit(rows))
        return bool(self._ready)

    def _send(self, prepared: Prepared) -> None:
        row = prepared.row
        if prepared.recipient is None:
            self._settle(row, Answer(Fate.FAILED, prepared.refused))
            return
        # Before it begins: should the server be gone, nothing was tried.
        self.conversation.open()
        lease = Lease(self.lease_seconds)
        recipient = prepared.recipient.text
        if not outbox.begin(self.connection, row.mail_id, self.sender, recipient, prepared.message_id):
            log.info("mail %s is no longer this run's to send", row.mail_id)
            return
        try:
            answer = self.conversation.send(prepared.recipient, prepared.content, lease)
            if answer.fate is Fate.PENDING and not answer.is_open:
                # Servers close a connection after so many messages, or so long: a new one may do at once.
                self.conversation.open()
                answer = self.conversation.send(prepared.recipient, prepared.content, lease)
        except (BadInput, TransientError) as error:
            # The server has taken nothing: neither of the two is said of a message.
            self._settle(row, Answer(Fate.PENDING, error.what))
            raise
        self._settle(row, answer)
        self._stop_if_refused(answer)

    def _settle(self, row: Reserved, answer: Answer) -> None:
        fate, says, tries = answer.fate, answer.says, row.tries + 1
        if fate is Fate.PENDING and tries >= outbox.MOST_TRIES:
            fate, says = Fate.FAILED, f"given up after {tries} tries; {says}"
        wait = outbox.wait_after(tries) if fate is Fate.PENDING else None
        if not outbox.settle(self.connection, row.mail_id, self.sender, str(fate), says, wait):
            log.warning("mail %s: %s, which came too late to be recorded: %s", row.mail_id, fate, says)
            return
        self.counts["later" if fate is Fate.PENDING else str(fate)] += 1
        if fate is not Fate.SENT:
            log.warning("mail %s (%s of %s): %s: %s", row.mail_id, row.kind, row.statement_id, fate, says)

    def _stop_if_refused(self, answer: Answer) -> None:
        self._refused_in_a_row = self._refused_in_a_row + 1 if answer.fate is Fate.PENDING else 0
        if self._refused_in_a_row >= _REFUSED_IN_A_ROW:
            raise TransientError(
                f"the mail server refused the last {self._refused_in_a_row} messages for now: {answer.says}",
                where="deliver",
                fix="what waits is sent later; if it stays so, ask whoever runs the mail server",
            )
