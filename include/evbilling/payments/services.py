"""The services that payments need: platform, warehouse, gateway, and how persistent to be."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from evbilling.payments.attempts import Debt
from evbilling.payments.collection import LEASE_SECONDS, WORKERS, Collected, check_gateway, collect
from evbilling.payments.gateway.interface import ClosedGateway, Gateway, GatewaySettings
from evbilling.payments.hold import require_charging
from evbilling.payments.payers import Payer, read_payers
from evbilling.payments.retries import plans
from evbilling.payments.retries.planner import Policy
from evbilling.services import Services


@dataclass(frozen=True, slots=True)
class PaymentServices:
    """Where payments read, charge and write. Methods raise `TransientError` where a service doesn't answer.

    Without a gateway it is good for previews. `patience_seconds`: for how long a charge that was sent may be on its way
    to the gateway.
    """

    base: Services
    gateway: Gateway = field(default_factory=ClosedGateway)
    policy: Policy = field(default_factory=Policy)
    workers: int = WORKERS
    lease_seconds: float = LEASE_SECONDS
    patience_seconds: float = GatewaySettings("").patience_seconds

    @property
    def least_age(self) -> timedelta:
        """How long after its claim a charge may reach the gateway; only after that can it be missing there."""
        return timedelta(seconds=self.lease_seconds + self.patience_seconds)

    def warehouse(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """One transaction on the warehouse."""
        return self.base.warehouse()

    def now(self) -> datetime:
        """As `Services.now`."""
        return self.base.now()

    def payers_of(self, debts: Iterable[Debt]) -> dict[str, Payer]:
        """Who pays each of these debts, by statement, as the platform has them now."""
        admins = {debt.statement_id: (debt.financial_admin_id, debt.account_id) for debt in debts}
        payers = read_payers(self.base.platform_url, set(admins.values())) if admins else {}
        return {statement_id: payers[admin] for statement_id, admin in admins.items()}

    def require_charging(self) -> None:
        """Return if charges may be made; raises `NotReady` while charging is on hold after a restore."""
        require_charging(self.base, self.gateway)

    def check_gateway(self, payers: Iterable[Payer]) -> None:
        """Return if the gateway can charge these payers as far as can be seen beforehand, as `check_gateway`."""
        with self.warehouse() as connection:
            check_gateway(connection, self.gateway, (payer.customer for payer in payers if payer.payment_method))

    def collect(self, batch: str, *, is_looked_at: bool = False) -> Collected:
        """Send the batch's pending charges and record the answers; `is_looked_at` right after `require_charging`."""
        return collect(
            self.base,
            self.gateway,
            batch,
            workers=self.workers,
            lease_seconds=self.lease_seconds,
            is_looked_at=is_looked_at,
        )

    def replan(self, statement_ids: Sequence[str], now: datetime) -> None:
        """Plan the next tries of these statements again, from their attempts and current payment methods."""
        with self.warehouse() as connection:
            debts = plans.load_debts(connection, statement_ids=statement_ids)
            attempts = plans.load_attempts(connection, statement_ids)
        made = plans.plans_of(debts, attempts, self.payers_of(debts), self.policy, now)
        with self.warehouse() as connection:
            plans.keep_plans(connection, made)


@contextmanager
def open_payment_services(
    base: Services,
    settings: GatewaySettings,
    policy: Policy | None = None,
    *,
    workers: int = WORKERS,
    lease_seconds: float = LEASE_SECONDS,
) -> Generator[PaymentServices]:
    """Payment services with a Stripe gateway, paced together with all others on this warehouse.

    Raises `BadInput` for settings that make no sense.
    """
    from evbilling.payments.gateway.pace import Pace, WarehouseTurns, rate_below
    from evbilling.payments.gateway.stripe_gateway import StripeGateway

    rate = rate_below(settings.rate_per_second)
    with (
        WarehouseTurns(base.warehouse_url, rate) as turns,
        StripeGateway(settings, Pace(turns, rate).wait_turn) as gateway,
    ):
        yield PaymentServices(base, gateway, policy or Policy(), workers, lease_seconds, settings.patience_seconds)
