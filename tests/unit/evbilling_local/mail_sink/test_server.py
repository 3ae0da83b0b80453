"""The local stack's mail sink: it keeps what it is sent and shows it, and no message can do harm on its page."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from evbilling.errors import BadInput
from evbilling_local.mail_sink.mailbox import Mailbox, parsed
from evbilling_local.mail_sink.server import application, running_sink
from evbilling_local.ports import LOOPBACK, free_port

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def box(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mail")


def page_for(box: Mailbox, path: str) -> httpx.Response:
    """The sink's answer for a path."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(box))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{LOOPBACK}") as client:
            return await client.get(path)

    return asyncio.run(ask())


def evil_message() -> bytes:
    message = EmailMessage()
    message["From"] = "a@example.org"
    message["To"] = "b@example.org"
    message["Subject"] = f"{EVIL} \u202egnp"
    message.set_content(EVIL)
    message.add_alternative(f"<p>Hello {EVIL}<img src=http://x.example/y>", subtype="html")
    message.add_attachment(b"<script>1", maintype="text", subtype="html", filename='"><script>.html')
    return message.as_bytes()


def test_mail_comes_in_and_is_shown(tmp_path: Path) -> None:
    """What is sent by SMTP lies in the folder and on the page; another start finds it, and counts on."""
    smtp_port, http_port = free_port(0), free_port(0)
    with running_sink(tmp_path, smtp_port, http_port):
        with smtplib.SMTP(LOOPBACK, smtp_port, timeout=20) as server:
            server.sendmail("a@example.org", ["b@example.org"], evil_message())
        page = httpx.get(f"http://{LOOPBACK}:{http_port}/", trust_env=False, timeout=20)
        assert page.status_code == 200
        assert "1 message" in page.text
        elsewhere = httpx.get(
            f"http://{LOOPBACK}:{http_port}/", headers={"Host": "evil.example"}, trust_env=False, timeout=20
        )
        assert elsewhere.status_code == 400
        assert "b@example.org" not in elsewhere.text
        assert httpx.post(f"http://{LOOPBACK}:{http_port}/", trust_env=False, timeout=20).status_code == 405
    assert [path.name for path in tmp_path.iterdir()] == ["00000001.eml"]
    assert Mailbox(tmp_path).keep("a", ["b"], b"Subject: x\r\n\r\ny") == 2


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """Which of the two, and what to give instead."""
    taken = free_port(0)
    with running_sink(tmp_path / "a", free_port(0), taken), pytest.raises(BadInput, match="--http-port"):
        running_sink(tmp_path / "b", free_port(0), taken).__enter__()


def test_a_hostile_message_is_text(box: Mailbox) -> None:
    """Names, subject and headers are escaped; the HTML comes with a policy under which nothing runs or loads."""
    number = box.keep("a@example.org", ["b@example.org"], evil_message())
    for path in ("/", f"/m/{number}"):
        page = page_for(box, path)
        assert EVIL not in page.text
        assert "script-src" not in page.headers["Content-Security-Policy"]
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert f'<iframe src="/m/{number}/html" sandbox title' in page.text
    body = page_for(box, f"/m/{number}/html")
    assert EVIL in body.text
    assert body.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    attached = page_for(box, f"/m/{number}/part/0")
    assert attached.headers["Content-Type"] == "application/octet-stream"
    assert attached.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%22%3E%3Cscript%3E.html"
    source = page_for(box, f"/m/{number}/source")
    assert source.headers["Content-Type"] == "text/plain; charset=utf-8"
    for page in (body, attached, source):
        assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/m/2", "/m/1/part/9", "/m/../../etc/passwd", "/m/1/nothing", "/m/99999999999", "/nothing", "/m/-1"]
)
def test_what_isnt_there_is_a_404(box: Mailbox, path: str) -> None:
    """No path leads out of the folder."""
    box.keep("a@example.org", ["b@example.org"], evil_message())
    assert page_for(box, path).status_code == 404


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\x00\xff\xfe",
        b"no headers at all",
        b"Subject: =?utf-8?q?half",
        b"Content-Type: text/html; charset=nonsense\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\nx",
        b"Content-Type: multipart/alternative\r\n\r\nx",
        b"To: <<<>>>, ,\r\nDate: never\r\nSubject: \xff\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
    ],
)
def test_any_message_can_be_looked_at(box: Mailbox, source: bytes) -> None:
    """A message that breaks all rules is shown as far as it goes."""
    assert parsed(1, source).number == 1
    number = box.keep("a", ["b"], source)
    for path in ("/", f"/m/{number}", f"/m/{number}/html", f"/m/{number}/source"):
        assert page_for(box, path).status_code == 200


def test_many_messages_come_in_pages(box: Mailbox) -> None:
    """Newest first, fifty at a time; nonsense as a page's number is the first."""
    for number in range(60):
        box.keep("a", ["b"], f"Subject: number {number}\r\n\r\nx".encode())
    first = page_for(box, "/?page=nonsense").text
    assert "number 59" in first
    assert "number 9<" not in first
    second = page_for(box, "/?page=2").text
    assert "number 9<" in second
    assert page_for(box, "/?page=999").text == second
