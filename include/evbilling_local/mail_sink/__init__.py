"""A mail server for the local stack that delivers nothing: it keeps what it is sent, and shows it on a page."""

from evbilling_local.mail_sink.mailbox import Mailbox
from evbilling_local.mail_sink.server import running_sink

__all__ = ["Mailbox", "running_sink"]
