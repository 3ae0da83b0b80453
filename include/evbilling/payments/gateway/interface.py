"""What the product asks of a payment gateway: check, charge, refund and list. Amounts are ISO 4217 minor units."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

Clock = Callable[[], float]

# One doesn't count a machine's sleep, the other can be set back: a lease ends when either has reached its end.
_CLOCKS: tuple[Clock, ...] = (time.time, time.monotonic)


class Lease:
    """How long a claimed attempt or message may still be sent. Make it before the claim, so that it ends first."""

    def __init__(self, seconds: float, clocks: Sequence[Clock] = _CLOCKS) -> None:
        self._ends = [(clock, clock() + seconds) for clock in clocks]

    @property
    def is_over(self) -> bool:
        """True once the time has passed by any of the clocks: another worker may send it then."""
        return any(clock() >= end for clock, end in self._ends)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How to reach the gateway. `api_base` None is Stripe itself.

    `timeout_seconds` is for connecting, and for each wait for more of an answer; `max_network_retries` are further
    sends of one request that wasn't answered; `rate_per_second` is what all processes together may send. `livemode`:
    True if the key must be for real payments, False if for tests; None: as the payments so far.
    """

    api_key: str = field(repr=False)
    api_base: str | None = None
    timeout_seconds: float = 20
    max_network_retries: int = 2
    rate_per_second: float = 20
    livemode: bool | None = None

    @property
    def patience_seconds(self) -> float:
        """How long the sends of one request may take, all of them unanswered."""
        return self.timeout_seconds * (1 + self.max_network_retries)


class Outcome(StrEnum):
    """What became of a charge. UNKNOWN is neither success nor failure; only the gateway's list settles it.

    DECLINED is the customer's, REFUSED the operator's: the key, our request or our data. Neither charged anything.
    """

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge to be made, off session. Sent again with the same key it takes place at most once.

    `metadata` comes back with the payment and identifies it. Once the `lease` is over the charge isn't sent any more:
    a worker that was paused mustn't charge what may have been settled meanwhile.
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
    """The lease of a charge ended before its first send, so nothing was charged."""


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """The gateway's answer to a charge. `decline_code` and `message` say why it isn't SUCCEEDED."""

    outcome: Outcome
    gateway_payment_id: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund to be made of a payment, or of a part of it. Sent again with the same key it takes place at most once.

    The key comes back with the refund and identifies it. Once the `lease` is over it isn't sent any more.
    """

    idempotency_key: str
    gateway_payment_id: str
    amount_minor: int
    currency: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class RefundResult:
    """The gateway's answer to a refund: SUCCEEDED, REFUSED (nothing was given back) or UNKNOWN.

    `refunded_minor`: of a refund that was looked for, all that was given back of its payment.
    """

    outcome: Outcome
    gateway_refund_id: str | None = None
    message: str | None = None
    refunded_minor: int | None = None


class Dispute(StrEnum):
    """How a cardholder's dispute stands. LOST: the money is gone; WON: it stays, or only a question was asked."""

    OPENED = "opened"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """A payment as the gateway keeps it. `amount_minor` is what was received if it succeeded, else what was asked.

    `dispute` is the state of the cardholder's dispute of it, None if there is none, and `disputed_minor` its amount.
    `is_live`: a real payment, not one of a test key; None if the gateway doesn't say.
    """

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
    dispute: Dispute | None = None
    disputed_minor: int = 0
    is_live: bool | None = None


class Gateway(Protocol):
    """Every method raises `BadInput` if the key is missing or refused, `TransientError` if nothing sensible answers."""

    def check(self, customers: Sequence[str] = (), *, is_live: bool | None = None) -> None:
        """Return if the gateway answers, takes our key, and knows one of these customers, of some.

        `is_live`: the mode of the payments so far, which the key must be of. Raises `BadInput` otherwise.
        """

    def charge(self, charge: Charge) -> ChargeResult:
        """Make a charge. No answer, or one that can't be read, is the outcome UNKNOWN, not an error.

        Raises `NotSentError` if its lease was over before it was sent.
        """

    def refund(self, refund: Refund) -> RefundResult:
        """Give back a payment. No answer, or one that can't be read, is the outcome UNKNOWN, not an error.

        Raises `NotSentError` if its lease was over before it was sent.
        """

    def find_refund(self, gateway_payment_id: str, idempotency_key: str) -> RefundResult | None:
        """What became of the refund of this payment that was asked for with this key; None if there is none."""

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        """The payments created in [since, until), newest first; of one customer if given."""

    def list_returned(self, since: datetime) -> Iterator[GatewayPayment]:
        """The payments of which a refund or a dispute was created since then, each once, whenever they were made."""


class ClosedGateway:
    """The gateway for previews, which charge nothing: calling it is a fault of the program."""

    def check(self, customers: Sequence[str] = (), *, is_live: bool | None = None) -> None:
        raise _closed()

    def charge(self, charge: Charge) -> ChargeResult:
        raise _closed()

    def refund(self, refund: Refund) -> RefundResult:
        raise _closed()

    def find_refund(self, gateway_payment_id: str, idempotency_key: str) -> RefundResult | None:
        raise _closed()

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        raise _closed()

    def list_returned(self, since: datetime) -> Iterator[GatewayPayment]:
        raise _closed()


def _closed() -> Exception:
    return RuntimeError("a preview called the gateway")
