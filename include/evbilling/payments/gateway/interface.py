"""The narrow interface through which money is asked for: charge, look up, list. Amounts are ISO 4217 minor units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from evbilling.payments.gateway.lease import Lease


class Outcome(StrEnum):
    """What became of a charge. UNKNOWN is neither success nor failure: only asking the gateway tells."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge to be made, off session. Sent again with the same key it takes place at most once.

    `metadata` comes back with the payment, so that it can be told later what it was for. Once its `lease` is over it
    isn't sent any more: whoever was paused in between mustn't charge what may have been settled meanwhile.
    """

    idempotency_key: str
    amount_minor: int
    currency: str
    customer: str
    payment_method: str
    description: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    lease: Lease | None = None


class NotSentError(Exception):
    """A charge whose lease was over before it was sent at all: nothing came of it."""


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """What the gateway said to a charge. `decline_code` and `message` tell why it isn't SUCCEEDED."""

    outcome: Outcome
    gateway_payment_id: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """A payment as the gateway keeps it. `amount_minor` is what was received if it succeeded, else what was asked."""

    gateway_payment_id: str
    outcome: Outcome
    amount_minor: int
    refunded_minor: int
    currency: str
    created_at: datetime
    customer: str | None
    metadata: Mapping[str, str]
    decline_code: str | None = None
    advice_code: str | None = None


class Gateway(Protocol):
    """Every method raises `BadInput` if the key is missing or refused, `TransientError` if nothing sensible answers."""

    def check(self) -> None:
        """Return if the gateway answers and takes our key."""

    def charge(self, charge: Charge) -> ChargeResult:
        """Make a charge. No answer, or one that can't be read, is the outcome UNKNOWN, not an error.

        Raises `NotSentError` if its lease was over before it was sent.
        """

    def look_up(self, gateway_payment_id: str) -> GatewayPayment | None:
        """The payment of this id, or None if the gateway has none."""

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        """The payments created in [since, until), newest first; of one customer if given."""


class ClosedGateway:
    """The gateway of whoever only looks at what would be charged: calling it is a fault of the program."""

    def check(self) -> None:
        raise _closed()

    def charge(self, charge: Charge) -> ChargeResult:
        raise _closed()

    def look_up(self, gateway_payment_id: str) -> GatewayPayment | None:
        raise _closed()

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        raise _closed()


def _closed() -> Exception:
    return RuntimeError("the gateway was called by who only looks")
