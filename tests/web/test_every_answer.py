"""Thousands of generated requests: none gets a 500, lacks our headers, leads to another host, or says too much.

They go straight into the application as a server hands them over, so that paths, headers and bodies can be what no
client sends.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

import jinja2
import psycopg
import pytest
from fastapi import FastAPI

from evbilling.errors import TransientError
from evbilling_web.account_billing import routes as account_billing
from tests.support.action_pages import ActionPages
from tests.support.web import HTML, PREFIX, TABLE

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.postgres,
    # Airflow's own, when it is asked about DAGs.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
]

SEED = 20261130
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
# As they are in the address: percent-encoded, or not text at all.
NASTY = (
    "%00",
    "a%00b",
    "~00",
    "%0d%0aX-Injected:%201",
    "%C0%AF",
    "%FF%FE",
    "%ED%A0%80",
    "%E2%80%AEx",
    ".",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2F%2Fevil.test",
    "'%20or%201=1--",
    "%3Cscript%3E",
    "%7B%7B7*7%7D%7D",
    "9" * 400,
    "-1",
    "1e400",
    "NaN",
    "Infinity",
    "x" * 5000,
    "0000-01",
    "1900-01",
    "9999-12",
    "2026-13",
    "2026-11",
    "%D9%A2%D9%A0%D9%A2%D9%A6-11",
    "null",
    base64.urlsafe_b64encode(b"[" * 20_000).decode(),
    "",
)
NAMES = (
    *("statement", "payment", "kind", "back", "after", "before", "connector", "start", "count", "view", "what"),
    *("period", "status", "type", "account", "admin", "q", "sort", "rows", "state", "currency", "balance", "total"),
    *("saved", "effective_from", "financial_admin_id", "fee_per_connector", "tax_percent", "reason", "seen", "nonce"),
    *("paid_on", "amount", "reference", "only", "unheard-of"),
)
GOOD = (
    "all",
    "paid",
    "2026-11",
    "latest",
    "-total",
    "print",
    "true",
    "50",
    "EUR",
    "connector",
    "failed_charge",
    "sent",
)
HOSTS = (b"airflow.test", b"evil.test", b"[", b"evil.test/a?b", b"", b"a b", b"evil.test:99999", b"\xff")
LENGTHS = (b"\xb2", b"-1", b"9" * 30, b"", b"7")
BODIES = (
    (b"multipart/form-data; boundary=x", b"--x\r\nbroken"),
    (b"multipart/form-data", b"--x"),
    (
        b"multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n1\r\n--x--',
    ),
    (b"application/json", b'{"statement": ["x"]}'),
    (b"application/x-www-form-urlencoded; charset=utf-7", b"nonce=%00&statement=%ff&&==&a"),
    (b"application/x-www-form-urlencoded", b"a=1&" * 3_000),
    (b"application/x-www-form-urlencoded", b"a=" + b"x" * 300_000),
    (b"\xff", b"\xff\x00"),
)
TOO_MUCH = re.compile(r"Traceback|psycopg|File \"|\bselect .* from |evbilling_writer|StrictUndefined|Internal Server")


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path[:200]}?{self.query[:300]} {self.headers} {self.body[:60]!r}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(app: FastAPI, request: Request) -> Answer:
    """The answer to a request, as the server would get it."""
    sent: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": request.body, "more_body": False}]
    never = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not parts:
            await never.wait()
        return parts.pop()

    async def send(message: Any) -> None:  # ruff: ignore[unused-async]  # as a server's is
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        # As uvicorn reads it: what isn't UTF-8 is replaced.
        "path": unquote(request.path),
        "raw_path": request.path.encode("latin-1", "replace"),
        "root_path": "",
        "query_string": request.query.encode("latin-1", "replace"),
        "headers": request.headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
    }
    await app(scope, receive, send)
    begin = sent[0]
    assert begin["type"] == "http.response.start"
    assert [message["type"] for message in sent[1:]] == ["http.response.body"] * (len(sent) - 1)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in begin["headers"]}
    return Answer(begin["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def wrong_with(request: Request, answer: Answer) -> str | None:
    """What is wrong with an answer, whatever it is; None if nothing is."""
    headers, is_head = answer.headers, request.method == "HEAD"
    if answer.status >= 500:
        return f"status {answer.status}"
    if "frame-ancestors 'self'" not in headers.get("content-security-policy", ""):
        return "no policy"
    if headers.get("x-content-type-options") != "nosniff" or headers.get("referrer-policy") != "same-origin":
        return "no nosniff or referrer policy"
    if headers.get("cache-control") != "no-store" and not (answer.status == 200 and "/static/" in request.path):
        return "may be cached"
    place = headers.get("location", "")
    if place and (not place.startswith("/") or place.startswith("//") or "\\" in place):
        return f"leads to {place}"
    if "x-injected" in headers:
        return "takes headers from the address"
    if is_head and answer.body:
        return "a body for HEAD"
    if found := TOO_MUCH.search(answer.body.decode("utf-8", "replace") if not _is_file(answer) else ""):
        return f"says {found[0]}"
    if answer.status >= 400 and not is_head:
        wants_page = any(name == b"accept" and b"text/html" in value for name, value in request.headers)
        kind = headers.get("content-type", "")
        if wants_page and not (kind.startswith("text/html") and re.search(rb"<h[12]", answer.body)):
            return f"no page but {kind} {answer.body[:80]!r}"
        # A list or form with a wrong field is shown with it, whoever asks.
        if not wants_page and kind != "application/json" and answer.status not in {409, 422}:
            return f"no JSON but {kind} {answer.body[:80]!r}"
    return None


def _is_file(answer: Answer) -> bool:
    return "attachment" in answer.headers.get("content-disposition", "")


def requests(chance: random.Random, ids: list[str], tokens: list[str]) -> Iterator[Request]:
    """Requests without end: mostly to addresses that there are, with a bit of what nobody expects."""
    places = [path for _, path, _ in TABLE] + ["/", "/nowhere", "/statements/", "/accounts//", "//evil.test", "/docs"]
    good = [*GOOD, *ids]
    while True:
        path = (
            chance
            .choice(places)
            .replace("A-202611-000001", chance.choice(ids))
            .replace("/accounts/a", "/accounts/a00001")
        )
        if chance.random() < 0.4:
            parts = path.split("/")
            # Airflow doesn't even hand us a path with a line break.
            parts[chance.randrange(1, len(parts))] = chance.choice(NASTY).replace("%0d%0a", "%0d")
            path = "/".join(parts)
        path += chance.choice(("", "", "", "", "/", "%00", ".json", ";x=1"))
        pairs = [
            f"{chance.choice(NAMES)}={chance.choice(NASTY) if chance.random() < 0.6 else quote(chance.choice(good))}"
            for _ in range(chance.choice((0, 0, 1, 1, 2, 5)))
        ]
        method = chance.choice(METHODS)
        kind, body = chance.choice(BODIES)
        if method == "POST" and chance.random() < 0.5:
            fields = [(chance.choice(NAMES), unquote(chance.choice((*NASTY, *good)))) for _ in range(6)]
            fields += [("nonce", "n" * 20), ("statement", chance.choice(ids))] * chance.choice((0, 1, 2))
            kind, body = b"application/x-www-form-urlencoded", urlencode(fields).encode()
        headers = [(b"host", chance.choice(HOSTS) if chance.random() < 0.3 else HOSTS[0])]
        headers += [(b"accept", HTML["accept"].encode())] * chance.choice((0, 1, 1))
        headers += [
            (b"referer", chance.choice((b"http://[", b"http://evil.test/statements", b"\xff")))
        ] * chance.choice((0, 1))
        headers += [(b"x-fragment", b"1"), (b"x-forwarded-host", b"evil.test")] * chance.choice((0, 0, 1))
        if method != "GET":
            length = str(len(body)).encode() if chance.random() < 0.8 else chance.choice(LENGTHS)
            headers += [(b"content-type", kind), (b"content-length", length)]
        else:
            body = b""
        token = chance.choice((*tokens * 3, "garbage", "a.b.c", "\xff", ""))
        how = chance.random()
        if how < 0.8:
            headers.append((b"cookie", f"_token={token}".encode("latin-1")))
            headers.append((b"sec-fetch-site", chance.choice((b"same-origin",) * 5 + (b"cross-site",))))
        elif how < 0.9:
            headers.append((b"authorization", b"Bearer " + token.encode("latin-1")))
        yield Request(method, PREFIX + path, "&".join(pairs), headers, body)


def test_no_request_gets_more_than_an_answer(
    shared_pages: ActionPages, app: FastAPI, token: Callable[[str | None], str], full: bool
) -> None:
    """Whatever is asked, by whoever: a page or JSON with our headers, and nothing of the program's inside."""
    chance = random.Random(SEED)  # ruff: ignore[suspicious-non-cryptographic-random-usage]
    made = requests(chance, shared_pages.world.ids, [token("viewer"), token("op"), token("admin")])

    async def ask_all() -> tuple[list[str], set[int]]:
        wrong, statuses = [], set()
        for _ in range(12_000 if full else 1_500):
            request = next(made)
            answer = await ask(app, request)
            statuses.add(answer.status)
            if fault := wrong_with(request, answer):
                wrong.append(f"{fault}: {request}")
        return wrong, statuses

    wrong, statuses = asyncio.run(ask_all())
    assert not wrong, "\n".join(wrong)
    # What is refused and what isn't were both met.
    assert statuses >= {200, 303, 400, 401, 403, 404, 405, 411, 422} | ({413} if full else set())


ADMIN = [(b"host", b"airflow.test"), (b"sec-fetch-site", b"same-origin")]


def answer_to(app: FastAPI, method: str, path: str, *headers: tuple[bytes, bytes], body: bytes = b"") -> Answer:
    path, _, query = path.partition("?")
    request = Request(method, PREFIX + path, query, [*ADMIN, *headers], body)
    answer = asyncio.run(ask(app, request))
    assert wrong_with(request, answer) in {None, f"status {answer.status}"}
    return answer


@pytest.mark.parametrize("accept", [HTML["accept"], "*/*"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("select secret from billing.x"), 500),
        (psycopg.errors.UndefinedColumn("select secret from billing.x"), 500),
        (jinja2.UndefinedError("secret"), 500),
        (TransientError("can't connect", where="warehouse (postgresql://secret)"), 503),
        (psycopg.DataError("secret"), 400),
    ],
)
def test_a_fault_in_the_program_is_a_page_too(
    shared_pages: ActionPages,
    app: FastAPI,
    token: Callable[[str | None], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
    error: Exception,
    status: int,
) -> None:
    """In words and with our headers; what it was is in the log only."""

    def broken() -> None:
        raise error

    monkeypatch.setattr(account_billing, "now", broken)
    cookie = (b"cookie", b"_token=" + token("viewer").encode())
    for method in ("GET", "HEAD"):
        answer = answer_to(app, method, "/accounts/a00001", cookie, (b"accept", accept.encode()))
        assert answer.status == status
        assert b"secret" not in answer.body
    assert str(error).strip() in caplog.text


def test_a_file_that_breaks_off_looks_broken(
    shared_pages: ActionPages, app: FastAPI, token: Callable[[str | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends without the file's end, so that nobody takes half of it for all."""

    def half(_: Any, _form: Any) -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("evbilling_web.statement_list.routes.statements_csv", half)
    cookie = (b"cookie", b"_token=" + token("viewer").encode())
    with pytest.raises(RuntimeError, match="the disk is full"):
        answer_to(app, "GET", "/statements.csv", cookie)


def test_head_is_get_without_the_body(
    shared_pages: ActionPages, app: FastAPI, token: Callable[[str | None], str]
) -> None:
    """For pages, files and lists alike: the same status and headers, and no body."""
    cookie = (b"cookie", b"_token=" + token("viewer").encode())
    statement = shared_pages.world.ids[0]
    for path in (
        *("/statements", "/statements.csv", "/months/2026-11", "/static/app.css", "/mail", "/mail/1", "/accounts"),
        *(f"/statements/{statement}", f"/statements/{statement}/lines.csv", f"/statements/{statement}.pdf"),
    ):
        got, headed = (answer_to(app, method, path, cookie) for method in ("GET", "HEAD"))
        assert (got.status, headed.status) == (200, 200), path
        assert headed.headers["content-type"] == got.headers["content-type"]
        assert got.body
        assert headed.body == b""


@pytest.mark.parametrize("path", ["/statements/", "/statements//", "/months/2026-11/", "/accounts/a00001/"])
def test_a_slash_too_many_leads_nowhere(app: FastAPI, auth_manager: Any, path: str) -> None:
    """Not to the host that the request names, either: there is no such page."""
    answer = answer_to(app, "GET", path, (b"host", b"evil.test"), (b"accept", HTML["accept"].encode()))
    assert (answer.status, answer.headers.get("location")) == (404, None)
    assert b"There is no page at this address." in answer.body


@pytest.mark.parametrize("token_sent", ["garbage", "a.b.c", ""])
@pytest.mark.parametrize("header", [b"cookie", b"authorization"])
def test_a_broken_token_is_no_sign_in(app: FastAPI, auth_manager: Any, header: bytes, token_sent: str) -> None:
    """401 for a program, for a person the login that leads back; a form is refused."""
    sent = (header, (b"_token=" if header == b"cookie" else b"Bearer ") + token_sent.encode())
    html = (b"accept", HTML["accept"].encode())
    assert answer_to(app, "GET", "/mail", sent).status == 401
    assert answer_to(app, "POST", "/actions/rebill", sent, html).status == 401
    login = answer_to(app, "GET", "/mail?state=sent", sent, html)
    assert (login.status, login.headers["location"]) == (
        303,
        f"/auth/login?{urlencode({'next': f'{PREFIX}/mail?state=sent'})}",
    )
