"""The local stack's mail server: the sink, unless the caller has another mail server."""

from __future__ import annotations

from typing import Any

from evbilling_local.stack.embedded import EmbeddedServer
from evbilling_local.stack.ports import LOOPBACK, free_port
from evbilling_local.stack.state import StackState

SINK = EmbeddedServer(
    "mail-sink",
    "the mail sink",
    replaced_by="AIRFLOW_CONN_SMTP",
    ports=lambda state: [state.smtp_port, state.mail_port],
    arguments=lambda state: [
        "--smtp-port",
        str(state.smtp_port),
        "--http-port",
        str(state.mail_port),
        "--folder",
        str(state.home / "mail"),
    ],
)


def connection(state: StackState) -> dict[str, Any]:
    """The Airflow connection to this stack's sink."""
    return {
        "conn_type": "smtp",
        "host": LOOPBACK,
        "port": state.smtp_port,
        "extra": {"from_email": "billing@evbilling.example", "disable_ssl": True, "disable_tls": True},
    }


def prepare(state: StackState) -> None:
    """Give the sink two free ports, if it doesn't run."""
    if not SINK.is_running(state):
        state.smtp_port = free_port(state.smtp_port)
        state.mail_port = free_port(state.mail_port)
    state.save()


def url(state: StackState) -> str:
    """The page that shows the mail."""
    return f"http://{LOOPBACK}:{state.mail_port}"
