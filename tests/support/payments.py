"""What the tests of payments share: a billed month of many small statements, a sandbox gateway, and looks at the money.

Account `a00007` has the statement of that place, from 0, in `ids`.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from evbilling.errors import EvbillingError
from evbilling.payments import PaymentServices, open_payment_services
from evbilling.payments.charge import charge_period
from evbilling.payments.collection import LEASE_SECONDS, WORKERS
from evbilling.payments.gateway import GatewaySettings
from evbilling.payments.reconciliation import settle_unknown, tie_out_payments
from evbilling.payments.retries.planner import Policy
from evbilling.services import Services
from evbilling_local.sandbox import Sandbox, running_sandbox
from tests.support.month import NOW, PERIOD, Platform, bill, check_standings, one, rows, settle_terms, terms
from tests.support.postgres import PostgresServer

KEY = "sk_test_x"
RATE = 500.0
# Of a call, in seconds: only where a test wants it does one of ours end for want of an answer.
PATIENCE = 30.0
VISA = "pm_card_visa"
SOFT = "pm_card_chargeDeclinedInsufficientFunds"
HARD = "pm_card_chargeDeclinedLostCard"
ASKS_CUSTOMER = "pm_card_chargeDeclinedExpiredCard"
SPREADLESS = Policy(spread_hours=0)
DAY = timedelta(days=1)


@dataclass
class PaymentWorld:
    """A platform, its warehouse with an issued month, and a sandbox. `ids` are the statements in order of account."""

    services: Services
    platform: Platform
    admin_url: str
    sandbox: Sandbox
    ids: list[str]

    # ---- Doing

    @contextmanager
    def payment_services(
        self,
        *,
        rate: float = RATE,
        key: str = KEY,
        url: str | None = None,
        retries: int = 0,
        timeout: float = PATIENCE,
        workers: int = WORKERS,
        lease_seconds: float = LEASE_SECONDS,
        policy: Policy = SPREADLESS,
    ) -> Generator[PaymentServices]:
        """A payments of its own: own connections to the warehouse and the gateway, as each task has."""
        settings = GatewaySettings(key, url or self.sandbox.url, timeout, retries, rate)
        with open_payment_services(
            self.services, settings, policy, workers=workers, lease_seconds=lease_seconds
        ) as payments:
            yield payments

    def charge(self, **options: Any) -> dict[str, Any]:
        """Charge the month once."""
        with self.payment_services(**options) as payments:
            return charge_period(payments, PERIOD, actor="ann", now=NOW)

    def settle(self, *, min_age: timedelta = timedelta(0)) -> dict[str, int]:
        """Ask the gateway what became of what isn't known, when nothing is on its way any more."""
        with self.payment_services() as payments:
            quiet = replace(payments, lease_seconds=0, patience_seconds=0)
            return settle_unknown(quiet, LONG_AGO, NOW, min_age=min_age)

    def tie_out(self) -> list[str]:
        """The money checks of the month that aren't ok."""
        with self.payment_services() as payments:
            return tie_out_payments(payments, [str(PERIOD)]).get(str(PERIOD), [])

    def set_method(self, account: str, method: str | None) -> None:
        """Give an account's financial admin another payment method."""
        self.platform.execute("update platform.app_user set payment_method = %s where account_id = %s", method, account)

    def backdate(self, statement_id: str, age: timedelta) -> None:
        """Make what was tried so far so much older, which only a superuser can."""
        with psycopg.connect(self.admin_url) as connection:
            connection.execute("alter table billing.payment_attempt disable trigger attempt_is_settled_once")
            connection.execute(
                """update billing.payment_attempt
                   set requested_at = requested_at - %(age)s, sent_at = sent_at - %(age)s,
                       claimed_at = claimed_at - %(age)s, settled_at = settled_at - %(age)s
                   where statement_id = %(id)s""",
                {"age": age, "id": statement_id},
            )
            connection.execute("alter table billing.payment_attempt enable trigger attempt_is_settled_once")

    def write(self, statement: str, *values: Any) -> None:
        """Do something as the writer and commit it."""
        with psycopg.connect(self.services.warehouse_url) as connection:
            connection.execute(statement, values or None)

    # ---- Looking

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query on the warehouse."""
        return rows(self.admin_url, query, *values)

    def one(self, query: str, *values: Any) -> Any:
        """The only value of a query on the warehouse."""
        return one(self.admin_url, query, *values)

    def statuses(self) -> list[str]:
        """The status of each statement, in order."""
        return [row[0] for row in self.rows("select status from finance.statements order by statement_id")]

    def status(self, statement_id: str) -> str:
        """The status of one statement."""
        return str(self.one("select status from finance.statements where statement_id = %s", statement_id))

    def attempts(self, statement_id: str) -> list[str]:
        """The outcomes of a statement's attempts, in order."""
        query = "select outcome from billing.payment_attempt where statement_id = %s order by attempt_no"
        return [row[0] for row in self.rows(query, statement_id)]

    def outcomes(self) -> dict[str, int]:
        """How many attempts ended how."""
        return dict(self.rows("select outcome, count(*) from billing.payment_attempt group by 1"))

    def charged(self) -> dict[str, list[dict[str, Any]]]:
        """What the gateway has really charged, by statement: straight from its state, not by the API."""
        found: dict[str, list[dict[str, Any]]] = {}
        for intent in self.intents():
            if intent["status"] == "succeeded":
                found.setdefault(intent["metadata"].get("evbilling_statement", "?"), []).append(intent)
        return found

    def intents(self) -> Iterator[dict[str, Any]]:
        """Every payment intent that the gateway has, newest first."""
        from evbilling_local.sandbox.intents import INTENT
        from evbilling_local.sandbox.store import Window

        page = self.sandbox.call(lambda api: api.store.page(INTENT, Window(1_000_000)))
        yield from page[0] if page else []

    def intent_of(self, statement_id: str) -> str:
        """The id of a statement's only succeeded payment."""
        (intent,) = self.charged()[statement_id]
        return str(intent["id"])


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@contextmanager
def payment_world(
    server: PostgresServer,
    folder: Path,
    accounts: int = 1,
    *,
    methods: Sequence[str | None] = (VISA,),
    kinds: Sequence[tuple[str, str | None]] = (("EUR", None),),
    **sandbox_options: Any,
) -> Generator[PaymentWorld]:
    """A billed month of so many accounts with one connector each.

    Payment methods, and kinds of statement (currency, fee), are dealt out in turn. Worlds of the same statements share
    their platform, so there is one of them at a time; its rows are as at first in each.
    """
    template = _billed(server, folder, accounts, tuple(kinds))
    number = next(_numbers)
    platform = Platform(server.url(database=f"{template}_platform"))
    admin_url = server.create_database(f"payments_{number}", template=template)
    with psycopg.connect(platform.url) as connection, connection.cursor() as cursor:
        for table in _PLATFORM:
            cursor.execute(f"truncate platform.{table}")
            cursor.execute(f"insert into platform.{table} select * from at_first.{table}")
        cursor.executemany(
            "update platform.app_user set payment_method = %s where account_id = %s",
            [(methods[n % len(methods)], _name(n)) for n in range(accounts)],
        )
    writer_url = server.url("evbilling_writer", f"payments_{number}", password="test")
    services = Services(platform.url, writer_url, str(folder / "evidence"))
    ids = [row[0] for row in rows(admin_url, "select statement_id from billing.statement order by account_id")]
    assert len(ids) == accounts
    with running_sandbox(folder / f"sandbox-{number}.sqlite", **sandbox_options) as sandbox:
        yield PaymentWorld(services, platform, admin_url, sandbox, ids)
    server.drop_database(f"payments_{number}")


_PLATFORM = ("account", "app_user", "charger", "connector", "account_charge")
_numbers = itertools.count(1)
_templates: dict[tuple[object, ...], str] = {}


def _billed(server: PostgresServer, folder: Path, accounts: int, kinds: tuple[tuple[str, str | None], ...]) -> str:
    """Name of a warehouse to be cloned in which the month is issued; its platform's is the same with `_platform`."""
    key = (server.port, accounts, kinds)
    if key in _templates:
        return _templates[key]
    name = f"billed_{next(_numbers)}"
    platform = Platform(server.create_database(f"{name}_platform", template="platform_template"))
    server.create_database(name, template="warehouse_template")
    settings = []
    for n in range(accounts):
        currency, fee = kinds[n % len(kinds)]
        platform.plain_account(_name(n), currency=currency)
        # Different amounts, so that a payment booked on the wrong statement shows.
        settings.append(terms(_name(n), fee or str(5 + n % 50)))
    platform.save()
    platform.execute("update platform.app_user set payment_customer = 'cus_' || account_id")
    platform.execute("create schema at_first")
    for table in _PLATFORM:
        platform.execute(f"create table at_first.{table} as table platform.{table}")
    writer_url = server.url("evbilling_writer", name, password="test")
    settle_terms(writer_url, *settings)
    bill(Services(platform.url, writer_url, str(folder / "evidence")))
    _templates[key] = name
    return name


def _name(number: int) -> str:
    return f"a{number:05d}"


def together(*deeds: Callable[[], Any]) -> list[Any]:
    """All deeds begun at one moment, each in a thread of its own; what each returned, or its EvbillingError."""
    start = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return deed()
        except EvbillingError as error:
            return error

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [future.result() for future in [pool.submit(run, deed) for deed in deeds]]


def check_books(world: PaymentWorld) -> None:
    """What must hold at any moment, whatever was done: the ledger in itself, the list, and the gateway against both."""
    check_standings(world.admin_url)
    assert (
        world.rows(
            """select 1 from (
               select currency, sum(amount_minor) as debits from (
                   select currency, debit_account as account, amount_minor from billing.transfer
                   union all select currency, credit_account, -amount_minor from billing.transfer) e
               group by currency) s where debits <> 0"""
        )
        == []
    ), "debits and credits differ"
    credited = "select statement_id from billing.adjustment where kind = 'goodwill'"
    below = f"select statement_id from billing.receivable where balance_minor < 0 and statement_id not in ({credited})"
    assert world.rows(below) == [], "below zero"
    ledger = world.rows(
        """select t.statement_id, t.amount_minor, a.gateway_payment_id, a.outcome, a.amount_minor
           from billing.transfer t join billing.payment_attempt a using (attempt_id)"""
    )
    assert all(outcome == "succeeded" and posted == asked for _, posted, _, outcome, asked in ledger)
    assert len(ledger) == world.one("select count(*) from billing.payment_attempt where outcome = 'succeeded'")


def check_collected_once(world: PaymentWorld) -> None:
    """The gateway has exactly the payments that the books have, each once, to the minor unit."""
    check_books(world)
    charged = world.charged()
    assert {statement: len(intents) for statement, intents in charged.items() if len(intents) > 1} == {}
    at_gateway = {
        intents[0]["id"]: (statement, intents[0]["amount_received"]) for statement, intents in charged.items()
    }
    booked = {
        payment: (statement, amount)
        for payment, statement, amount in world.rows(
            """select gateway_payment_id, statement_id, amount_minor from billing.payment_attempt
               where outcome = 'succeeded'"""
        )
    }
    assert booked == at_gateway


def counted(values: Sequence[object]) -> dict[object, int]:
    """How often each value occurs."""
    return dict(Counter(values))
