"""What the tests of pages share besides their fixtures."""

from __future__ import annotations

PREFIX = "/evbilling"
# What a browser says that it wants.
HTML = {"accept": "text/html,application/xhtml+xml"}
# Of SimpleAuthManager, each with all rights of those before it.
ROLES = ("viewer", "user", "op", "admin")
