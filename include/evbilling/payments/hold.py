"""Notices that the warehouse was restored from a backup, and keeps charging on hold until everything is compared.

A payment at the gateway whose attempt isn't recorded here is from after the backup. Without this look its statement
would be charged again, once the gateway has forgotten the idempotency key. See docs/decisions/0028.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import psycopg

from evbilling.payments.gateway.interface import Gateway, GatewayPayment
from evbilling.services import Services
from evbilling.warehouse import fetch_one

log = logging.getLogger(__name__)

# Clocks differ: ours says when we asked, the gateway's when the payment was made.
CLOCK_SLACK = timedelta(minutes=10)

# Payments of ours that a look wants to see, all recorded here: a page of the gateway's list. More than are ever under
# way at once, so a payment that was lost is among them, or newer.
_ENOUGH = 100

# The largest number that an attempt can have, and one more than its digits.
_LARGEST_ID, _DIGITS = 2**63 - 1, 20


def require_charging(services: Services, gateway: Gateway) -> None:
    """Return if charges may be made: the gateway's newest payments of ours are recorded here.

    Lists one page at the gateway, and more only if the newest payments there are others'. Raises `NotReady` while
    charging is on hold, or if this look puts it on hold.
    """
    with services.warehouse() as connection:
        note(connection, [])
        # The hold must stay when what follows raises.
        connection.commit()
        connection.execute("select billing.require_no_hold()")
        installation, since = fetch_one(connection, "payments/look_back")
    listed, seen = gateway.list_payments(since - CLOCK_SLACK), 0
    while seen < _ENOUGH and (page := list(islice(listed, _ENOUGH))):
        if ours := [payment for payment in page if payment.metadata.get("evbilling_installation") == installation]:
            with services.warehouse() as connection:
                note(connection, ours)
                connection.commit()
                connection.execute("select billing.require_no_hold()")
        seen += len(ours)


def note(connection: psycopg.Connection[Any], payments: Sequence[GatewayPayment]) -> bool:
    """Put charging on hold if one of these payments of ours, or the server, shows that the warehouse was restored.

    Returns whether charging is on hold, now or since before; the caller commits.
    """
    row = connection.execute(
        "select billing.note_payments(%s::text[], %s::bigint[], %s::text[])",
        (
            [payment.gateway_payment_id for payment in payments],
            [attempt_number(payment) for payment in payments],
            [statement_of(payment) for payment in payments],
        ),
    ).fetchone()
    return row is not None and row[0] is not None


def open_hold(connection: psycopg.Connection[Any]) -> str | None:
    """What put charging on hold, in words; None if it isn't on hold."""
    row = connection.execute("select detail from billing.charging_hold where lifted_at is null").fetchone()
    return None if row is None else str(row[0])


def attempt_number(payment: GatewayPayment) -> int | None:
    """The number of the attempt that a payment names; None if that can't be one: metadata can be changed by hand."""
    text = payment.metadata.get("evbilling_attempt")
    number = int(text) if text and text.isascii() and text.isdigit() and len(text) < _DIGITS else 0
    return number if 0 < number <= _LARGEST_ID else None


def statement_of(payment: GatewayPayment) -> str | None:
    """The statement that a payment names."""
    return payment.metadata.get("evbilling_statement")
