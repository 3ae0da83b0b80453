"""What a person or a program gets instead of a page: the login, or what is wrong and what to do about it."""

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
    400: "That can't be right",
    403: "You may not do that",
    404: "Not found",
    405: "That can't be done here",
    409: "Something has changed meanwhile",
    422: "That can't be right",
    503: "The service doesn't answer",
}


def refused(request: Request, error: Exception) -> Response:
    """A person who isn't signed in goes to the login page and comes back; a program gets the status code."""
    if not isinstance(error, HTTPException):
        raise error
    # Airflow answers 403 to a token that it can't read, which to a person also means: sign in again.
    signed_out = error.status_code == 401 or (error.status_code == 403 and "token" in str(error.detail).lower())
    if signed_out and request.method == "GET" and _is_person(request):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(get_auth_manager().get_url_login(next_url=wanted), status_code=303)
    return _said(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


def not_understood(request: Request, error: Exception) -> Response:
    """An address or form with a value that can't be meant: 422, naming the value."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return _said(request, 422, wrong)


def explained(request: Request, error: Exception) -> Response:
    """One of our own errors: 404 for what isn't there, 400 for what can't be right, 503 for what doesn't answer.

    Where it happened goes to the log alone: it may name hosts.
    """
    if not isinstance(error, EvbillingError):
        raise error
    status = 404 if isinstance(error, NotReady) else 400 if isinstance(error, BadInput) else 503
    if status == 503:
        log.error("a page can't be shown: %s", error)
    return _said(request, status, error.what, error.fix)


def _said(
    request: Request, status: int, what: str, fix: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    if not _is_person(request):
        detail = {"detail": what} | ({"fix": fix} if fix else {})
        return JSONResponse(detail, status_code=status, headers=headers)
    said = {"title": _TITLES.get(status, "That didn't work"), "what": what, "fix": fix}
    answer = page(request, "failure.html", said, status=status)
    answer.headers.update(headers or {})
    return answer


def _is_person(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
