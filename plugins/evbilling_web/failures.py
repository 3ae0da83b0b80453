"""What a browser or a program gets instead of a page: the login, or the error and how to fix it."""

from __future__ import annotations

import logging
from urllib.parse import quote

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
    401: "Not signed in",
    403: "You may not do that",
    404: "Not found",
    405: "Not available here",
    409: "Changed in the meantime",
    411: "Invalid request",
    413: "Too large",
    422: "Invalid request",
    503: "Service unavailable",
}
# In place of Starlette's bare words.
_WORDS = {
    404: "There is no page at this address.",
    405: "This address doesn't take this method.",
}
# What Airflow answers, with 403, to a token that it can't read.
_UNREADABLE_TOKEN = "Invalid JWT token"  # ruff: ignore[hardcoded-password-string]


def refused(request: Request, error: Exception) -> Response:
    """A browser that isn't signed in is sent to the login page and comes back; a program gets the status code.

    A token that can't be read is no sign-in: 401, as without one.
    """
    if not isinstance(error, HTTPException):
        raise error
    status, what = error.status_code, str(error.detail)
    if status == 403 and _UNREADABLE_TOKEN in what:
        status = 401
    if status == 401 and request.method == "GET" and _is_browser(request):
        return RedirectResponse(get_auth_manager().get_url_login(next_url=_wanted(request)), status_code=303)
    # Starlette's own detail is only the status in words.
    if what in {"Not Found", "Method Not Allowed"}:
        what = _WORDS[status]
    return _answer(request, status, what, headers=dict(error.headers or {}))


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


def no_such_value(request: Request, error: Exception) -> Response:
    """A value that no column can hold, such as a text with a NUL or too large a number: 400."""
    log.warning("%s %r: %s", request.method, request.scope["path"], error)
    return _answer(request, 400, "A value in this address or form can't be looked up.", "Correct it and try again.")


def unforeseen(request: Request, error: Exception) -> Response:
    """A fault in the program: 500, with nothing of it but in the log."""
    log.error("%s %r failed", request.method, request.scope["path"], exc_info=error)
    return _answer(
        request,
        500,
        "An error in the program prevents this page.",
        "The API server's log has it; report it from there.",
    )


def _wanted(request: Request) -> str:
    """The address that was asked for, as path and query; never with the host that the request names."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"]) + (f"?{query}" if query else "")


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
