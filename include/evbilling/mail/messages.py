"""A letter as the bytes that a mail server takes. Pure: the instant and the ids come in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from evbilling.mail.addresses import Address
from evbilling.mail.letters import Letter, one_line

# Nothing but ASCII on the wire, whatever the server can do. SMTPUTF8 is for addresses that can't be written otherwise.
_ASCII = SMTP.clone(cte_type="7bit")
_UTF8 = SMTP.clone(cte_type="7bit", utf8=True)


@dataclass(frozen=True, slots=True)
class Sender:
    """From whom the mail comes, and where answers go; no name, no other address for answers: empty."""

    address: Address
    name: str = ""
    reply_to: Address | None = None


def message_id(installation_id: str, mail_id: int, sender: Sender) -> str:
    """The Message-ID of a row of the outbox: the same at every try, so that who gets it twice can tell."""
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
    message["From"] = _shown(sender.address, sender.name)
    if sender.reply_to:
        message["Reply-To"] = _shown(sender.reply_to, "")
    message["To"] = _shown(recipient, recipient_name or "")
    message["Subject"] = one_line(letter.subject, 200)
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id
    # Nobody's absence notice needs to answer it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte="base64" if not letter.text.isascii() else None)
    message.add_alternative(letter.html, subtype="html", cte="base64")
    if attachment:
        name, content = attachment
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message.as_bytes()


def _shown(address: Address, name: str) -> HeaderAddress:
    return HeaderAddress(one_line(name), addr_spec=address.text)
