"""Who pays: the financial admins' customer and payment method at the gateway, as the platform has them now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from evbilling.platform.access import read_users


@dataclass(frozen=True, slots=True)
class Payer:
    """A financial admin as the gateway knows them; null where the platform has nothing, or the user is inactive."""

    user_id: str
    customer: str | None
    payment_method: str | None


def read_payers(platform_url: str, user_ids: Collection[str]) -> dict[str, Payer]:
    """The payers among `user_ids` by user id; who isn't a user of the platform is missing.

    Raises `BadInput` if the platform breaks the contract, `TransientError` if it doesn't answer.
    """
    # An inactive admin's card mustn't be charged.
    return {
        user.user_id: Payer(
            user.user_id,
            (user.payment_customer or None) if user.active else None,
            (user.payment_method or None) if user.active else None,
        )
        for user in read_users(platform_url, set(user_ids))
    }
