"""What pages read of the platform: accounts by their names, an account's users, its chargers. No database, no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evbilling.paging import Page

if TYPE_CHECKING:
    from evbilling.platform.inventory import AccountHistory
    from evbilling.platform.source import CountWindow

PAGE_SIZE = 50
MOST_USERS = 1_000


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row of the platform's account table; `language` (BCP 47, as `fr-BE`) is null where the platform has none."""

    account_id: str
    name: str | None
    country: str | None
    time_zone: str | None
    currency: str | None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class AppUser:
    """A row of the platform's app_user table; `active` is null where the platform has no value: not active."""

    user_id: str
    account_id: str | None
    full_name: str | None
    email: str | None
    active: bool | None
    payment_customer: str | None = None
    payment_method: str | None = None

    @property
    def label(self) -> str:
        """Name and e-mail, as far as they are known, else the id."""
        named = " · ".join(part for part in (self.full_name, self.email) if part)
        return named or self.user_id


class Users:
    """Some rows of the platform's app_user table. Rows that are equal in every column count as one.

    A user whose rows differ isn't known: which of them is true, only the platform can say.
    """

    def __init__(self, rows: Iterable[AppUser] = ()) -> None:
        self._by_id: dict[str, list[AppUser]] = {}
        for row in dict.fromkeys(rows):
            self._by_id.setdefault(row.user_id, []).append(row)

    def __iter__(self) -> Iterator[AppUser]:
        """Each different row."""
        return (row for rows in self._by_id.values() for row in rows)

    def get(self, user_id: str | None) -> AppUser | None:
        """The user with exactly this id; None if there is none, or rows that differ."""
        rows = self._by_id.get(user_id or "", ())
        return rows[0] if len(rows) == 1 else None

    def is_repeated(self, user_id: str | None) -> bool:
        """True if the platform has rows of the user that differ."""
        return len(self._by_id.get(user_id or "", ())) > 1

    def own(self, user_id: str | None, account_id: str) -> AppUser | None:
        """The user, if it is one of the account, and of no other."""
        user = self.get(user_id)
        return user if user and user.account_id == account_id else None

    def why_not_own(self, user_id: str, account_id: str) -> str | None:
        """Why the user isn't clearly one of the account; None if it is, or if the platform has no such id."""
        if self.is_repeated(user_id):
            rows = self._by_id[user_id]
            accounts = sorted({row.account_id or "(none)" for row in rows})
            return f"the platform has {len(rows)} different rows for user {user_id} ({', '.join(accounts)}); keep one"
        user = self.get(user_id)
        if user and user.account_id != account_id:
            return f"user {user_id} is a user of account {user.account_id or '(none)'}, not of {account_id}"
        return None


class PlatformLookup(Protocol):
    """The platform as pages read it. Every method raises `TransientError` if it doesn't answer in time."""

    def find_accounts(
        self, text: str = "", *, after: str | None = None, before: str | None = None, size: int = PAGE_SIZE
    ) -> Page[AccountRow]:
        """The first `size` accounts whose id or name contains `text` in any case; of those after an id, or the last
        `size` of those before one. In order of their ids, each once."""

    def account_rows(self, account_ids: Sequence[str]) -> list[AccountRow]:
        """All rows of these accounts: an account that the platform has twice is a fault to be shown."""

    def active_users(self, account_id: str, limit: int = MOST_USERS) -> list[AppUser]:
        """The account's active users in order of their names, at most `limit`."""

    def users(self, user_ids: Sequence[str]) -> Users:
        """The users with these ids, active or not, of any account."""

    def history_of(self, account_id: str, window: CountWindow) -> AccountHistory:
        """The platform's rows about the account's chargers around these instants, and possibly older or later ones."""
