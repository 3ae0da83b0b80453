"""Mail to financial admins: the outbox, the letters, and the SMTP session that sends them."""

from evbilling.mail.cases import LETTER_CASES, Say
from evbilling.mail.connection import ServerConnection, mail_server
from evbilling.mail.delivery import deliver
from evbilling.mail.kept import KeptMail, Sending, kept_sendings, read_kept
from evbilling.mail.letters import FAILED_CHARGE, KIND_LABELS, KINDS
from evbilling.mail.messages import Sender, set_subject
from evbilling.mail.outbox import MailSelection
from evbilling.mail.outbox_list import (
    STATE_HINTS,
    STATE_LABELS,
    STATES,
    MailFilter,
    MailRow,
    counts_by_state,
    mail_page,
    periods,
)
from evbilling.mail.recipients import Address, parse_address
from evbilling.mail.requests import SendRequest, preview_send, request_send, requested
from evbilling.mail.smtp import MailOutcome, SmtpSession, SmtpSettings

__all__ = [
    "FAILED_CHARGE",
    "KINDS",
    "KIND_LABELS",
    "LETTER_CASES",
    "STATES",
    "STATE_HINTS",
    "STATE_LABELS",
    "Address",
    "KeptMail",
    "MailFilter",
    "MailOutcome",
    "MailRow",
    "MailSelection",
    "Say",
    "SendRequest",
    "Sender",
    "Sending",
    "ServerConnection",
    "SmtpSession",
    "SmtpSettings",
    "counts_by_state",
    "deliver",
    "kept_sendings",
    "mail_page",
    "mail_server",
    "parse_address",
    "periods",
    "preview_send",
    "read_kept",
    "request_send",
    "requested",
    "set_subject",
]
