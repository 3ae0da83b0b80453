"""A small world of money that is put back in milliseconds: two statements, a gateway with a memory, time that passes.

What is simulated: the gateway (in this process; it keeps payments and idempotency keys, which it forgets after a day,
and answers a key that is at work as Stripe does), and time. Time passes at once: everything that warehouse and gateway
have dated gets older, the workers' clocks go forward. What is real: every statement, on a real Postgres, and all of
`evbilling.payments` above the gateway's interface.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import stripe
from psycopg import sql

from evbilling.connector_statements import validate
from evbilling.payments import PaymentServices
from evbilling.payments.gateway.interface import (
    Charge,
    ChargeResult,
    GatewayPayment,
    NotSentError,
    Outcome,
    Refund,
    RefundResult,
)
from evbilling.payments.gateway.stripe_answers import result_of_error
from evbilling.services import Services
from evbilling_local.stack import EmbeddedPostgres
from tests.support.interleaving import Actor, Clocks, Stage
from tests.support.month import Platform, bill, settle_terms, stage, terms
from tests.support.payments import SPREADLESS

KEYS_KEPT = timedelta(hours=24)

_TABLES = """
    select n.nspname, c.relname,
           array(select a.attname from pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                 order by a.attnum),
           array(select a.attname from pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                   and a.atttypid = 'timestamptz'::regtype and not c.relispartition and n.nspname = 'billing')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('billing', 'staging') and c.relkind = 'r' order by 1, 2"""

# What a statement should still come to at the gateway, by the books without its payments there.
_WANTED = """
    select coalesce(sum(case when debit_account = 'receivable' then amount_minor else -amount_minor end), 0)
    from billing.transfer where statement_id = %s and kind <> 'payment'"""


_CARDS = "update platform.app_user set payment_customer = 'cus_' || account_id, payment_method = 'pm_' || account_id"
_REMOVED = "update platform.connector set status = 'removed' where charger_id = 'a-1' and connector_id = 2"

# Nothing is refused and nothing follows: rows are as they were kept.
_WITHOUT_TRIGGERS = sql.SQL("set local session_replication_role = replica")


@dataclass
class MemoryGateway:
    """A gateway as `evbilling.payments` sees it. `cards` says how a payment method answers: ok, soft, hard.

    Every charge that is more than what should still come, and every try of a card that was declined for good, is a
    wrong in `wrongs`.
    """

    world: Any
    cards: dict[str, str] = field(default_factory=dict)
    payments: dict[str, GatewayPayment] = field(default_factory=dict)
    keys: dict[str, tuple[datetime, tuple[object, ...], ChargeResult]] = field(default_factory=dict)
    refunds: dict[str, str] = field(default_factory=dict)
    refund_keys: dict[str, datetime] = field(default_factory=dict)
    hard: set[tuple[str, str, str]] = field(default_factory=set)
    wrongs: list[str] = field(default_factory=list)
    at_work: set[str] = field(default_factory=set)
    made: int = 0

    # ---- The interface

    def check(self, *_: object, **__: object) -> None:
        _step("gateway: check")

    def charge(self, charge: Charge) -> ChargeResult:
        statement = charge.metadata["evbilling_statement"]
        _step(f"gateway: about to charge {statement}")
        if charge.lease is not None and charge.lease.is_over:
            raise NotSentError
        _step(f"gateway: charge of {statement} on its way")
        key, asked = charge.idempotency_key, (charge.amount_minor, charge.currency, charge.customer)
        if key in self.at_work:
            return _refused("another request with this key is at work", "idempotency_key_in_use")
        if key in self.keys:
            _, before, result = self.keys[key]
            return result if before == asked else _refused("the key was used for another request", None)
        self.at_work.add(key)
        try:
            _step(f"gateway: charge of {statement} at work")
        finally:
            # The gateway goes on even if who asked is gone.
            self.at_work.discard(key)
            result = self._execute(charge, statement)
            self.keys[key] = (datetime.now(UTC), asked, result)
        _step(f"gateway: answer on {statement} on its way")
        return result

    def refund(self, refund: Refund) -> RefundResult:
        number, key = refund.gateway_payment_id, refund.idempotency_key
        _step(f"gateway: about to refund {number}")
        if refund.lease is not None and refund.lease.is_over:
            raise NotSentError
        _step(f"gateway: refund of {number} on its way")
        if key not in self.refund_keys:
            if key in self.refunds:
                self.wrongs.append(f"{number} is refunded twice for {key}")
            if not self.give_back(number, refund.amount_minor):
                return RefundResult(Outcome.REFUSED, message="more than was charged")
            self.refunds[key] = f"re_{len(self.refunds) + 1}"
            self.refund_keys[key] = datetime.now(UTC)
        _step(f"gateway: refund of {number} answered")
        return RefundResult(Outcome.SUCCEEDED, self.refunds[key])

    def find_refund(self, gateway_payment_id: str, idempotency_key: str) -> RefundResult | None:
        _step(f"gateway: asked for the refund of {gateway_payment_id}")
        made = self.refunds.get(idempotency_key)
        refunded = self.payments[gateway_payment_id].refunded_minor
        return None if made is None else RefundResult(Outcome.SUCCEEDED, made, refunded_minor=refunded)

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        _step("gateway: list")
        yield from [
            payment
            for payment in reversed(self.payments.values())
            if payment.created_at >= since
            and (until is None or payment.created_at < until)
            and customer in {None, payment.customer}
        ]

    def list_returned(self, since: datetime) -> Iterator[GatewayPayment]:
        # Each comparison of this world lists all payments anyway.
        _step(f"gateway: list what was returned since {since:%Y}")
        yield from ()

    # ---- Inside

    def _execute(self, charge: Charge, statement: str) -> ChargeResult:
        answer = self.cards.get(charge.payment_method, "ok")
        tried = (statement, charge.customer, charge.payment_method)
        if tried in self.hard:
            self.wrongs.append(f"{statement}: {charge.payment_method} is tried again, which was declined for good")
        if answer == "hard":
            self.hard.add(tried)
        is_ok = answer == "ok"
        if is_ok:
            self._require_due(statement, charge.amount_minor)
        payment = self.add(
            charge.amount_minor,
            charge.currency,
            charge.customer,
            charge.metadata,
            outcome=Outcome.SUCCEEDED if is_ok else Outcome.DECLINED,
            decline_code=None if is_ok else {"soft": "insufficient_funds", "hard": "lost_card"}[answer],
        )
        return ChargeResult(payment.outcome, payment.gateway_payment_id, payment.decline_code)

    def add(self, amount: int, currency: str, customer: str, metadata: Any, **facts: Any) -> GatewayPayment:
        """A payment that the gateway has from now on."""
        self.made += 1
        number = f"pi_{self.made}"
        facts = {"outcome": Outcome.SUCCEEDED} | facts
        payment = GatewayPayment(
            gateway_payment_id=number,
            amount_minor=amount,
            refunded_minor=0,
            currency=currency,
            created_at=datetime.now(UTC),
            customer=customer,
            metadata=dict(metadata),
            **facts,
        )
        self.payments[number] = payment
        return payment

    def give_back(self, number: str, amount: int) -> bool:
        """Refund so much of a payment, as a refund or somebody in the dashboard does; returns whether it was left."""
        payment = self.payments[number]
        if payment.refunded_minor + amount > payment.amount_minor:
            return False
        self.payments[number] = replace(payment, refunded_minor=payment.refunded_minor + amount)
        return True

    def successes(self) -> dict[str, list[GatewayPayment]]:
        """What was really charged, by statement."""
        found: dict[str, list[GatewayPayment]] = {}
        for payment in self.payments.values():
            if payment.outcome is Outcome.SUCCEEDED:
                found.setdefault(payment.metadata["evbilling_statement"], []).append(payment)
        return found

    def _require_due(self, statement: str, amount: int) -> None:
        earlier = self.successes().get(statement, [])
        wanted = int(self.world.value(_WANTED, statement)) - sum(payment.amount_minor for payment in earlier)
        if amount > wanted:
            had = ", ".join(payment.gateway_payment_id for payment in earlier) or "no payment before"
            self.wrongs.append(f"{statement}: charged {amount} where {max(0, wanted)} is due ({had})")

    def grow_older(self, age: timedelta) -> None:
        """So much time has passed; keys are forgotten after a day."""
        self.payments = {
            number: replace(payment, created_at=payment.created_at - age) for number, payment in self.payments.items()
        }
        kept = {key: (at - age, *answer) for key, (at, *answer) in self.keys.items()}
        oldest = datetime.now(UTC) - KEYS_KEPT
        self.keys = {key: answer for key, answer in kept.items() if answer[0] > oldest}
        self.refund_keys = {key: at - age for key, at in self.refund_keys.items() if at - age > oldest}

    def memory(self) -> dict[str, Any]:
        """All that it knows, to be put back by `remember`."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name not in {"world", "at_work"}})

    def remember(self, memory: dict[str, Any]) -> None:
        vars(self).update(copy.deepcopy(memory))
        self.at_work.clear()


def _step(text: str) -> None:
    actor = threading.current_thread()
    if isinstance(actor, Actor):
        actor.step(text)


def _refused(message: str, code: str | None) -> ChargeResult:
    body = {"error": {"type": "invalid_request_error", "code": code, "message": message}}
    if code is None:
        return result_of_error(stripe.IdempotencyError(message, http_status=400, json_body=body))  # type: ignore[no-untyped-call]
    return result_of_error(stripe.InvalidRequestError(message, None, code, http_status=400, json_body=body))  # type: ignore[no-untyped-call]


@dataclass
class _Kept:
    """A state of the world: the script that puts the warehouse back, the gateway's memory."""

    script: bytes
    memory: dict[str, Any]


class MoneyWorld:
    """Two accounts, each with one issued statement (`ids`, in order) and a run staged that corrects both.

    The first has two connectors, of which one turns out not to exist; the second has one, and turns out to have two.
    """

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self._server = server
        self.platform = Platform(server.create_database("turns_platform", template="platform_template"))
        self.url = server.create_database("turns", template="warehouse_template")
        self.platform.plain_account("a", connectors=2)
        self.platform.plain_account("b", connectors=1)
        self.platform.save()
        self.platform.execute(_CARDS)
        writer_url = server.url("evbilling_writer", "turns", password="test")
        settle_terms(writer_url, terms("a"), terms("b"))
        self.services = Services(self.platform.url, writer_url, str(folder / "evidence"))
        bill(self.services)
        self.platform.execute(_REMOVED)
        self.platform.connector("b-1", 2)
        self.platform.save()
        self.run_id, _, _ = stage(self.services, max_count_change_percent=90)
        validate(self.services, self.run_id)
        self.clocks = Clocks()
        self.stage = Stage(self.url, lambda url: "/turns_platform" not in url)
        self.admin = self.stage.admin
        self.admin.execute("update billing.run set dag_id = 'correct_statements' where run_id = %s", (self.run_id,))
        self.ids = [row[0] for row in self.rows("select statement_id from billing.statement order by account_id")]
        self.gateway = MemoryGateway(self)
        self.payments = PaymentServices(self.services, self.gateway, SPREADLESS)
        # Steps of operations, for who plans where to switch: by state and operation.
        self.steps: dict[tuple[str, str], list[tuple[str, bool]]] = {}
        self._states: dict[str, _Kept] = {}
        self._put_back = 0
        self._passed = timedelta(0)
        self._dated = self._all_dated()

    # ---- States

    def keep(self, name: str) -> None:
        """Keep the state of warehouse and gateway under a name."""
        schema_kept = f"kept_{len(self._states)}"
        self.admin.execute(sql.SQL("create schema {}").format(sql.Identifier(schema_kept)))
        parts: list[sql.Composable] = [_WITHOUT_TRIGGERS]
        for schema, table, columns, _ in self.rows(_TABLES):
            source, kept = sql.Identifier(schema, table), sql.Identifier(schema_kept, f"{schema}_{table}")
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            parts.append(sql.SQL("delete from only {}").format(source))
            if self.rows(sql.SQL("select from only {} limit 1").format(source)):
                self.admin.execute(sql.SQL("create table {} as select {} from only {}").format(kept, names, source))
                parts.append(
                    sql.SQL("insert into {} ({}) overriding system value select * from {}").format(source, names, kept)
                )
        for schema, name_, last, is_called in self.rows(
            """select schemaname, sequencename, coalesce(last_value, start_value), last_value is not null
               from pg_sequences where schemaname = 'billing'"""
        ):
            of = sql.Literal(sql.Identifier(schema, name_).as_string(self.admin))
            parts.append(sql.SQL("select setval({}::regclass, {}, {})").format(of, last, is_called))
        script = sql.SQL(";\n").join(parts).as_string(self.admin).encode()
        self._states[name] = _Kept(script, self.gateway.memory())

    def put_back(self, name: str, *, gateway: bool = True) -> None:
        """Put a kept state back; without the gateway it is a restored backup."""
        kept = self._states[name]
        self._run(kept.script)
        if gateway:
            self.gateway.remember(kept.memory)
            self.clocks.wall = self.clocks.steady = 0.0
            self._passed = timedelta(0)
        self._put_back += 1
        if self._put_back % 250 == 0:
            self.admin.execute("vacuum")

    def restore(self, name: str) -> None:
        """A backup is restored: all connections are cut, the warehouse is as it was, and the gateway goes on."""
        self.stage.cut_connections()
        self.put_back(name, gateway=False)
        self._grow_older(self._passed)

    def write(self, statement: str) -> None:
        """Change the warehouse against its own rules."""
        self._run(b";\n".join([_WITHOUT_TRIGGERS.as_bytes(None), statement.encode()]))

    def _run(self, script: bytes) -> None:
        # Several statements in one round trip and one transaction.
        self.admin.execute(b"begin;\n" + script + b";\ncommit", prepare=False)

    # ---- Time

    def pass_time(self, age: timedelta, *, wall: bool = True, steady: bool = True) -> None:
        """So much time passes; a clock of the workers may not count it."""
        self._grow_older(age)
        self.gateway.grow_older(age)
        self._passed += age
        self.clocks.wall += age.total_seconds() * wall
        self.clocks.steady += age.total_seconds() * steady

    def _grow_older(self, age: timedelta) -> None:
        self._run(self._dated.replace(b"%age%", f"'{age.total_seconds()} seconds'".encode()))

    def _all_dated(self) -> bytes:
        parts = [_WITHOUT_TRIGGERS.as_string(None)]
        for schema, table, _, dated in self.rows(_TABLES):
            if dated and schema == "billing":
                sets = ", ".join(f"{column} = {column} - interval %age%" for column in dated)
                parts.append(f"update {schema}.{table} set {sets}")
        return ";\n".join(parts).encode()

    # ---- Looking

    def rows(self, query: Any, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.admin.execute(query, values or None).fetchall()

    def value(self, query: Any, *values: Any) -> Any:
        """The only value of a query."""
        ((value,),) = self.rows(query, *values)
        return value

    def __enter__(self) -> MoneyWorld:
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.close()
        for name in ("turns", "turns_platform"):
            self._server.drop_database(name)
