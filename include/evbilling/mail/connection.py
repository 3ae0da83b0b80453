"""The mail server that a connection describes, named as Airflow's SMTP provider does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from evbilling.errors import BadInput
from evbilling.mail.messages import Sender
from evbilling.mail.recipients import Address, parse_address
from evbilling.mail.smtp import MAX_TIMEOUT_SECONDS, SmtpSettings


class ServerConnection(Protocol):
    """What an Airflow connection says, wherever it is kept."""

    conn_id: str
    host: str | None
    port: int | None
    login: str | None

    @property
    def password(self) -> str | None:
        """The password of `login`."""

    @property
    def extra_dejson(self) -> Mapping[str, Any]:
        """The further settings."""


def mail_server(connection: ServerConnection) -> SmtpSettings:
    """The mail server that a connection describes. Raises `BadInput` if it makes no sense."""
    where = f"Airflow connection {connection.conn_id}"
    extra = connection.extra_dejson
    if not connection.host:
        raise BadInput("names no host", where=where, fix="give the mail server's name as its host")

    def address(name: str, text: str | None) -> Address:
        if parsed := parse_address(text):
            return parsed
        raise BadInput(
            f"{name} is {text or 'missing'}, no e-mail address",
            where=f"{where}, extra",
            fix="give one such as billing@example.org",
        )

    reply_to = extra.get("reply_to")
    timeout = _seconds(extra.get("timeout", 30.0), where)
    security = "tls" if not _flag(extra, "disable_ssl") else "starttls" if not _flag(extra, "disable_tls") else "none"
    return SmtpSettings(
        host=connection.host,
        port=connection.port or {"tls": 465, "starttls": 587, "none": 25}[security],
        sender=Sender(
            address("from_email", extra.get("from_email") or connection.login),
            str(extra.get("from_name") or ""),
            address("reply_to", reply_to) if reply_to else None,
        ),
        login=connection.login or "" if connection.password else "",
        password=connection.password or "",
        security=security,
        verifies=extra.get("ssl_context") != "none",
        timeout_seconds=min(timeout, MAX_TIMEOUT_SECONDS),
        where=where,
    )


def _flag(extra: Mapping[str, Any], name: str) -> bool:
    return str(extra.get(name, "")).strip().lower() in {"true", "1", "yes", "on"}


def _seconds(given: Any, where: str) -> float:
    try:
        seconds = float(str(given))
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise BadInput(f"timeout is {given!r}", where=f"{where}, extra", fix="give a number such as 30.0")
    return seconds
