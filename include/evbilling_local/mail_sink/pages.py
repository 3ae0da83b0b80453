"""The pages of the sink.

What is in a message is the sender's and may be hostile: it is shown as text, or in a frame that can do nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, urlsplit

from evbilling_local.mail_sink.mailbox import Kept, Mailbox

if TYPE_CHECKING:
    import jinja2

_A_PAGE = 50

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OURS = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# No script, no form, no link out, nothing loaded from anywhere; `sandbox` holds even if it is opened by itself.
_THEIRS = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_MESSAGE = re.compile(r"/m/([0-9]{1,8})(?:/(html|source|part/([0-9]{1,3})))?")


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    content: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK
    policy: str = _OURS
    more: dict[str, str] = field(default_factory=dict)

    @classmethod
    def plain(cls, text: str, status: HTTPStatus = HTTPStatus.OK) -> Self:
        """A text."""
        return cls(text.encode("utf-8", "replace"), "text/plain; charset=utf-8", status)

    @property
    def headers(self) -> dict[str, str]:
        """All headers but the length."""
        return _HEADERS | {"Content-Type": self.content_type, "Content-Security-Policy": self.policy} | self.more


def page_for(mailbox: Mailbox, target: str) -> Page:
    """The page at a path; one that says so if there is none."""
    parts = urlsplit(target)
    if parts.path == "/":
        return _list(mailbox, parts.query)
    if parts.path == "/style.css":
        return Page((Path(__file__).parent / "templates" / "style.css").read_bytes(), "text/css; charset=utf-8")
    if parts.path == "/health":
        return Page.plain("ok\n")
    found = _MESSAGE.fullmatch(parts.path)
    message = mailbox.read(int(found[1])) if found else None
    if found is None or message is None:
        return _html("missing.html", HTTPStatus.NOT_FOUND)
    if found[2] is None:
        return _html("message.html", message=message)
    if found[2] == "source":
        return Page.plain((mailbox.source(message.number) or b"").decode("utf-8", "replace"))
    return _body(message) if found[2] == "html" else _part(message, int(found[3]))


def _list(mailbox: Mailbox, query: str) -> Page:
    numbers = mailbox.numbers()
    asked = parse_qs(query).get("page", ["1"])[0]
    last = max(1, -(-len(numbers) // _A_PAGE))
    page = min(int(asked), last) if asked.isascii() and asked.isdigit() and len(asked) < 8 and int(asked) else 1
    shown = [mailbox.read(number) for number in numbers[(page - 1) * _A_PAGE : page * _A_PAGE]]
    return _html("list.html", messages=[m for m in shown if m], count=len(numbers), page=page, last=last)


def _body(message: Kept) -> Page:
    content = message.html if message.html is not None else "<p>This message has no HTML part."
    return Page(content.encode("utf-8", "replace"), "text/html; charset=utf-8", policy=_THEIRS)


def _part(message: Kept, index: int) -> Page:
    if index >= len(message.parts):
        return _html("missing.html", HTTPStatus.NOT_FOUND)
    part = message.parts[index]
    # Always saved, never shown: what it says of its own type isn't trusted.
    name = quote(part.name.encode("utf-8", "replace"), safe="")
    return Page(
        part.content,
        "application/pdf" if part.content_type == "application/pdf" else "application/octet-stream",
        policy=_THEIRS,
        more={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


def _html(template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Page:
    text = _templates().get_template(template).render(**values)
    return Page(text.encode("utf-8", "replace"), "text/html; charset=utf-8", status)


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
