"""To whom the mail goes: the financial admins' addresses and the accounts' countries, as the platform has them now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from evbilling.mail.addresses import Address, parse_address
from evbilling.platform import AppUser
from evbilling.platform.access import read_accounts, read_users


@dataclass(frozen=True, slots=True)
class Directory:
    """Users and the countries of accounts by id; who or what the platform doesn't know is missing."""

    people: dict[str, AppUser]
    countries: dict[str, str | None]

    def address_of(self, user_id: str) -> Address | str:
        """The user's address, or in plain words why there is none."""
        person = self.people.get(user_id)
        if person is None:
            return f"the platform has no user {user_id} any more; choose another financial admin"
        if not person.active:
            return f"the user {user_id} is inactive; choose another financial admin or activate the user"
        if not (person.email or "").strip():
            return f"the platform has no e-mail address of {user_id}; enter one there"
        return parse_address(person.email) or (
            f"what the platform has as e-mail address of {user_id} isn't one; correct it there"
        )

    def name_of(self, user_id: str) -> str | None:
        """The user's name, if the platform has one."""
        person = self.people.get(user_id)
        return person.full_name if person else None


def read_directory(platform_url: str, user_ids: Collection[str], account_ids: Collection[str]) -> Directory:
    """The users and accounts named, read at once.

    Raises `BadInput` if the platform breaks the contract, `TransientError` if it doesn't answer.
    """
    return Directory(
        {user.user_id: user for user in read_users(platform_url, set(user_ids))},
        {account.account_id: account.country for account in read_accounts(platform_url, set(account_ids))},
    )
