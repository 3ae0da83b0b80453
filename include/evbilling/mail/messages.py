"""A letter as the bytes of a message. Pure: the instant and the ids are given."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from evbilling.mail.letters import Letter, one_line
from evbilling.mail.recipients import Address

# Only ASCII is sent, whatever the server supports. SMTPUTF8 is for addresses that can't be written without it.
_ASCII = SMTP.clone(cte_type="7bit", refold_source="none")
_UTF8 = _ASCII.clone(utf8=True)
# Of a header, so that the word stays on the line of its name.
_MOST_OF_A_WORD = 60
# Of base64, as the standard has it.
_LINE = 76


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender, and the address for replies if it is another."""

    address: Address
    name: str = ""
    reply_to: Address | None = None


def message_id(installation_id: str, mail_id: int, sender: Sender) -> str:
    """The Message-ID of a row of the outbox: the same at every try, so that duplicates can be recognised."""
    return f"<{mail_id}.{installation_id}@{sender.address.text.rpartition('@')[2]}>"


def compose(
    letter: Letter,
    sender: Sender,
    recipient: Address,
    *,
    recipient_name: str | None,
    message_id: str,
    date: datetime,
    attachment: tuple[str, bytes] | None,
) -> bytes:
    """The whole message: plain text and HTML as alternatives, and the PDF (name, content) if there is one."""
    policy = _UTF8 if recipient.needs_utf8 or sender.address.needs_utf8 else _ASCII
    message = EmailMessage(policy)
    _set_address(message, "From", sender.address, sender.name)
    if sender.reply_to:
        _set_address(message, "Reply-To", sender.reply_to, "")
    _set_address(message, "To", recipient, recipient_name or "")
    set_subject(message, one_line(letter.subject, 200))
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id
    # So that no absence notice answers it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte="base64" if not letter.text.isascii() else None)
    message.add_alternative(letter.html, subtype="html", cte="base64")
    if not attachment:
        return message.as_bytes()
    name, content = attachment
    # The library takes as long for a large file as for the rest of the message: it gets an empty one, and the file's
    # lines are put before the boundary that ends it.
    message.add_attachment(b"", maintype="application", subtype="pdf", filename=name)
    head, end, tail = message.as_bytes().rpartition(b"\r\n--")
    return b"".join((head, _in_lines(base64.b64encode(content)), end, tail))


def _in_lines(text: bytes) -> bytes:
    return b"\r\n".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))


def set_subject(message: EmailMessage, subject: str) -> None:
    """Give the message its subject, in lines that a reader joins to the same text.

    The policy breaks a line before the first word where the others would fit without it, and the text gains a blank.
    """
    is_plain = subject.isascii() and all(len(word) <= _MOST_OF_A_WORD for word in subject.split())
    text = Header(subject, "us-ascii" if is_plain else "utf-8", maxlinelen=76, header_name="Subject")
    message.set_raw("Subject", text.encode(linesep="\r\n"))


def _set_address(message: EmailMessage, header: str, address: Address, name: str) -> None:
    name = one_line(name)
    if name.isascii():
        message[header] = HeaderAddress(name, addr_spec=address.text)
    else:
        # On a line of its own, as a folded line may be full.
        message.set_raw(header, f"{_encoded(name, header)}\r\n <{address.text}>")


def _encoded(text: str, header: str) -> str:
    """The text as folded encoded words, the whole of it.

    The policy encodes single words, and doubles or loses the blank where one meets a plain word or a fold.
    """
    return Header(text, "utf-8", maxlinelen=76, header_name=header).encode(linesep="\r\n")
