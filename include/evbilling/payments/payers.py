"""Who pays: the financial admins' customer and payment method at the gateway, as the platform has them now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from evbilling.platform import contract
from evbilling.warehouse.connect import connected


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
    wanted = sorted(set(user_ids))
    is_database = urlsplit(platform_url).scheme in {"postgresql", "postgres"}
    rows = _from_database(platform_url, wanted) if is_database else _from_files(platform_url, set(wanted))
    # An admin who has left has no say any more, and no card to be charged.
    return {
        user: Payer(user, (customer or None) if active else None, (method or None) if active else None)
        for user, customer, method, active in rows
    }


def _from_database(url: str, user_ids: list[str]) -> list[tuple[str, str | None, str | None, bool | None]]:
    with connected(url, what="charging platform") as connection:
        return connection.execute(
            """select user_id, payment_customer, payment_method, active from platform.app_user
               where user_id = any(%s)""",
            (user_ids,),
        ).fetchall()


def _from_files(url: str, user_ids: set[str]) -> list[tuple[str, str | None, str | None, bool | None]]:
    from evbilling.platform.files.tables import open_table

    columns = ("user_id", "payment_customer", "payment_method", "active")
    return [
        (row["user_id"], row["payment_customer"], row["payment_method"], row["active"])
        for batch in open_table(url, contract.APP_USER).batches()
        for row in batch.select(columns).to_pylist()
        if row["user_id"] in user_ids
    ]
