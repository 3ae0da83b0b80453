"""The app that Airflow mounts at /evbilling. Every route is guarded by the app itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from evbilling.errors import EvbillingError
from evbilling_web import failures, rendering, static_files, warehouse
from evbilling_web.account_billing import routes as account_billing
from evbilling_web.actions import following
from evbilling_web.actions import routes as actions
from evbilling_web.guard import may_see, same_origin
from evbilling_web.mail import routes as mail
from evbilling_web.month import routes as month
from evbilling_web.statement import routes as statement
from evbilling_web.statement_list import routes as statement_list
from evbilling_web.validation import routes as validation

log = logging.getLogger(__name__)

ROUTERS: tuple[APIRouter, ...] = (
    account_billing.router,
    actions.router,
    following.router,
    mail.router,
    month.router,
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


def create_app() -> FastAPI:
    """The guarded app, without FastAPI's documentation routes: those would be open."""
    app = FastAPI(
        title="evbilling",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(may_see), Depends(same_origin)],
    )
    app.add_exception_handler(HTTPException, failures.refused)
    app.add_exception_handler(RequestValidationError, failures.not_understood)
    app.add_exception_handler(EvbillingError, failures.explained)
    app.middleware("http")(_add_headers)
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


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        # A page that needs another policy, or may be cached, has set its own header.
        response.headers.setdefault(name, value)
    return response
