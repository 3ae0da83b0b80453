"""Where a person came from, so that they can go back there: only ever one of our own pages."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from fastapi import Request

# The path of a page below the app and its query, in the characters that a browser leaves in an address.
_OWN_PAGE = re.compile(
    r"/(?:statements|accounts|months|mail)(?:/[A-Za-z0-9_.~%-]+)?(?:\?[A-Za-z0-9_.~!$&'()*+,;=:@/?%\[\]-]*)?"
)
_LONGEST = 2_000


def way_back(request: Request, given: str | None) -> str | None:
    """The path and query below the app of the page to go back to: `given`, else the page that led here; None if neither
    is a page of ours.

    What is given may begin with the app's own path, as a browser sees it. Never another site, nor another part of this.
    """
    return _own(request, given) if given else _own(request, _referrer(request))


def _own(request: Request, wanted: str | None) -> str | None:
    if not wanted or len(wanted) > _LONGEST:
        return None
    below = wanted.removeprefix(request.scope.get("root_path", ""))
    # A folder above would be for the browser to resolve, which is no way that we wrote.
    if not _OWN_PAGE.fullmatch(below) or unquote(below.partition("?")[0].rpartition("/")[2]) in {".", ".."}:
        return None
    return below


def _referrer(request: Request) -> str | None:
    """The path and query of the page that led here; of whatever site it says to be, only our own paths count."""
    parts = urlsplit(request.headers.get("referer", ""))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
