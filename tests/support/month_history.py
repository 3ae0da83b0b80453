"""Three months with all that a month's overview tells: currencies, statuses, failures, credits, accounts left out.

Bills, charges and states through the product's own steps, so nothing here says what a figure must be.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg

from evbilling.account_statements import assemble
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.connector_statements import correct_statements
from evbilling.payments.actions import MarkRequest, RebillRequest, charge_again, mark_statements
from evbilling.payments.charge import charge_period
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from evbilling_local.sandbox import running_sandbox
from tests.support.month import PAID_ON, Platform, bill, one, plan_and_issue, settle_terms, stage, terms
from tests.support.payments import ASKS_CUSTOMER, HARD, SOFT, VISA, PaymentWorld
from tests.support.postgres import PostgresServer

NOW = datetime(2026, 12, 5, 12, tzinfo=UTC)
TODAY = date(2026, 12, 5)
MONTHS = tuple(Period(2026, month) for month in (9, 10, 11))
LAST = MONTHS[-1]

# (currency, fee, payment method) of the accounts that are billed; b… comes in October, c… in November.
BILLED = {
    "a-paid": ("EUR", "5.00", VISA),
    "a-soft": ("EUR", "6.00", SOFT),
    "a-credit": ("EUR", "7.00", VISA),
    "b-hard": ("EUR", "8.00", HARD),
    "b-asks": ("USD", "9.50", ASKS_CUSTOMER),
    "b-none": ("USD", "10.00", None),
    "b-yen": ("JPY", "500", VISA),
    "c-resolved": ("EUR", "11.00", SOFT),
    "c-manual": ("USD", "12.00", HARD),
    "c-partly": ("EUR", "13.00", SOFT),
    "c-yen": ("JPY", "9000", SOFT),
}
_BEGINS = {"a": "2020-01-01T00:00:00Z", "b": "2026-09-15T00:00:00Z", "c": "2026-10-15T00:00:00Z"}


@dataclass
class Months:
    """The world, and its world for more."""

    world: PaymentWorld

    @property
    def admin_url(self) -> str:
        """The warehouse as its superuser."""
        return self.world.admin_url

    @property
    def writer_url(self) -> str:
        """The warehouse as a page reads it."""
        return self.world.services.warehouse_url

    def statement(self, account: str, period: Period = LAST) -> str:
        """The account's connector statement."""
        query = """select statement_id from finance.statements
                   where account_id = %s and period = %s and kind = 'connector'"""
        return str(one(self.admin_url, query, account, str(period)))


@contextmanager
def opened_months(server: PostgresServer, folder: Path) -> Generator[Months]:
    """The world in fresh databases: 2026-09 to 2026-11 billed and charged, October stated, November dealt with."""
    name = f"months_{next(_numbers)}"
    admin_url = server.create_database(name, template="warehouse_template")
    writer_url = server.url("evbilling_writer", name, password="test")
    platform = Platform(server.create_database(f"{name}_platform", template="platform_template"))
    for number, (account, (currency, _, _)) in enumerate(BILLED.items(), start=1):
        platform.account(account, currency=currency)
        platform.user(f"fa-{account}", account)
        platform.station(f"{account}-1", account, connectors=number, begins=_BEGINS[account[0]])
    # Held: one without an admin, one whose admin is inactive and whose scope is unknown, one without a currency.
    for account, currency in (("h-admin", "EUR"), ("h-twice", "USD"), ("h-money", None), ("n-empty", "EUR")):
        platform.account(account, currency=currency)
        platform.user(f"fa-{account}", account, active=account != "h-twice")
    platform.station("h-admin-1", "h-admin", connectors=4)
    platform.station("h-twice-1", "h-twice", connectors=2)
    platform.station("h-twice-2", "h-twice", "Publik")
    platform.station("h-money-1", "h-money")
    # A charger that nobody is billed for: somebody typed a blank.
    platform.station("astray", "a-paid ")
    platform.save()
    platform.execute("update platform.app_user set payment_customer = 'cus_' || account_id")
    for account, (_, _, method) in BILLED.items():
        platform.execute("update platform.app_user set payment_method = %s where account_id = %s", method, account)
    settle_terms(
        writer_url,
        *[terms(account, fee) for account, (_, fee, _) in BILLED.items()],
        terms("h-admin", "20.00", financial_admin_id=None),
        terms("h-twice", "3.50"),
        terms("h-money"),
        terms("n-empty"),
    )
    services = Services(platform.url, writer_url, str(folder / "evidence"))
    with running_sandbox(folder / "sandbox.sqlite") as sandbox:
        world = PaymentWorld(services, platform, admin_url, sandbox, [])
        months = Months(world)
        for period in MONTHS:
            _issue(services, period)
            with world.payment_services() as payments:
                charge_period(payments, period, actor="ann", now=NOW)
            if period == MONTHS[1]:
                _state(services, period)
        _deal(months)
        yield months
    server.drop_database(name)
    server.drop_database(f"{name}_platform")


_numbers = itertools.count(1)


def _issue(services: Services, period: Period) -> None:
    """The last month by all steps. Those before it without validation and tie-out, which take the longest."""
    if period == LAST:
        bill(services, period, now=NOW, max_count_change_percent=1000)
    else:
        run_id, *_ = stage(services, period, now=NOW)
        plan_and_issue(services, run_id)


def _state(services: Services, period: Period) -> None:
    run_id = assemble(services, RunRequest(period, "account_statements", "scheduled", "ann"), now=NOW)["run_id"]
    issue_account_statements(services, run_id)
    close_account_run(services, run_id)


def _deal(months: Months) -> None:
    world, services = months.world, months.world.services
    # A failure that is collected after a change of the card, and one that fails again, otherwise.
    world.set_method("c-resolved", VISA)
    world.set_method("a-soft", HARD)
    with world.payment_services() as payments:
        for account in ("c-resolved", "a-soft"):
            charge_again(
                payments, RebillRequest(f"again {account}", "ann", "new card", (months.statement(account),)), NOW
            )
    paid = MarkRequest("m1", "ann", "by transfer", (months.statement("c-manual"),), PAID_ON, "bank 1")
    mark_statements(services, paid, TODAY)
    part = replace(paid, request_id="m2", statement_ids=(months.statement("c-partly"),), amount=Decimal("100.00"))
    mark_statements(services, part, TODAY)
    # A paid account had a connector less: a credit.
    world.platform.execute("delete from platform.connector where charger_id = 'a-credit-1' and connector_id = 3")
    run_id, *_ = stage(services, LAST, now=NOW)
    with psycopg.connect(months.admin_url) as connection:
        connection.execute("update billing.run set dag_id = 'correct_statements' where run_id = %s", (run_id,))
    correct_statements(services, run_id, reason="reported late")
