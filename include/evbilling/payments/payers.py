"""Who pays: the financial admins' customer and payment method at the gateway, as the platform has them now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from evbilling.platform.access import read_users


@dataclass(frozen=True, slots=True)
class Payer:
    """A financial admin as the gateway knows them; null where the platform has nothing, or the user is inactive.

    `unclear` says why the user isn't clearly one of the account that owes: nobody else's card is charged then.
    """

    user_id: str
    customer: str | None
    payment_method: str | None
    unclear: str | None = None


def read_payers(platform_url: str, admins: Collection[tuple[str, str]]) -> dict[tuple[str, str], Payer]:
    """The payer for each pair of a user and the account that owes.

    Raises `BadInput` if the platform breaks the contract, `TransientError` if it doesn't answer.
    """
    users = read_users(platform_url, {user_id for user_id, _ in admins})
    payers = {}
    for user_id, account_id in admins:
        user = users.own(user_id, account_id)
        # An inactive admin's card mustn't be charged.
        customer, method = (user.payment_customer, user.payment_method) if user and user.active else (None, None)
        unclear = users.why_not_own(user_id, account_id)
        payers[user_id, account_id] = Payer(user_id, customer or None, method or None, unclear)
    return payers
