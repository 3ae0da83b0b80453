"""Addresses: of our pages and of runs in Airflow, and the page that a person came from."""

from __future__ import annotations

import re
import string
from urllib.parse import quote, unquote, urlencode, urlsplit

from fastapi import Request
from starlette.exceptions import HTTPException

from evbilling.errors import BadInput
from evbilling.period import Period

_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}._-".encode())
_ESCAPED = re.compile(rb"~([0-9A-F]{2})")
# The path of a page below the app and its query, in the characters that a browser leaves in an address.
_OWN_PAGE = re.compile(
    r"/(?:due|statements|accounts|months|mail|books|payments)(?:/[A-Za-z0-9_.~%-]+)?(?:\?[A-Za-z0-9_.~!$&'()*+,;=:@/?%\[\]-]*)?"
)
_LONGEST = 2_000


def address(root: str, path: str, **query: object) -> str:
    """The address of a page: `path` below the app with this query; a list gives several values, None is left out."""
    pairs = [
        (name, str(value))
        for name, values in query.items()
        for value in (values if isinstance(values, list | tuple | set) else [values])
        if value is not None
    ]
    return root + quote(path, safe="/%") + (f"?{urlencode(pairs)}" if pairs else "")


def airflow_run(root: str, dag_id: str, run_id: str) -> str:
    """The address of a DAG run's page in Airflow itself; a link to it has the attribute `data-airflow` (see app.js)."""
    airflow = root.removesuffix("/evbilling")
    return f"{airflow}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def account_path(account_id: str) -> str:
    """The path of an account's page below the app: `c/4` is at `/accounts/c~2F4`.

    Percent signs won't do: servers and proxies read `%2F` as a slash and `%2E%2E` as the parent folder. So bytes other
    than letters, digits, dot, dash and underscore are written `~XX`.
    """
    escaped = "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in account_id.encode())
    # A segment of dots alone is a way up, not a name.
    return f"/accounts/{escaped if escaped.strip('.') else escaped.replace('.', '~2E')}"


def account_id_of(segment: str) -> str:
    """The account id that a path's segment encodes; a segment in any other form is the id itself."""
    try:
        return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), segment.encode()).decode()
    except UnicodeError:
        return segment


def period_of(text: str) -> Period:
    """The period in an address; 404 for text that isn't one."""
    try:
        return Period.parse(text)
    except BadInput as wrong:
        raise HTTPException(404, f"{wrong.what}: write it as YYYY-MM, for example 2026-11.") from None


def return_path(request: Request, given: str | None) -> str | None:
    """The path and query below the app of the page to go back to: `given`, else the referring page.

    None unless it is a page of ours: never another site, nor another part of this one. What is given may begin with the
    app's own path, as a browser sees it.
    """
    path = given or _referrer(request)
    if len(path) > _LONGEST:
        return None
    below = path.removeprefix(request.scope.get("root_path", ""))
    # The browser would resolve a parent folder; no page of ours links to one.
    if not _OWN_PAGE.fullmatch(below) or unquote(below.partition("?")[0].rpartition("/")[2]) in {".", ".."}:
        return None
    return below


def _referrer(request: Request) -> str:
    """The path and query of the referring page, of whatever site: only our own paths count."""
    try:
        parts = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
