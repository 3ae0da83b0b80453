"""What everything that collects works with: the services, the gateway, and how persistent to be."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from evbilling.payments.attempts import Debt
from evbilling.payments.collection import LEASE_SECONDS, WORKERS, Collected, collect
from evbilling.payments.gateway.interface import Gateway
from evbilling.payments.payers import Payer, read_payers
from evbilling.payments.retries import plans
from evbilling.payments.retries.planner import Policy
from evbilling.services import Services

if TYPE_CHECKING:
    from evbilling.payments.gateway.stripe_gateway import GatewaySettings


@dataclass(frozen=True, slots=True)
class Desk:
    """The collector's desk. Its methods raise `TransientError` where platform, warehouse or gateway don't answer."""

    services: Services
    gateway: Gateway
    policy: Policy = field(default_factory=Policy)
    workers: int = WORKERS
    lease_seconds: float = LEASE_SECONDS

    def payers_of(self, debts: Iterable[Debt]) -> dict[str, Payer]:
        """The payers of these debts by user id, as the platform has them now."""
        users = {debt.financial_admin_id for debt in debts}
        return read_payers(self.services.platform_url, users) if users else {}

    def collect(self, batch: str) -> Collected:
        """Make the batch's calls that are still to be made, and record the answers."""
        return collect(self.services, self.gateway, batch, workers=self.workers, lease_seconds=self.lease_seconds)

    def replan(self, statement_ids: Sequence[str], now: datetime) -> None:
        """Plan anew the next tries of these statements, from their attempts and today's payment methods."""
        with self.services.warehouse() as connection:
            debts = plans.load_debts(connection, statement_ids=statement_ids)
            attempts = plans.load_attempts(connection, statement_ids)
        made = plans.plans_of(debts, attempts, self.payers_of(debts), self.policy, now)
        with self.services.warehouse() as connection:
            plans.keep_plans(connection, made)


@contextmanager
def open_desk(
    services: Services,
    settings: GatewaySettings,
    policy: Policy | None = None,
    *,
    workers: int = WORKERS,
    lease_seconds: float = LEASE_SECONDS,
) -> Generator[Desk]:
    """A desk with a gateway of its own, paced together with all others on this warehouse.

    Raises `BadInput` for settings that make no sense.
    """
    from evbilling.payments.gateway.pace import Pace, kept_below
    from evbilling.payments.gateway.stripe_gateway import StripeGateway
    from evbilling.payments.gateway.turns import WarehouseTurns

    rate = kept_below(settings.rate_per_second)
    with (
        WarehouseTurns(services.warehouse_url, rate) as turns,
        StripeGateway(settings, Pace(turns, rate).wait_turn) as gateway,
    ):
        yield Desk(services, gateway, policy or Policy(), workers, lease_seconds)
