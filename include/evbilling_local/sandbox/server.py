"""The HTTP side: connections that are kept open, answered, held or dropped."""

from __future__ import annotations

import errno
import json
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evbilling.errors import BadInput
from evbilling_local.sandbox import control
from evbilling_local.sandbox.api import Api, Reply, Request, Rules
from evbilling_local.sandbox.control import handle_control
from evbilling_local.sandbox.faults import FaultPlan
from evbilling_local.sandbox.replies import Answer, Json, server_error
from evbilling_local.sandbox.store import Store

LOOPBACK = "127.0.0.1"

_LARGEST_BODY = 1 << 20
_NONSENSE = "<!doctype html><title>Something else</title><p>This isn't what you asked for."


class Sandbox:
    """A sandbox that runs in this process. Every method is safe across threads."""

    def __init__(self, api: Api, port: int) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self._api = api

    def set_faults(self, plan: FaultPlan | None = None) -> None:
        """From now on faults occur by this plan; none without one."""
        self._api.set_faults(plan or FaultPlan())

    def set_method(self, method_id: str, decline_code: str | None, advice_code: str | None = None) -> None:
        """From now on charges on this payment method decline so, or succeed for None."""
        control.set_method(self._api, method_id, {"decline_code": decline_code, "advice_code": advice_code})

    def tamper(self, intent_id: str, **changes: Any) -> Json:
        """Change what a PaymentIntent says; returns it. Raises `Refusal` if it doesn't exist."""
        return control.tamper(self._api, intent_id, changes)

    def delete_intent(self, intent_id: str) -> None:
        """Make a PaymentIntent vanish. Raises `Refusal` if it doesn't exist."""
        control.delete_intent(self._api, intent_id)

    def make_payment(self, amount: int, currency: str, **fields: Any) -> Json:
        """A succeeded PaymentIntent that nobody asked for; fields are customer, metadata, created and the like."""
        return control.make_payment(self._api, {"amount": amount, "currency": currency, **fields})

    def requests(self) -> Json:
        """What came in since the start or the last reset: totals, by status, the busiest second."""
        return self._api.traffic.summary()

    def reset_requests(self) -> None:
        """Forget what came in."""
        self._api.traffic.reset()


@contextmanager
def running_sandbox(
    state_path: Path,
    port: int = 0,
    *,
    host: str = LOOPBACK,
    rules: Rules | None = None,
    plan: FaultPlan | None = None,
    quiet: bool = True,
) -> Generator[Sandbox]:
    """A sandbox that answers until the block ends; port 0 picks a free one.

    It listens on this machine's loopback address unless `host` is another. Raises `BadInput` if address, port or state
    file can't be used.
    """
    closing = threading.Event()
    store = Store(state_path)
    try:
        api = Api(store, rules or Rules(), plan or FaultPlan(), closing)
        server = _Server(api, (host, port), closing, quiet=quiet)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox")
        thread.start()
        try:
            yield Sandbox(api, server.server_address[1])
        finally:
            server.stop()
            thread.join()
    finally:
        store.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, api: Api, address: tuple[str, int], closing: threading.Event, *, quiet: bool) -> None:
        self.api = api
        self.quiet = quiet
        self.closing = closing
        self._connections: set[socket.socket] = set()
        self._turn = threading.Lock()
        try:
            super().__init__(address, _Handler)
        except (OSError, OverflowError) as error:
            in_use = getattr(error, "errno", None) == errno.EADDRINUSE
            what = "another program listens there already" if in_use else f"can't listen there: {error}"
            raise BadInput(what, where="{}:{}".format(*address), fix="give another --port or --host") from error

    def server_bind(self) -> None:
        """Bind without looking the address's name up, which can take seconds."""
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and keep it in mind, for the end."""
        connection, address = super().get_request()
        with self._turn:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._turn:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report; anything else is a fault of the sandbox."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Take no more connections, let requests under way end, and close."""
        self.closing.set()
        self.shutdown()
        self._shut(socket.SHUT_RD)
        deadline = time.monotonic() + 2
        while self._connections and time.monotonic() < deadline:
            time.sleep(0.01)
        # A client that doesn't read its answer would keep its thread for ever.
        self._shut(socket.SHUT_RDWR)
        self.server_close()

    def _shut(self, how: int) -> None:
        with self._turn:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(how)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        started = datetime.now(UTC)
        path, _, query = self.path.partition("?")
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self._reply(Request(self.command, path, query, body, headers))
        self._log(started, path, reply)
        if self.server.closing.is_set():
            self.close_connection = True
        if reply.answer is None:
            self.close_connection = True
        elif reply.is_nonsense:
            self._send(reply.answer, "text/html", _NONSENSE.encode())
        else:
            self._send(reply.answer, "application/json", json.dumps(reply.answer.body).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # ruff: ignore[mixed-case-variable-in-class-scope]

    def _reply(self, request: Request) -> Reply:
        try:
            if request.path.startswith(control.PREFIX):
                return Reply(handle_control(self.server.api, request.method, request.path, request.body))
            return self.server.api.handle(request)
        except Exception:
            # A mistake in the sandbox: what was begun is rolled back, and the client is told as any server would.
            traceback.print_exc()
            return Reply(server_error())

    def _body(self) -> str | None:
        """The request's body; None, and maybe an answer, if it can't be had whole."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            self._send_refusal(HTTPStatus.LENGTH_REQUIRED, "Send the body with its Content-Length.")
            return None
        if int(length) > _LARGEST_BODY:
            self._send_refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {_LARGEST_BODY} bytes.")
            return None
        body = self.rfile.read(int(length))
        # A client that died while it sent must not have a part of its request executed.
        if len(body) < int(length):
            return None
        try:
            return body.decode()
        except UnicodeDecodeError:
            self._send_refusal(HTTPStatus.BAD_REQUEST, "The body isn't UTF-8.")
            return None

    def _send_refusal(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True
        body = {"error": {"type": "invalid_request_error", "message": message}}
        self._send(Answer(status, body), "application/json", json.dumps(body).encode())

    def _send(self, answer: Answer, content_type: str, body: bytes) -> None:
        status = 200 if content_type == "text/html" else answer.status
        lines = [f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}"]
        headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **answer.headers}
        if self.close_connection:
            headers["Connection"] = "close"
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)

    def _log(self, started: datetime, path: str, reply: Reply) -> None:
        if self.server.quiet or path.startswith(control.PREFIX):
            return
        status = "-" if reply.answer is None else "200" if reply.is_nonsense else reply.answer.status
        line = f"{started:%H:%M:%S.%f} {self.command} {path} {status}{f' {reply.fault}' if reply.fault else ''}\n"
        sys.stderr.write(line)

    def log_message(self, *_: Any) -> None:
        """Nothing: `_log` writes the line of each request."""
