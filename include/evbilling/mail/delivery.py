"""Sends the waiting messages of the outbox: each at most once, even if a run is killed, and each on its own."""

from __future__ import annotations

import logging
import uuid
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg

from evbilling.errors import BadInput, TransientError
from evbilling.mail import outbox
from evbilling.mail.outbox import EVERYTHING, MailSelection, ReservedMail
from evbilling.mail.preparation import PreparedMail, Preparer
from evbilling.mail.recipients import read_recipients
from evbilling.mail.smtp import Answer, MailOutcome, SmtpSession, SmtpSettings
from evbilling.payments.gateway import Lease
from evbilling.progress import Progress
from evbilling.services import Services
from evbilling.warehouse import connected, select_value

log = logging.getLogger(__name__)

# How long a reservation lasts: far longer than any message takes.
LEASE_SECONDS = 900.0
# Messages prepared ahead, each with its PDF: some megabytes.
_AHEAD = 32
# After this many temporary refusals in a row, the server is the problem.
_MAX_REFUSALS_IN_A_ROW = 8

NO_SERVER = "no mail server is defined"


def deliver(
    services: Services,
    settings: SmtpSettings | None,
    selection: MailSelection = EVERYTHING,
    *,
    are_retries_sent: bool = False,
    lease_seconds: float = LEASE_SECONDS,
) -> dict[str, int]:
    """Send the waiting messages that are due; returns {"sent", "failed", "unknown", "later", "waiting"}.

    `later` were refused for now, or their documents lack a font; `waiting` wait afterwards for any reason. Without
    `settings` nothing is sent, and the log has the number that wait. `are_retries_sent`: False if the DAG that retries
    payments is paused, or if that isn't known; no letter promises another try then. Safe to repeat, and beside other
    runs. Each message is kept in the evidence store, byte by byte, before it is sent. Raises `TransientError` if the
    mail server or the store isn't available now, `BadInput` or `NotReady` if one of them refuses us: what was not sent
    stays in the outbox.
    """
    with connected(services.warehouse_url, what="warehouse", autocommit=True) as connection:
        given_up = outbox.give_up_lapsed(connection, lease_seconds)
        if given_up:
            log.warning(
                "%s messages were being sent by a run that was interrupted: they may or may not have been sent",
                given_up,
            )
        waiting, due = outbox.waiting(connection, selection)
        counts: Counter[str] = Counter()
        if not settings:
            if waiting:
                log.warning(
                    "%s messages wait, and %s: define the Airflow connection smtp, and mail_delivery sends them",
                    waiting,
                    NO_SERVER,
                )
        elif due:
            done, failed = outbox.settled(connection, selection)
            services.progress.begin("messages", done + due, done=done, failed=failed)
            recipients = read_recipients(services.platform_url, *outbox.recipient_ids(connection, selection))
            installation = str(select_value(connection, "select installation_id from billing.installation"))
            with (
                closing(
                    Preparer(services, recipients, settings.sender, installation, due, are_retries_sent)
                ) as preparer,
                closing(SmtpSession(settings)) as session,
            ):
                session.open()
                _Sending(connection, session, preparer, selection, lease_seconds, counts, services.progress).run()
        waiting, _ = outbox.waiting(connection, selection)
    log.info(
        "%s sent, %s failed, %s unknown, %s refused for now; %s wait",
        *(counts[name] for name in ("sent", "failed", "unknown", "later")),
        waiting,
    )
    return {name: counts[name] for name in ("sent", "failed", "unknown", "later")} | {"waiting": waiting}


@dataclass
class _Sending:
    connection: psycopg.Connection[Any]
    session: SmtpSession
    preparer: Preparer
    selection: MailSelection
    lease_seconds: float
    counts: Counter[str]
    progress: Progress
    sender: str = field(default_factory=lambda: uuid.uuid4().hex)
    _ready: deque[Future[PreparedMail]] = field(default_factory=deque)
    _refused_in_a_row: int = 0
    _postponed: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        try:
            while self._fill():
                self._send(self._ready.popleft().result())
        finally:
            for reason, count in self._postponed.items():
                log.warning("%s messages wait, with no try counted: %s", count, reason)
            # So that the next run needn't wait for the lease to end. If the warehouse fails, the lease ends by time.
            for future in self._ready:
                future.cancel()
            if not self.connection.closed:
                outbox.release(self.connection, self.sender)

    def _fill(self) -> bool:
        if len(self._ready) <= _AHEAD // 2:
            rows = outbox.reserve(self.connection, self.sender, _AHEAD // 2, self.lease_seconds, self.selection)
            self._ready.extend(self.preparer.submit(rows))
        return bool(self._ready)

    def _send(self, prepared: PreparedMail) -> None:
        row = prepared.row
        if prepared.waits:
            self._postpone(row, prepared.waits)
            return
        if prepared.recipient is None or prepared.kept is None:
            self._record(row, Answer(MailOutcome.FAILED, prepared.refused))
            return
        # Nothing is sent that isn't kept. If it can't be, the run ends and no try is counted.
        kept = prepared.kept.result()
        # Connect before the message begins: if the server is gone, no try is counted.
        self.session.open()
        lease = Lease(self.lease_seconds)
        recipient = prepared.recipient.text
        if not outbox.begin(self.connection, row.mail_id, self.sender, recipient, prepared.message_id, kept):
            log.info("mail %s was taken over by another run", row.mail_id)
            return
        try:
            answer = self.session.send(prepared.recipient, prepared.content, lease)
            if answer.outcome is MailOutcome.PENDING and not answer.is_open:
                # Servers end a session after some messages or some time: a new one may work at once.
                self.session.open()
                answer = self.session.send(prepared.recipient, prepared.content, lease)
        except (BadInput, TransientError) as error:
            # The server has accepted nothing: neither error is about a message.
            self._record(row, Answer(MailOutcome.PENDING, error.what))
            raise
        self._record(row, answer)
        self._stop_if_refused(answer)

    def _record(self, row: ReservedMail, answer: Answer) -> None:
        outcome, detail, tries = answer.outcome, answer.detail, row.tries + 1
        if outcome is MailOutcome.PENDING and tries >= outbox.MAX_TRIES:
            outcome, detail = MailOutcome.FAILED, f"given up after {tries} tries; {detail}"
        wait = outbox.wait_after(tries) if outcome is MailOutcome.PENDING else None
        if not outbox.record_outcome(self.connection, row.mail_id, self.sender, str(outcome), detail, wait):
            log.warning("mail %s: %s, too late to be recorded: %s", row.mail_id, outcome, detail)
            return
        self.counts["later" if outcome is MailOutcome.PENDING else str(outcome)] += 1
        self.progress.advance(failed=int(outcome is not MailOutcome.SENT))
        if outcome is not MailOutcome.SENT:
            log.warning("mail %s (%s of %s): %s: %s", row.mail_id, row.kind, row.statement_id, outcome, detail)

    def _postpone(self, row: ReservedMail, reason: str) -> None:
        """Leave a message that can't be written yet for a later run: however often, it doesn't fail."""
        pending = str(MailOutcome.PENDING)
        if outbox.record_outcome(self.connection, row.mail_id, self.sender, pending, reason, outbox.FONT_WAIT):
            self.counts["later"] += 1
            self._postponed[reason] += 1
            self.progress.advance(failed=1)

    def _stop_if_refused(self, answer: Answer) -> None:
        self._refused_in_a_row = self._refused_in_a_row + 1 if answer.outcome is MailOutcome.PENDING else 0
        if self._refused_in_a_row >= _MAX_REFUSALS_IN_A_ROW:
            raise TransientError(
                f"the mail server refused the last {self._refused_in_a_row} messages for now: {answer.detail}",
                where="deliver",
                fix="waiting messages are sent later; if this persists, ask the mail server's operator",
            )
