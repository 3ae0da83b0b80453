"""Who gets the mail: the financial admins and their addresses, as the platform has them now."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from evbilling.languages import FALLBACK, locale_of
from evbilling.platform import Users
from evbilling.platform.access import read_accounts, read_users

# The standard allows a quoted local part ("a b"@…), but nobody uses one: it is refused.
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f()<>\[\]:;@\\,\"]{1,64}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_MAX_BYTES = 254


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the mail server takes it, with its domain in ASCII."""

    text: str

    @property
    def needs_utf8(self) -> bool:
        """True if its local part isn't ASCII: only a server that supports SMTPUTF8 takes it."""
        return not self.text.isascii()


def parse_address(text: str | None) -> Address | None:
    """The address in `text`, or None if no mail could reach it."""
    local, at, domain = (text or "").strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    try:
        # Domain names in other scripts have an ASCII form, which mail servers use.
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    address = f"{local}@{ascii_domain}"
    return Address(address) if len(address.encode()) <= _MAX_BYTES else None


def masked(address: str) -> str:
    """The address without its local part: `j***@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def mask_in(text: str, address: str) -> str:
    """`text` with the address masked wherever it occurs: servers often repeat it in their answers."""
    return re.sub(re.escape(address), masked(address).replace("\\", r"\\"), text, flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipients:
    """Users, and the locales of accounts by id. Those that the platform doesn't have are missing."""

    users: Users
    locales: dict[str, str]

    def locale_of(self, account_id: str) -> str:
        """The account's language and country."""
        return self.locales.get(account_id, FALLBACK)

    def address_of(self, user_id: str, account_id: str) -> Address | str:
        """The address of an account's financial admin, or the reason why there is none."""
        if why := self.users.why_not_own(user_id, account_id):
            return why
        user = self.users.get(user_id)
        if user is None:
            return f"the platform no longer has the user {user_id}; choose another financial admin"
        if not user.active:
            return f"the user {user_id} is inactive; choose another financial admin or activate the user"
        if not (user.email or "").strip():
            return f"the platform has no e-mail address for {user_id}; enter one there"
        return parse_address(user.email) or (
            f"the platform's e-mail address for {user_id} isn't valid; correct it there"
        )

    def name_of(self, user_id: str, account_id: str) -> str | None:
        """The name of an account's financial admin, if the platform has one."""
        user = self.users.own(user_id, account_id)
        return user.full_name if user else None


def read_recipients(platform_url: str, user_ids: Collection[str], account_ids: Collection[str]) -> Recipients:
    """These users and accounts as they are now.

    Raises `BadInput` if the platform breaks the contract, `TransientError` if it doesn't answer.
    """
    return Recipients(
        read_users(platform_url, set(user_ids)),
        {
            account.account_id: locale_of(account.country, account.language)
            for account in read_accounts(platform_url, set(account_ids))
        },
    )
