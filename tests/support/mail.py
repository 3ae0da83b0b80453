"""What the tests of mail share: a mail server on loopback that does as it is told, and a billed month to be mailed."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from evbilling.mail.delivery import LEASE_SECONDS, deliver
from evbilling.mail.messages import Sender
from evbilling.mail.outbox import EVERYTHING, MailSelection
from evbilling.mail.recipients import Address
from evbilling.mail.smtp import SmtpSettings
from evbilling_local.ports import LOOPBACK, free_port
from tests.support.payments import PaymentWorld

SENDER = Sender(Address("billing@cpo.example"), "CPO", Address("help@cpo.example"))

# An answer, or none: the connection is dropped.
Script = Callable[[Envelope, int], str | None]


@dataclass
class PostOffice:
    """A mail server. `refuse` answers RCPT by recipient, `on_mail` MAIL, `on_data` the end of a message.

    The message of number `slow` is answered after `delay` seconds.
    """

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    on_mail: Callable[[str, int], str] | None = None
    on_data: Script | None = None
    delay: float = 0.0
    slow: int = 0
    kept: list[tuple[str, EmailMessage]] = field(default_factory=list)
    # The bytes of each message in `kept`.
    raw: list[bytes] = field(default_factory=list)
    mails: int = 0
    ends: int = 0
    connections: int = 0

    async def handle_EHLO(  # ruff: ignore[invalid-function-name]
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # ruff: ignore[invalid-function-name]
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.mails += 1
        if self.on_mail and (answer := self.on_mail(address, self.mails)) != "250 OK":
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # ruff: ignore[invalid-function-name]
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # ruff: ignore[invalid-function-name]
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.ends += 1
        if self.ends == self.slow:
            await asyncio.sleep(self.delay)
        answer = self.on_data(envelope, self.ends) if self.on_data else "250 OK"
        if answer is None or answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.kept.append((envelope.rcpt_tos[0], message))
            self.raw.append(envelope.content)
        if answer is None:
            assert server.transport is not None
            server.transport.abort()
            return "250 never heard"
        return answer

    def settings(self, **changes: Any) -> SmtpSettings:
        """How to reach it."""
        values: dict[str, Any] = {"host": LOOPBACK, "port": self.port, "sender": SENDER, "security": "none"}
        return SmtpSettings(**(values | {"timeout_seconds": 5.0} | changes))

    @property
    def recipients(self) -> list[str]:
        """To whom messages were taken, in order."""
        return [recipient for recipient, _ in self.kept]


@contextmanager
def post_office(**script: Any) -> Generator[PostOffice]:
    """A running mail server."""
    office = PostOffice(port=free_port(0), **script)
    controller = Controller(office, hostname=LOOPBACK, port=office.port, enable_SMTPUTF8=True, ready_timeout=20)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


def send(
    world: PaymentWorld, office: PostOffice | None, selection: MailSelection = EVERYTHING, **options: Any
) -> dict[str, int]:
    """Deliver once."""
    options = {"lease_seconds": LEASE_SECONDS} | options
    return deliver(world.services, office.settings() if office else None, selection, **options)


def states(world: PaymentWorld, kind: str = "connector_statement") -> list[str]:
    """The state of each message of a kind, in the order in which they were called for."""
    return [row[0] for row in world.rows("select state from billing.mail where kind = %s order by mail_id", kind)]


def kept_files(world: PaymentWorld) -> dict[tuple[str, int], bytes]:
    """The file of each try that was begun, by its outcome and the message's number: each is there and unchanged."""
    found = {}
    for mail_id, outcome, file, sha256, size in world.rows(
        "select mail_id, outcome, file, sha256, size_bytes from finance.mail_documents order by mail_id, try_no"
    ):
        content = (Path(world.services.evidence_url) / file).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, size)
        found[outcome, mail_id] = content
    return found


def body(message: EmailMessage, kind: str) -> str:
    """The text of a message's plain or html part."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def attachments(message: EmailMessage) -> list[tuple[str | None, bytes]]:
    """Name and content of what is attached."""
    return [(part.get_filename(), part.get_content()) for part in message.iter_attachments()]
