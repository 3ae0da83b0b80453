"""Which e-mail addresses can be written to, and what of one may be shown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A quoted local part ("a b"@…) is allowed by the standard and used by nobody: refused rather than half understood.
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f()<>\[\]:;@\\,\"]{1,64}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LONGEST = 254


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the mail server takes it: its domain in ASCII. `needs_utf8`: its local part isn't."""

    text: str

    @property
    def needs_utf8(self) -> bool:
        """True if only a server that knows SMTPUTF8 can take it."""
        return not self.text.isascii()


def parse_address(text: str | None) -> Address | None:
    """The address that `text` writes, or None if nobody could be reached by it."""
    local, at, domain = (text or "").strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    try:
        # Names of domains in other scripts have an ASCII form, which is what the mail system speaks.
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    address = f"{local}@{ascii_domain}"
    return Address(address) if len(address.encode()) <= _LONGEST else None


def masked(address: str) -> str:
    """The address but for its name: `j***@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def without(text: str, address: str) -> str:
    """`text` with the address masked wherever it stands in it: servers like to repeat it in their answers."""
    return re.sub(re.escape(address), masked(address).replace("\\", r"\\"), text, flags=re.IGNORECASE)
