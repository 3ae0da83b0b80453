"""Looking a few things up at the platform for a page, wherever its tables lie."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from evbilling.platform.lookup.directory import PlatformLookup


def open_lookup(platform_url: str) -> PlatformLookup:
    """The platform at a database's URL, or in files at a path or a folder's URL; nothing is read yet."""
    if urlsplit(platform_url).scheme in {"postgresql", "postgres"}:
        from evbilling.platform.lookup.database import DatabaseLookup

        return DatabaseLookup(platform_url)
    from evbilling.platform.lookup.files import FileLookup

    return FileLookup(platform_url)
