"""The app that Airflow mounts at /evbilling. Every route is guarded by the app itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from evbilling.errors import EvbillingError
from evbilling_web import failures, rendering, static_files, warehouse
from evbilling_web.account_billing import routes as account_billing
from evbilling_web.actions import bill_month, following
from evbilling_web.actions import routes as actions
from evbilling_web.approval_policy import routes as approval_policy
from evbilling_web.books import routes as books
from evbilling_web.briefly import Briefly
from evbilling_web.due import routes as due
from evbilling_web.explain import routes as explain
from evbilling_web.guard import may_see, same_origin
from evbilling_web.mail import message
from evbilling_web.mail import routes as mail
from evbilling_web.missed_months import policy as missed_month_policy
from evbilling_web.missed_months import routes as missed_months
from evbilling_web.month import approval as month_approval
from evbilling_web.month import routes as month
from evbilling_web.payments import routes as payments
from evbilling_web.service_levels import routes as service_levels
from evbilling_web.statement import routes as statement
from evbilling_web.statement_list import routes as statement_list
from evbilling_web.validation import routes as validation

log = logging.getLogger(__name__)

ROUTERS: tuple[APIRouter, ...] = (
    account_billing.router,
    actions.router,
    approval_policy.router,
    bill_month.router,
    due.router,
    books.router,
    explain.router,
    following.router,
    mail.router,
    message.router,
    missed_months.router,
    missed_month_policy.router,
    month.router,
    month_approval.router,
    payments.router,
    service_levels.router,
    statement.router,
    statement_list.router,
    static_files.router,
    validation.router,
)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Pages(FastAPI):
    """The app as Airflow calls it. Every answer, errors too, has our headers; HEAD is GET without the body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        answer = _Answer(send, is_head=scope["method"] == "HEAD")
        if answer.is_head:
            scope = {**scope, "method": "GET"}
        try:
            await super().__call__(scope, receive, answer.send)
        except _AllSent:
            pass
        except Exception:
            # The page of a fault was sent and the fault logged; only a file that broke off has to look broken.
            if answer.is_begun and not answer.is_over:
                raise
            if not answer.is_begun:
                log.exception("the page of a fault can't be made")
                await PlainTextResponse("An error in the program prevents this page.", 500)(scope, receive, answer.send)


class _AllSent(BaseException):
    """The headers that a HEAD asks for are sent: what makes the body is ended, as by a client that has gone."""


class _Answer:
    """Sends an answer with our headers; for a HEAD without its body."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send = send
        self.is_head = is_head
        self.is_begun = self.is_over = False

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                # A page that needs another policy, or may be cached, has set its own header.
                headers.setdefault(name, value)
        elif self.is_head:
            await self._send({"type": "http.response.body", "body": b""})
            raise _AllSent
        else:
            self.is_over = not message.get("more_body", False)
        await self._send(message)


def create_app() -> FastAPI:
    """The guarded app, without FastAPI's documentation routes: those would be open."""
    app = Pages(
        title="evbilling",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would go to the host that the request names.
        redirect_slashes=False,
        lifespan=_lifespan,
        dependencies=[Depends(may_see), Depends(same_origin)],
    )
    app.state.briefly = Briefly()
    app.add_exception_handler(HTTPException, failures.refused)
    app.add_exception_handler(RequestValidationError, failures.not_understood)
    app.add_exception_handler(EvbillingError, failures.explained)
    app.add_exception_handler(psycopg.DataError, failures.no_such_value)
    app.add_exception_handler(Exception, failures.unforeseen)
    for router in ROUTERS:
        app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    await asyncio.to_thread(_warm_up)
    try:
        yield
    finally:
        warehouse.close()


def _warm_up() -> None:
    """Do what the first page would otherwise wait for; a missing connection is reported by the pages themselves."""
    rendering.compile_templates()
    try:
        warehouse.services()
    except EvbillingError as error:
        log.warning("the pages can't be shown yet: %s", error)
