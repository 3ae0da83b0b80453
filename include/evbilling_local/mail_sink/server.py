"""The sink's two servers: one takes mail by SMTP, the other shows it as pages.

What is in a message is the sender's and may be hostile: it is shown as text, or in a frame that can do nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from evbilling.errors import BadInput
from evbilling_local.http_server import running_server
from evbilling_local.mail_sink.mailbox import Kept, Mailbox
from evbilling_local.ports import LOOPBACK

_LARGEST_MESSAGE = 50 << 20
_PAGE_SIZE = 50
_TEMPLATES = Path(__file__).parent / "templates"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}
# For what the sender wrote: no script, no form, no link out, nothing loaded from anywhere. `sandbox` also applies
# where the part is opened outside its frame.
_SENDERS = _HEADERS | {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    )
}


@contextmanager
def running_sink(folder: Path, smtp_port: int, http_port: int, *, host: str = LOOPBACK) -> Generator[Mailbox]:
    """A sink that takes and shows mail until the block ends.

    Raises `BadInput` if the folder, the address or a port can't be used.
    """
    mailbox = Mailbox(folder)
    with running_server(application(mailbox, host), host, http_port, option="--http-port"):
        smtp = Controller(
            _SmtpHandler(mailbox), hostname=host, port=smtp_port, enable_SMTPUTF8=True, data_size_limit=_LARGEST_MESSAGE
        )
        try:
            smtp.start()
        except (OSError, TimeoutError) as error:
            raise BadInput(
                f"can't listen there: {error}", where=f"{host}:{smtp_port}", fix="give another --smtp-port"
            ) from error
        try:
            yield mailbox
        finally:
            smtp.stop()


class _SmtpHandler:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # ruff: ignore[invalid-function-name]
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        number = self._mailbox.keep(envelope.mail_from or "", envelope.rcpt_tos, content)
        return f"250 kept as {number}"


def application(mailbox: Mailbox, host: str = LOOPBACK) -> Starlette:
    """The pages of `mailbox`. On loopback they answer to no other name, so that no web site can read along."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def html(template: str, status: int = 200, **values: Any) -> Response:
        text = templates.get_template(template).render(**values)
        return HTMLResponse(text.encode("utf-8", "replace"), status, _HEADERS)

    def message_of(request: Request) -> Kept:
        found = mailbox.read(request.path_params["number"])
        if found is None:
            raise HTTPException(404)
        return found

    def show_list(request: Request) -> Response:
        numbers = mailbox.numbers()
        last = max(1, -(-len(numbers) // _PAGE_SIZE))
        asked = request.query_params.get("page", "1")
        page = min(int(asked), last) if asked.isascii() and asked.isdigit() and len(asked) < 8 and int(asked) else 1
        shown = [mailbox.read(number) for number in numbers[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]]
        return html("list.html", messages=[m for m in shown if m], count=len(numbers), page=page, last=last)

    def show_message(request: Request) -> Response:
        return html("message.html", message=message_of(request))

    def show_html(request: Request) -> Response:
        content = message_of(request).html
        text = content if content is not None else "<p>This message has no HTML part."
        return HTMLResponse(text.encode("utf-8", "replace"), headers=_SENDERS)

    def show_source(request: Request) -> Response:
        source = mailbox.source(message_of(request).number) or b""
        return PlainTextResponse(source.decode("utf-8", "replace"), headers=_HEADERS)

    def save_part(request: Request) -> Response:
        parts, index = message_of(request).parts, request.path_params["index"]
        if index >= len(parts):
            raise HTTPException(404)
        # Always saved, never shown: the type that it claims isn't trusted.
        pdf = parts[index].content_type == "application/pdf"
        name = quote(parts[index].name.encode("utf-8", "replace"), safe="")
        headers = _SENDERS | {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(parts[index].content, 200, headers, "application/pdf" if pdf else "application/octet-stream")

    def show_style(_: Request) -> Response:
        return Response((_TEMPLATES / "style.css").read_bytes(), 200, _HEADERS, "text/css")

    return Starlette(
        routes=[
            Route("/", show_list),
            Route("/style.css", show_style),
            Route("/health", lambda _: PlainTextResponse("ok\n", headers=_HEADERS)),
            Route("/m/{number:int}", show_message),
            Route("/m/{number:int}/html", show_html),
            Route("/m/{number:int}/source", show_source),
            Route("/m/{number:int}/part/{index:int}", save_part),
        ],
        middleware=[Middleware(TrustedHostMiddleware, [LOOPBACK, "localhost"])] if host == LOOPBACK else [],
        exception_handlers={404: lambda *_: html("missing.html", 404)},
    )
