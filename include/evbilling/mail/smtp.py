"""An SMTP session for many messages, and the outcome of each by the server's answers."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from enum import StrEnum

from evbilling.errors import BadInput, TransientError
from evbilling.mail.messages import Sender
from evbilling.mail.recipients import Address, mask_in
from evbilling.payments.gateway import Lease

MAX_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """The mail server and how to reach it. `security`: tls (from the first byte), starttls or none."""

    host: str
    port: int
    sender: Sender
    login: str = ""
    password: str = ""
    security: str = "starttls"
    verifies: bool = True
    timeout_seconds: float = 30.0
    where: str = "mail server"

    def __repr__(self) -> str:
        # Without the password, as this goes into logs.
        return f"SmtpSettings({self.host}:{self.port}, {self.security}, login {self.login or 'none'})"

    @property
    def address(self) -> str:
        """The server for messages and logs."""
        return f"{self.where} ({self.host}:{self.port})"


class MailOutcome(StrEnum):
    """The outcome of sending: accepted, refused for good, refused for now, or not known."""

    SENT = "sent"
    FAILED = "failed"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one message, in words, and whether the session is still open."""

    outcome: MailOutcome
    detail: str = ""
    is_open: bool = True


class SmtpSession:
    """A session with the mail server, opened when it is first needed and again after it ended; to be closed."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def open(self) -> None:
        """Connect, if there is no connection.

        Raises `TransientError` if the server isn't available now, `BadInput` if it refuses us for good.
        """
        if self._smtp is not None:
            return
        settings = self._settings
        try:
            self._smtp = self._connected()
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code < 500:
                raise self._transient(error) from None
            raise BadInput(
                f"refuses the login {settings.login}: {_reply_text(error.smtp_code, error.smtp_error)}",
                where=settings.address,
                fix="correct login and password of the Airflow connection",
            ) from None
        except (smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            raise BadInput(
                f"doesn't accept the connection's security setting ({settings.security}): {error}",
                where=settings.address,
                fix="see disable_ssl and disable_tls in the extra of the connection, and the server's certificate",
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise self._transient(error) from None

    def close(self) -> None:
        """End the session, politely if the server still listens."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, smtplib.SMTPException):
                smtp.close()

    def send(self, recipient: Address, message: bytes, lease: Lease) -> Answer:
        """Send one message in the open session, unless the lease has ended by then.

        Never raises for the server's answer to the message. Raises `BadInput` if the server refuses us as sender,
        whatever the message: it wasn't sent then.
        """
        assert self._smtp is not None, "open() comes first"  # ruff: ignore[assert]
        answer = self._sent(self._smtp, recipient, message, lease)
        if not answer.is_open:
            self._smtp.close()
            self._smtp = None
        return answer

    def _sent(self, smtp: smtplib.SMTP, recipient: Address, message: bytes, lease: Lease) -> Answer:
        sender = self._settings.sender.address
        options = []
        if sender.needs_utf8 or recipient.needs_utf8:
            if not smtp.has_extn("smtputf8"):
                return Answer(MailOutcome.FAILED, "the mail server can't take an address that isn't written in ASCII")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        try:
            if smtp.has_extn("size"):
                options.append(f"SIZE={len(message)}")
            code, reply = smtp.mail(sender.text, options)
            if code != 250:
                return self._mail_refused(code, reply, recipient)
            code, reply = smtp.rcpt(recipient.text)
            if code not in {250, 251}:
                return self._refused(smtp, code, reply, recipient)
            code, reply = smtp.docmd("DATA")
            if code != 354:
                return self._refused(smtp, code, reply, recipient)
            if lease.is_over:
                return Answer(MailOutcome.PENDING, "it took this run too long to send", is_open=False)
            # If the connection breaks up to here, or during the message, the server can't have accepted it: it
            # lacks the end of the message.
            smtp.send(_as_data(message))
        except (OSError, smtplib.SMTPException) as error:
            return Answer(MailOutcome.PENDING, f"the connection broke: {_error_text(error, recipient)}", is_open=False)
        try:
            code, reply = smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            detail = f"the mail server got the message and didn't confirm it: {_error_text(error, recipient)}"
            return Answer(MailOutcome.UNKNOWN, detail, is_open=False)
        if code == 250:
            return Answer(MailOutcome.SENT)
        return self._refused(smtp, code, reply, recipient)

    def _mail_refused(self, code: int, reply: bytes, recipient: Address) -> Answer:
        if 500 <= code < 600 and code != 552:
            self.close()
            raise BadInput(
                f"refuses mail from {self._settings.sender.address.text}: {_reply_text(code, reply)}",
                where=self._settings.address,
                fix="correct from_email of the Airflow connection, or log in as a user who may send from it",
            )
        assert self._smtp is not None  # ruff: ignore[assert]
        return self._refused(self._smtp, code, reply, recipient)

    def _refused(self, smtp: smtplib.SMTP, code: int, reply: bytes, recipient: Address) -> Answer:
        detail = mask_in(_reply_text(code, reply), recipient.text)
        if code == 421 or not 400 <= code < 600:
            return Answer(MailOutcome.PENDING, f"the mail server ended the session: {detail}", is_open=False)
        try:
            smtp.rset()
            is_open = True
        except (OSError, smtplib.SMTPException):
            is_open = False
        if code >= 500:
            return Answer(MailOutcome.FAILED, f"the mail server refuses it: {detail}", is_open)
        return Answer(MailOutcome.PENDING, f"the mail server refuses it for now: {detail}", is_open)

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        context = ssl.create_default_context()
        if not settings.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        host, port, timeout = settings.host, settings.port, settings.timeout_seconds
        smtp: smtplib.SMTP
        if settings.security == "tls":
            smtp = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
        else:
            smtp = smtplib.SMTP(host, port, timeout=timeout)
        try:
            smtp.ehlo_or_helo_if_needed()
            if settings.security == "starttls":
                smtp.starttls(context=context)
                smtp.ehlo()
            if settings.login:
                smtp.login(settings.login, settings.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _transient(self, error: Exception) -> TransientError:
        return TransientError(
            f"can't be reached: {error}",
            where=self._settings.address,
            fix="check that it runs, and host and port of the Airflow connection; waiting messages are sent later",
        )


def _as_data(message: bytes) -> bytes:
    """The message as it follows DATA: lines that begin with a dot have another, and a dot alone ends it."""
    lines = message.replace(b"\r\n.", b"\r\n..")
    if lines.startswith(b"."):
        lines = b"." + lines
    return lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _reply_text(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    # A reply may have several lines and any bytes.
    return " ".join(f"{code} {text}".split()).encode("utf-8", "replace").decode()[:300].replace("\x00", "")


def _error_text(error: Exception, recipient: Address) -> str:
    return mask_in(" ".join(str(error).split())[:300], recipient.text) or type(error).__name__
