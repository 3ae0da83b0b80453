"""The two sides of the sink: one takes mail by SMTP, the other shows it by HTTP."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling.errors import BadInput
from evbilling_local.mail_sink.mailbox import Mailbox
from evbilling_local.mail_sink.pages import Page, page_for

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"
_LARGEST_MESSAGE = 50 << 20


@contextmanager
def running_sink(folder: Path, smtp_port: int, http_port: int, *, host: str = LOOPBACK) -> Generator[Mailbox]:
    """A sink that takes and shows mail until the block ends.

    Raises `BadInput` if the folder, the address or a port can't be used.
    """
    from aiosmtpd.controller import Controller

    mailbox = Mailbox(folder)
    pages = _Pages(mailbox, host, http_port)
    thread = threading.Thread(target=pages.serve_forever, args=(0.1,), name="pages")
    smtp = Controller(
        _Taker(mailbox), hostname=host, port=smtp_port, enable_SMTPUTF8=True, data_size_limit=_LARGEST_MESSAGE
    )
    thread.start()
    try:
        try:
            smtp.start()
        except (OSError, TimeoutError) as error:
            raise _unusable(host, smtp_port, error, "--smtp-port") from error
        try:
            yield mailbox
        finally:
            smtp.stop()
    finally:
        pages.shutdown()
        pages.server_close()
        thread.join()


class _Taker:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # ruff: ignore[invalid-function-name]
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        number = self._mailbox.keep(envelope.mail_from or "", envelope.rcpt_tos, content)
        return f"250 kept as {number}"


class _Pages(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, mailbox: Mailbox, host: str, port: int) -> None:
        self.mailbox = mailbox
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise _unusable(host, port, error, "--http-port") from error
        # Another name for this address is a page of somebody else's that wants to read along.
        bound = self.server_address[1]
        self.names = {f"{name}:{bound}" for name in (host, LOOPBACK, "localhost")} | {host, "localhost"}


class _Handler(BaseHTTPRequestHandler):
    server: _Pages
    protocol_version = "HTTP/1.1"
    server_version = "evbilling-mail-sink"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        if self.server.server_address[0] == LOOPBACK and self.headers.get("Host", "") not in self.server.names:
            self._answer(Page.plain("This is the mail sink of a local stack.\n", HTTPStatus.MISDIRECTED_REQUEST))
            return
        self._answer(page_for(self.server.mailbox, self.path))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, page: Page) -> None:
        self.send_response(page.status)
        self.send_header("Content-Length", str(len(page.content)))
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.content)

    def log_message(self, *_: object) -> None:
        """Nothing: who looks at mail is of no interest."""


def _unusable(host: str, port: int, error: Exception, option: str) -> BadInput:
    return BadInput(f"can't listen there: {error}", where=f"{host}:{port}", fix=f"give another {option}")
