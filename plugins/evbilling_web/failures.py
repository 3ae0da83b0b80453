"""What a browser or a program gets instead of a page: the login, or the error and how to fix it."""

from __future__ import annotations

import logging

from airflow.api_fastapi.app import get_auth_manager
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from evbilling.errors import BadInput, EvbillingError, NotReady
from evbilling_web.rendering import page

log = logging.getLogger(__name__)

_TITLES = {
    400: "Invalid request",
    403: "You may not do that",
    404: "Not found",
    405: "Not available here",
    409: "Changed in the meantime",
    422: "Invalid request",
    503: "Service unavailable",
}


def refused(request: Request, error: Exception) -> Response:
    """A browser that isn't signed in is sent to the login page and comes back; a program gets the status code."""
    if not isinstance(error, HTTPException):
        raise error
    # Airflow answers 403 to a token that it can't read; the user has to sign in again then, too.
    signed_out = error.status_code == 401 or (error.status_code == 403 and "token" in str(error.detail).lower())
    if signed_out and request.method == "GET" and _is_browser(request):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(get_auth_manager().get_url_login(next_url=wanted), status_code=303)
    return _answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


def not_understood(request: Request, error: Exception) -> Response:
    """An address or form with an invalid value: 422, naming the value."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return _answer(request, 422, wrong)


def explained(request: Request, error: Exception) -> Response:
    """One of our own errors: 404 for something missing, 400 for invalid input, 503 for a service that doesn't answer.

    Where it happened goes to the log only: it may name hosts.
    """
    if not isinstance(error, EvbillingError):
        raise error
    status = 404 if isinstance(error, NotReady) else 400 if isinstance(error, BadInput) else 503
    if status == 503:
        log.error("a page can't be shown: %s", error)
    return _answer(request, status, error.what, error.fix)


def _answer(
    request: Request, status: int, what: str, fix: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    if not _is_browser(request):
        detail = {"detail": what} | ({"fix": fix} if fix else {})
        return JSONResponse(detail, status_code=status, headers=headers)
    context = {"title": _TITLES.get(status, "Something went wrong"), "what": what, "fix": fix}
    answer = page(request, "shared/failure.html", context, status=status)
    answer.headers.update(headers or {})
    return answer


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
