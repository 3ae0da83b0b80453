"""Tries again what failed: at the month's end whatever may still succeed, and each day what was planned for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from evbilling.money import from_minor
from evbilling.payments import attempts
from evbilling.payments.attempts import Debt, Occasion
from evbilling.payments.retries import plans
from evbilling.payments.retries.planner import CAPPED, Plan
from evbilling.payments.services import PaymentServices
from evbilling.period import Period

log = logging.getLogger(__name__)

# Statements per batch: at 20 calls a second, a task of under two minutes.
BATCH_SIZE = 2_000


@dataclass(frozen=True, slots=True)
class Retry:
    """A failed statement: what is due, what is planned for it, and whether it is tried on this occasion."""

    debt: Debt
    plan: Plan
    is_tried: bool

    def sentence(self) -> str:
        """The retry in one line, for the log of a dry run."""
        amount = f"{from_minor(self.debt.balance_minor, self.debt.minor_unit)} {self.debt.currency}"
        when = "now" if self.is_tried else f"{self.plan.at:%Y-%m-%d %H:%M} UTC" if self.plan.at else "no automatic try"
        return f"{self.debt.statement_id}  {amount}  {self.debt.financial_admin_id}  {when}  ({self.plan.detail})"


def month_end_retries(services: PaymentServices, period: Period, now: datetime) -> list[Retry]:
    """Every failed statement of any period, and those of `period` never tried; tried is what may still succeed.

    The month's end waits for no gap; the cap, hard declines and declines that need the customer hold here too.
    """
    found = _failed(services, str(period), now)
    return [
        Retry(debt, plan, plan.at is not None and not (plan.reason_id == CAPPED and plan.at > now))
        for debt, plan in found
    ]


def due_retries(services: PaymentServices, now: datetime) -> list[Retry]:
    """Every failed statement; tried is what was planned for now or earlier, or whose payment method has changed."""
    return [Retry(debt, plan, plan.at is not None and plan.at <= now) for debt, plan in _failed(services, None, now)]


def open_retries(services: PaymentServices, retries: Sequence[Retry], trigger: str, name: str, actor: str) -> list[str]:
    """Open the attempts of those retries that are tried; returns the batches that have calls to make, at least one.

    `name` is the occasion: opened twice, a statement is still tried once. Raises `NotReady` while charging is on hold,
    `BadInput` and `TransientError` as `PaymentServices.check_gateway` does, before anything is opened.
    """
    tried = [retry.debt for retry in retries if retry.is_tried]
    payers = services.payers_of(tried)
    if any(payer.payment_method for payer in payers.values()):
        services.check_gateway(payers.values())
        services.require_charging()
    with services.warehouse() as connection:
        plans.keep_plans(connection, [retry.plan for retry in retries])
        connection.commit()
        opened: list[attempts.Opened] = []
        for number, start in enumerate(range(0, len(tried), BATCH_SIZE)):
            occasion = Occasion(trigger, name, f"{name}/{number}", actor, name)
            part = tried[start : start + BATCH_SIZE]
            opened += attempts.open_attempts(connection, occasion, part, payers, services.policy.most_in_30_days)
        waiting = _waiting_batches(connection, name)
    log.info(
        "%s: %s failed statements, %s tried now%s",
        name,
        len(retries),
        sum(o.attempt_id is not None for o in opened),
        "".join(f"; {count} refused ({why})" for why, count in attempts.count_refusals(opened).items()),
    )
    # A mapped task over nothing would be skipped, and with it all that comes after.
    return waiting or [f"{name}/0"]


def close_retries(services: PaymentServices, name: str, now: datetime) -> dict[str, int]:
    """Plan anew what was tried on the occasion `name`; returns how many attempts ended how: {outcome: count}."""
    with services.warehouse() as connection:
        rows = connection.execute(
            "select statement_id, outcome from billing.payment_attempt where occasion = %s", (name,)
        ).fetchall()
    if rows:
        services.replan([statement_id for statement_id, _ in rows], now)
    outcomes: dict[str, int] = {}
    for _, outcome in rows:
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    log.info("%s: %s", name, ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items())) or "nothing to try")
    return outcomes


def _failed(services: PaymentServices, period: str | None, now: datetime) -> list[tuple[Debt, Plan]]:
    with services.warehouse() as connection:
        debts = plans.load_debts(connection, period=period, failed=True)
        history = plans.load_attempts(connection, [debt.statement_id for debt in debts])
    made = plans.plans_of(debts, history, services.payers_of(debts), services.policy, now)
    return list(zip(debts, made, strict=True))


def _waiting_batches(connection: psycopg.Connection[Any], name: str) -> list[str]:
    rows = connection.execute(
        """select distinct batch from billing.payment_attempt
           where occasion = %s and outcome = 'pending' order by batch""",
        (name,),
    ).fetchall()
    return [row[0] for row in rows]
