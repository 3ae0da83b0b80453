"""Mail as it went out: each try of a message is a file in the evidence store, with the bytes that the server was given.

One file has letter and attachment, so one hash covers what the customer has, and any mail program opens it.
"""

from __future__ import annotations

import email
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import default
from typing import Any

import psycopg

from evbilling.evidence import EvidenceStore, Stored
from evbilling.warehouse import fetch_as


def keep(evidence: EvidenceStore, period: str, content: bytes) -> Stored:
    """Store a message, among those about the statements of its month."""
    return evidence.put_bytes(f"mail/{period}", "eml", content)


@dataclass(frozen=True, slots=True)
class Sending:
    """A try to send a message, and the file that keeps it. `outcome` as in finance.mail_documents."""

    mail_id: int
    try_no: int
    outcome: str
    begun_at: datetime
    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A message as it was sent: its headers as a mail program shows them, both forms of the letter, and the files."""

    content: bytes
    sender: str
    recipient: str
    subject: str
    date: str
    text: str
    html: str
    attachments: tuple[tuple[str, bytes], ...]


def kept_sendings(connection: psycopg.Connection[Any], mail_id: int) -> list[Sending]:
    """The tries of a message that were kept, the newest first; none for one sent before mail was kept."""
    return fetch_as(connection, Sending, "mail/kept", mail_id=mail_id)


def read_kept(evidence: EvidenceStore, sending: Sending) -> KeptMail:
    """The message from its file, the hash checked.

    Raises `NotReady` if the file is missing, `BadInput` if it was changed since, `TransientError` if the store doesn't
    answer.
    """
    content = evidence.get_bytes(sending.file, sending.sha256)
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)  # ruff: ignore[assert]  # the policy makes it one
    return KeptMail(
        content,
        sender=str(message["From"]),
        recipient=str(message["To"]),
        subject=str(message["Subject"]),
        date=str(message["Date"]),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=tuple(
            (part.get_filename() or "attachment", part.get_content()) for part in message.iter_attachments()
        ),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
