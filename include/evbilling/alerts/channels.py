"""Sends a message by mail or to a webhook. What isn't taken raises `NotSent`, whose words name no address."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

import httpx

from evbilling.alerts.messages import Message
from evbilling.alerts.settings import AlertSettings
from evbilling.errors import EvbillingError
from evbilling.mail import MailOutcome, SmtpSession, SmtpSettings, set_subject
from evbilling.payments.gateway import Lease

_SECONDS = 10.0

Send = Callable[[Message], None]


class NotSent(Exception):
    """A channel didn't take a message; the words say why."""


def channels(settings: AlertSettings) -> dict[str, Send]:
    """The channels that are set, by name."""
    found: dict[str, Send] = {}
    if settings.mail_to and settings.smtp:
        smtp = settings.smtp
        found["mail"] = lambda message: _mail(smtp, settings, message)
    if settings.webhook_url:
        found["webhook"] = lambda message: _post(settings.webhook_url, message.as_json())
    if settings.slack_url:
        found["slack"] = lambda message: _post(settings.slack_url, message.as_slack())
    if settings.pagerduty_key:
        event = settings.pagerduty_key
        found["pagerduty"] = lambda message: _post(settings.pagerduty_url, message.as_pagerduty(event))
    return found


def _mail(smtp: SmtpSettings, settings: AlertSettings, message: Message) -> None:
    session = SmtpSession(smtp)
    try:
        for recipient in settings.mail_to:
            mail = EmailMessage()
            set_subject(mail, message.subject)
            mail["From"] = smtp.sender.address.text
            mail["To"] = recipient.text
            mail["Date"] = formatdate()
            mail["Message-ID"] = make_msgid(domain="evbilling")
            mail["Auto-Submitted"] = "auto-generated"
            mail.set_content("\n".join(message.lines) + "\n")
            session.open()
            answer = session.send(recipient, mail.as_bytes(), Lease(smtp.timeout_seconds * 4))
            if answer.outcome is not MailOutcome.SENT:
                raise NotSent(answer.detail)
    except EvbillingError as error:
        raise NotSent(error.what) from error
    finally:
        session.close()


def _post(url: str, body: dict[str, Any]) -> None:
    try:
        answer = httpx.post(url, json=body, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Its message may name the address, which is a secret.
        raise NotSent(f"no answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise NotSent(f"answers with status {answer.status_code}")
