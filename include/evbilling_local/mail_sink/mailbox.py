"""The messages that the sink has taken: a file each, as they were sent, and what a page shows of them."""

from __future__ import annotations

import email
import email.policy
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage, MIMEPart
from pathlib import Path

from evbilling.errors import BadInput

_NAME = re.compile(r"([0-9]{8})\.eml")
_ENVELOPE_FROM, _ENVELOPE_TO = "X-Envelope-From", "X-Envelope-To"


@dataclass(frozen=True, slots=True)
class Part:
    """Something attached to a message."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as its page shows it; `text` and `html` are None where it has none."""

    number: int
    sender: str
    recipients: str
    subject: str
    date: str
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    parts: tuple[Part, ...]
    size: int


class Mailbox:
    """The folder of the messages. Safe across threads of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise BadInput(f"can't be used: {error}", where=str(folder), fix="give another --folder") from None
        self._last = max(self.numbers(), default=0)

    def numbers(self) -> list[int]:
        """The numbers of the messages, newest first."""
        found = (_NAME.fullmatch(entry.name) for entry in os.scandir(self._folder))
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def keep(self, sender: str, recipients: Sequence[str], content: bytes) -> int:
        """Write a message to its file, below the addresses of its envelope; returns its number."""
        envelope = [f"{_ENVELOPE_FROM}: {_header(sender)}", *(f"{_ENVELOPE_TO}: {_header(to)}" for to in recipients)]
        whole = "\r\n".join(envelope).encode() + b"\r\n" + content
        with self._turn:
            self._last += 1
            number = self._last
        path = self._path(number)
        draft = path.with_suffix(".part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(whole)
        draft.replace(path)
        return number

    def source(self, number: int) -> bytes | None:
        """A message as it was sent, or None if there is none."""
        try:
            return self._path(number).read_bytes()
        except FileNotFoundError:
            return None

    def read(self, number: int) -> Kept | None:
        """A parsed message, or None if there is none."""
        source = self.source(number)
        return None if source is None else parsed(number, source)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.eml"


def parsed(number: int, source: bytes) -> Kept:
    """What a page shows of a message. No content makes this fail."""
    message = email.message_from_bytes(source, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # ruff: ignore[assert]  # by its policy
    headers = tuple((name, _header_text(message, index)) for index, name in enumerate(message.keys()))
    first = {name.lower(): value for name, value in reversed(headers)}
    return Kept(
        number=number,
        sender=first.get("from", ""),
        recipients=first.get("to", ""),
        subject=first.get("subject", ""),
        date=first.get("date", ""),
        headers=headers,
        text=_body(message, "plain"),
        html=_body(message, "html"),
        parts=tuple(_parts(message)),
        size=len(source),
    )


def _parts(message: EmailMessage) -> list[Part]:
    try:
        return [
            Part(part.get_filename() or f"part {index + 1}", part.get_content_type(), _payload(part))
            for index, part in enumerate(message.iter_attachments())
        ]
    except (LookupError, ValueError, TypeError, AttributeError):
        return []


def _payload(part: MIMEPart) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else part.as_bytes()


def _body(message: EmailMessage, kind: str) -> str | None:
    try:
        part = message.get_body((kind,))
        return None if part is None else _payload(part).decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError, TypeError, AttributeError):
        return None


def _header_text(message: EmailMessage, index: int) -> str:
    """A header's value; as it was sent where it can't be parsed."""
    name, raw = list(message.raw_items())[index]
    try:
        return str(message.policy.header_fetch_parse(name, raw))
    except (LookupError, ValueError, TypeError, AttributeError):
        return str(raw)


def _header(text: str) -> str:
    return " ".join(text.split())
