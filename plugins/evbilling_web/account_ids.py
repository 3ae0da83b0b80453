"""An account's id as a part of an address, whatever characters it has.

Percent signs won't do: servers and proxies in between read `%2F` as a slash and `%2E%2E` as a folder's parent. So bytes
other than letters, digits, dot, dash and underscore are written `~XX`.
"""

from __future__ import annotations

import re
import string

_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}._-".encode())
_WRITTEN = re.compile(rb"~([0-9A-F]{2})")


def account_place(account_id: str) -> str:
    """The page of an account below the app: `c/4` is at `/accounts/c~2F4`."""
    written = "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in account_id.encode())
    # A part of dots alone is a way up, not a name.
    return f"/accounts/{written if written.strip('.') else written.replace('.', '~2E')}"


def account_of(part: str) -> str:
    """The id that an address's part stands for; what isn't written so is taken as it stands."""
    try:
        return _WRITTEN.sub(lambda found: bytes([int(found[1], 16)]), part.encode()).decode()
    except UnicodeError:
        return part
