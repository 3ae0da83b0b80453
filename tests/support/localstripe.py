"""A gateway of others: `localstripe` from PyPI, in an environment of its own, behind a translator of our requests.

Where it isn't like Stripe, as far as it matters here:

- It knows no idempotency keys: the same request again is another charge.
- It refuses parameters that it doesn't know. The translator leaves out of a charge `description`,
  `error_on_requires_action` and `automatic_payment_methods`, and of a list `created`.
- Lists are in order of creation and aren't cut by time; there are no disputes.
- A payment doesn't say how much was received of it: the translator adds `amount_received`.
- An error's type is always `invalid_request_error`, also that of a declined card, and a missing object has no code.
- Every key that begins with `sk_` is taken, and everything is in test mode.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from tests.support.environments import python_with
from tests.support.programs import free_ports, start_server, stop_server

VERSION = "1.15.10"
KEY = "sk_test_localstripe"
_AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
GOOD = "4242424242424242"
DECLINED = "4000000000000341"

# Its own start listens on every address and keeps its objects in a file of the system's temporary folder.
_START = """
import sys
from localstripe import resources
resources.Store.dump_to_disk = lambda store: None
from localstripe.server import app
from aiohttp import web
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
_UNKNOWN = ("description", "error_on_requires_action", "automatic_payment_methods", "created")


@dataclass(frozen=True, slots=True)
class LocalStripe:
    """A running localstripe: `url` is the translator's."""

    url: str

    def ask(self, method: str, path: str, **fields: Any) -> Any:
        """The answer of the API as JSON; fields of fields are written as `card[number]`."""
        answer = requests.request(method, f"{self.url}{path}", data=fields, headers=_AUTHORIZED, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def customer_with(self, number: str) -> tuple[str, str]:
        """A new customer with a new card of this number: their ids."""
        card = {"card[number]": number, "card[exp_month]": 12, "card[exp_year]": 2040, "card[cvc]": "123"}
        method = self.ask("POST", "/v1/payment_methods", type="card", **card)["id"]
        customer = self.ask("POST", "/v1/customers", name="Ann")["id"]
        self.ask("POST", f"/v1/payment_methods/{method}/attach", customer=customer)
        return str(customer), str(method)

    def refund(self, payment: str) -> None:
        """Refund a payment in full."""
        self.ask("POST", "/v1/refunds", payment_intent=payment)

    def succeeded(self) -> Iterator[dict[str, Any]]:
        """The payments that were collected, with their charges, in order of creation."""
        for intent in self.ask("GET", "/v1/payment_intents?limit=10000")["data"]:
            if intent["status"] == "succeeded":
                yield intent


@contextmanager
def running_localstripe(folder: Path) -> Generator[LocalStripe]:
    """A fresh localstripe that answers until the block ends; without it the test is skipped with a reason."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    process = start_server(
        [str(python_with(f"localstripe=={VERSION}")), "-c", _START, str(port)], folder, lambda: _answers(address)
    )
    translator = ThreadingHTTPServer(("127.0.0.1", 0), _translator(address))
    thread = threading.Thread(target=translator.serve_forever, daemon=True)
    thread.start()
    try:
        yield LocalStripe(f"http://127.0.0.1:{translator.server_port}")
    finally:
        translator.shutdown()
        translator.server_close()
        thread.join()
        stop_server(process)


def _answers(address: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"{address}/v1/customers?limit=1", headers=_AUTHORIZED, timeout=1).ok
    return False


def _translator(address: str) -> type[BaseHTTPRequestHandler]:
    class Translator(BaseHTTPRequestHandler):
        """Passes requests on, without the parameters that localstripe doesn't know."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())

        def log_message(self, *_: Any) -> None:
            pass

        def _pass_on(self, body: str | None) -> None:
            parts = urlsplit(self.path)
            path, query = parts.path, _known(parts.query)
            headers = {"Authorization": self.headers["Authorization"]}
            if body:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            address_of = f"{address}{path}{'?' + query if query else ''}"
            content = None if body is None else _known(body)
            answer = requests.request(self.command, address_of, data=content, headers=headers, timeout=30)
            received = _with_received(answer.json()) if "payment_intents" in path and answer.ok else None
            self._answer(answer.status_code, json.dumps(received).encode() if received else answer.content)

        def _answer(self, status: int, content: bytes) -> None:
            # The client may be gone: its connection was cut.
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

    return Translator


def _with_received(answer: dict[str, Any]) -> dict[str, Any]:
    for intent in answer["data"] if answer["object"] == "list" else [answer]:
        intent["amount_received"] = intent["amount"] if intent["status"] == "succeeded" else 0
    return answer


def _known(encoded: str) -> str:
    pairs = parse_qsl(encoded, keep_blank_values=True)
    return urlencode([(name, value) for name, value in pairs if name.partition("[")[0] not in _UNKNOWN])
