"""The sandbox's web application, and a sandbox that runs in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from evbilling.errors import BadInput
from evbilling_local.http_server import RunningServer, running_server
from evbilling_local.ports import LOOPBACK
from evbilling_local.sandbox import control
from evbilling_local.sandbox.api import Api, Reply, Rules
from evbilling_local.sandbox.faults import Dice, FaultPlan
from evbilling_local.sandbox.replies import Answer, Json, Refusal, server_error
from evbilling_local.sandbox.store import Store

_LARGEST_BODY = 1 << 20
_METHODS = ["GET", "POST", "PUT", "DELETE"]
_NONSENSE = "<!doctype html><title>Something else</title><p>This isn't what you asked for."

T = TypeVar("T")


class Sandbox:
    """A sandbox that runs in this process. Every method can be called from any thread."""

    def __init__(self, api: Api, server: RunningServer) -> None:
        self.port = server.port
        self.url = f"http://{LOOPBACK}:{server.port}"
        self._api = api
        self._server = server

    def call(self, function: Callable[[Api], T]) -> T:
        """What `function` makes of the API and its store, run between two requests."""
        return self._server.call(lambda: function(self._api))

    def set_faults(self, plan: FaultPlan | None = None) -> None:
        """From now on faults occur by this plan; none without one."""
        self.call(lambda api: setattr(api, "dice", Dice(plan or FaultPlan())))

    def set_method(self, method_id: str, decline_code: str | None, advice_code: str | None = None) -> None:
        """From now on charges on this payment method decline with this code, or succeed for None."""
        wanted = {"decline_code": decline_code, "advice_code": advice_code}
        self.call(lambda api: control.set_method(api, method_id, wanted))

    def tamper(self, intent_id: str, **changes: Any) -> Json:
        """Change the fields of a PaymentIntent; returns it. Raises `Refusal` if it doesn't exist."""
        return self.call(lambda api: control.tamper(api, intent_id, changes))

    def delete_intent(self, intent_id: str) -> None:
        """Delete a PaymentIntent. Raises `Refusal` if it doesn't exist."""
        self.call(lambda api: control.delete_intent(api, intent_id))

    def dispute(self, intent_id: str, status: str = "needs_response", amount: int | None = None) -> Json:
        """Dispute a payment, in full or an amount of it, or move its dispute on; returns the dispute."""
        return self.call(lambda api: control.dispute(api, intent_id, {"status": status, "amount": amount}))

    def make_payment(self, amount: int, currency: str, **fields: Any) -> Json:
        """A succeeded PaymentIntent that no request created; fields are customer, metadata, created and the like."""
        return self.call(lambda api: control.make_payment(api, {"amount": amount, "currency": currency, **fields}))

    def requests(self) -> Json:
        """The requests since the start or the last reset: totals, by status, the busiest second."""
        return self.call(lambda api: api.traffic.summary())


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
    store = Store(state_path)
    try:
        api = Api(store, rules or Rules(), plan or FaultPlan())
        app = _application(api, quiet=quiet)
        with running_server(app, host, port, option="--port or --host", before_stop=api.closing.set) as server:
            yield Sandbox(api, server)
    finally:
        store.close()


def _application(api: Api, *, quiet: bool) -> Starlette:
    async def answer_api(request: Request) -> Response:
        started = datetime.now(UTC)
        if isinstance(body := await _body(request), Response):
            return body
        reply = Reply(server_error())
        try:
            reply = await api.handle(request, body)
        finally:
            if not quiet:
                sys.stderr.write(_log_line(started, request, reply))
        if reply.answer is None:
            return _NoResponse()
        if reply.is_nonsense:
            return Response(_NONSENSE, headers=reply.answer.headers, media_type="text/html")
        return _json(reply.answer)

    async def answer_control(request: Request) -> Response:
        if isinstance(body := await _body(request), Response):
            return body
        return _json(Answer(200, control.answer(api, request.method, request.path_params["rest"], body)))

    return Starlette(
        routes=[
            Route("/_sandbox/{rest:path}", answer_control, methods=_METHODS),
            Route("/{rest:path}", answer_api, methods=_METHODS),
        ],
        exception_handlers={
            Refusal: lambda _, refusal: _json(refusal.answer),
            BadInput: lambda _, error: _json(Refusal(400, str(error)).answer),
            ClientDisconnect: lambda *_: _NoResponse(),
            # An error of the sandbox: what was begun is rolled back, and the client gets what any server answers.
            500: lambda *_: _json(server_error()),
        },
    )


class _NoResponse(Response):
    """Closes the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["transport"].close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _body(request: Request) -> str | Response:
    """The request's body, or the refusal of one that isn't complete, too large or not UTF-8."""
    close = {"Connection": "close"}
    if "transfer-encoding" in request.headers:
        return _json(Refusal(411, "Send the body with its Content-Length.", headers=close).answer)
    if int(request.headers.get("content-length", "0")) > _LARGEST_BODY:
        return _json(Refusal(413, f"A body has at most {_LARGEST_BODY} bytes.", headers=close).answer)
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        return _json(Refusal(400, "The body isn't UTF-8.", headers=close).answer)


def _json(answer: Answer) -> Response:
    return Response(json.dumps(answer.body), answer.status, answer.headers, "application/json")


def _log_line(started: datetime, request: Request, reply: Reply) -> str:
    status = "-" if reply.answer is None else 200 if reply.is_nonsense else reply.answer.status
    fault = f" {reply.fault}" if reply.fault else ""
    return f"{started:%H:%M:%S.%f} {request.method} {request.url.path} {status}{fault}\n"
