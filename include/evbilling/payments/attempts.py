"""Payment attempts in the warehouse: opened before any call is made, claimed by who sends them, settled once.

Every change goes through a function in sql/functions/payments, which locks the statements concerned.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any

import psycopg

from evbilling.payments.gateway.amounts import chargeable_step
from evbilling.payments.gateway.interface import ChargeResult, Outcome
from evbilling.payments.payers import Payer
from evbilling.payments.retries.declines import classify
from evbilling.payments.retries.planner import PAYER_UNCLEAR
from evbilling.warehouse import execute, fetch_all, fetch_one, may_come_back

log = logging.getLogger(__name__)

_UNRECORDED = "the gateway's answer can't be recorded; payment_reconciliation lists the payment"

# Statements opened in one transaction: that many rows stay locked against other collections.
OPENED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Occasion:
    """What calls for attempts. At one occasion a statement is tried once; `batch` is who makes the calls."""

    trigger: str
    name: str
    batch: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Debt:
    """A connector statement that may be collected, and who is to pay it. `balance_minor` is what is due.

    `unaccounted_payment`: a payment that the gateway has collected for it and that isn't recorded. Nothing is charged
    while there is one.
    """

    statement_id: str
    account_id: str
    financial_admin_id: str
    currency: str
    minor_unit: int
    balance_minor: int
    unaccounted_payment: str | None = None
    is_written_off: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of one statement: an attempt with its amount in minor units, or the code for why there is none."""

    statement_id: str
    attempt_id: int | None
    refused: str | None
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt to be sent now; only the worker that claimed it may send it until the lease ends."""

    attempt_id: int
    statement_id: str
    idempotency_key: str
    amount_minor: int
    currency: str
    customer: str
    payment_method: str
    attempt_no: int


def open_attempts(
    connection: psycopg.Connection[Any],
    occasion: Occasion,
    debts: Sequence[Debt],
    payers: Mapping[str, Payer],
    cap: int,
    *,
    before_commit: Callable[[Sequence[Opened]], None] | None = None,
) -> list[Opened]:
    """Open an attempt for each debt that may be tried; commits every thousand. In the order of the debts' ids.

    `payers` are by statement. Without a clear payer there is no attempt, and no customer is told of one: the statement
    is planned, so that it is tried once the payer is clear. `before_commit` sees each thousand while nobody else can
    touch them; if it raises, they aren't opened.
    """
    opened: list[Opened] = []
    for start in range(0, len(debts), OPENED_AT_ONCE):
        part = debts[start : start + OPENED_AT_ONCE]
        clear = [debt for debt in part if not payers[debt.statement_id].unclear]
        of = [payers[debt.statement_id] for debt in clear]
        rows = connection.execute(
            "select * from billing.open_attempts(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                occasion.trigger,
                occasion.name,
                occasion.batch,
                occasion.actor,
                occasion.reason,
                cap,
                [debt.statement_id for debt in clear],
                [payer.customer for payer in of],
                [payer.payment_method for payer in of],
                [chargeable_step(debt.currency) for debt in clear],
            ),
        ).fetchall()
        unclear = _refuse_unclear(connection, [debt for debt in part if payers[debt.statement_id].unclear], payers)
        part_opened = sorted([*starmap(Opened, rows), *unclear], key=lambda one: one.statement_id)
        if before_commit:
            before_commit(part_opened)
        connection.commit()
        opened += part_opened
    return opened


def _refuse_unclear(
    connection: psycopg.Connection[Any], debts: Sequence[Debt], payers: Mapping[str, Payer]
) -> list[Opened]:
    """The refusals of debts without a clear payer, each planned with the reason while something is due on it."""
    due = [debt.statement_id for debt in debts if debt.balance_minor > 0]
    if due:
        execute(connection, "payments/lock_plans", statements=due)
        execute(
            connection,
            "payments/plans",
            statements=due,
            planned=[None] * len(due),
            reasons=[PAYER_UNCLEAR] * len(due),
            details=[payers[statement_id].unclear for statement_id in due],
        )
    return [
        Opened(debt.statement_id, None, "payer_unclear" if debt.balance_minor > 0 else "paid", None) for debt in debts
    ]


def count_refusals(opened: Sequence[Opened]) -> dict[str, int]:
    """How many statements were refused, by reason."""
    return dict(Counter(one.refused for one in opened if one.refused))


def claim(connection: psycopg.Connection[Any], batch: str, most: int, lease_seconds: float) -> list[Claimed]:
    """Claim up to `most` of the batch's attempts that nobody is sending and that are still due; commits."""
    rows = connection.execute(
        "select * from billing.claim_attempts(%s, %s, %s * interval '1 second')", (batch, most, lease_seconds)
    ).fetchall()
    connection.commit()
    return list(starmap(Claimed, rows))


def count_waiting(connection: psycopg.Connection[Any], batch: str) -> int:
    """How many of the batch's attempts may still be sent: claimed by nobody, or by somebody who may be gone."""
    row = connection.execute(
        """select count(*) from billing.payment_attempt where batch = %s and outcome = 'pending'
           and (sent_at is null or sent_at > clock_timestamp() - interval '23 hours')""",
        (batch,),
    ).fetchone()
    connection.commit()
    return int(row[0]) if row else 0


def count_sent(connection: psycopg.Connection[Any], batch: str) -> tuple[int, int, int]:
    """The batch's attempts, those of them that aren't to be sent any more, and those of these that failed; commits."""
    total, done, failed = fetch_one(connection, "payments/sent", batch=batch)
    connection.commit()
    return total, done, failed


def customers_waiting(connection: psycopg.Connection[Any], batch: str, most: int) -> list[str]:
    """Some of the customers of the batch's attempts that may still be sent, each once; commits."""
    rows = fetch_all(connection, "payments/customers_waiting", batch=batch, most=most)
    connection.commit()
    return [row[0] for row in rows]


def record(
    connection: psycopg.Connection[Any],
    results: Sequence[tuple[int, ChargeResult]],
    claims: Mapping[int, datetime] | None = None,
) -> list[tuple[int, str, str]]:
    """Record outcomes and post the payments; commits. Returns (attempt_id, statement_id, outcome) of the changed.

    `claims`: for results that were concluded from the gateway's list, the claim of the attempt at that time; a result
    of an attempt that was claimed again since changes nothing.
    All in one transaction, unless the warehouse refuses one of them: then each in its own, so that one answer that
    can't be kept doesn't cost the others. That one is recorded as unknown, with the payment's id. A success that can't
    be booked, for whatever reason, is a break at once, in the same transaction.
    """
    try:
        changed = _record(connection, results, claims or {})
    except (psycopg.Error, UnicodeEncodeError) as error:
        # The warehouse that is gone or busy refuses all alike.
        if may_come_back(error):
            raise
        connection.rollback()
        if len(results) > 1:
            return [row for result in results for row in record(connection, [result], claims)]
        attempt_id, result = results[0]
        if result.outcome is Outcome.UNKNOWN:
            raise
        log.exception("attempt %s: %s (%s) can't be recorded", attempt_id, result.outcome, result.gateway_payment_id)
        payment = _storable(result.gateway_payment_id)
        unknown = ChargeResult(Outcome.UNKNOWN, payment, message=_UNRECORDED)
        changed = _record(connection, [(attempt_id, unknown)], claims or {})
        if payment and result.outcome is Outcome.SUCCEEDED:
            query = "select * from billing.raise_unbooked(%s, %s)"
            _say_unbooked(connection.execute(query, ([attempt_id], [payment])).fetchall())
    connection.commit()
    return changed


def _record(
    connection: psycopg.Connection[Any], results: Sequence[tuple[int, ChargeResult]], claims: Mapping[int, datetime]
) -> list[tuple[int, str, str]]:
    if not results:
        return []
    classes = [
        str(classify(r.decline_code, r.advice_code)) if r.outcome is Outcome.DECLINED else None for _, r in results
    ]
    rows = connection.execute(
        "select * from billing.record_outcomes(%s, %s, %s, %s, %s, %s, %s, %s::timestamptz[])",
        (
            [attempt_id for attempt_id, _ in results],
            [str(r.outcome) for _, r in results],
            [r.gateway_payment_id for _, r in results],
            [
                (r.decline_code or "unspecified") if r.outcome in {Outcome.DECLINED, Outcome.REFUSED} else None
                for _, r in results
            ],
            [r.advice_code for _, r in results],
            classes,
            [r.message for _, r in results],
            [claims.get(attempt_id) for attempt_id, _ in results],
        ),
    ).fetchall()
    _say_unbooked([(attempt_id, statement_id, kind) for attempt_id, statement_id, _, kind in rows if kind])
    return [(attempt_id, statement_id, outcome) for attempt_id, statement_id, outcome, kind in rows if not kind]


def _say_unbooked(rows: Sequence[tuple[Any, ...]]) -> None:
    for attempt_id, statement_id, kind in rows:
        log.error(
            "the gateway has collected attempt %s of %s, and that can't be booked: %s; nothing more is charged for the "
            "statement until it is put right, see finance.payment_breaks",
            attempt_id,
            statement_id,
            kind,
        )


def _storable(text: str | None) -> str | None:
    """A text that the warehouse can keep: what isn't ASCII, or NUL, is escaped."""
    return text and text.encode("ascii", "backslashreplace").decode().replace("\0", "\\x00")
