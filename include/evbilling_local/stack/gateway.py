"""The local stack's payment gateway: the sandbox, unless the caller has another gateway."""

from __future__ import annotations

import secrets
from typing import Any

from evbilling_local.stack.embedded import EmbeddedServer
from evbilling_local.stack.ports import LOOPBACK, free_port
from evbilling_local.stack.state import StackState

SANDBOX = EmbeddedServer(
    "sandbox",
    "the payment sandbox",
    replaced_by="AIRFLOW_CONN_PAYMENT_GATEWAY",
    ports=lambda state: [state.sandbox_port],
    arguments=lambda state: [
        "--port",
        str(state.sandbox_port),
        "--state",
        str(state.home / "sandbox.sqlite"),
        "--key",
        state.secrets["sandbox_key"],
    ],
)
# Nobody else is on the sandbox, so the demo needn't go at the pace that Stripe's limits ask for.
_RATE_PER_SECOND = 50


def connection(state: StackState) -> dict[str, Any]:
    """The Airflow connection to this stack's sandbox."""
    return {
        "conn_type": "http",
        "host": f"http://{LOOPBACK}",
        "port": state.sandbox_port,
        "password": state.secrets.get("sandbox_key", ""),
        "extra": {"rate_per_second": _RATE_PER_SECOND},
    }


def prepare(state: StackState) -> None:
    """Give the sandbox a key and a free port, if it has none yet."""
    if "sandbox_key" not in state.secrets:
        state.secrets["sandbox_key"] = f"sk_test_{secrets.token_hex(16)}"
    if not SANDBOX.is_running(state):
        state.sandbox_port = free_port(state.sandbox_port)
    state.save()


def url(state: StackState) -> str:
    """Where the sandbox answers."""
    return f"http://{LOOPBACK}:{state.sandbox_port}"
