"""Makes a batch's calls at the gateway, many at a time at one shared rate, and records every answer.

A killed run loses nothing: what was not sent is sent by the next, and what was sent but not recorded is sent again with
the same key, which the gateway answers without charging twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from evbilling.errors import TransientError
from evbilling.payments import attempts
from evbilling.payments.attempts import Claimed
from evbilling.payments.gateway.interface import Charge, ChargeResult, Gateway, Lease, NotSentError, Outcome
from evbilling.payments.hold import require_charging
from evbilling.payments.retries.declines import classify
from evbilling.services import Services

log = logging.getLogger(__name__)

# Calls under way at once: at 20 a second, each may take over a second without slowing the others.
WORKERS = 32
# A claim lapses after this: its worker sends nothing more under it and counts as dead. If it has sent already, sending
# again is harmless, because the key is the same.
LEASE_SECONDS = 60.0
# Answers are recorded at least this often, and this many at a time.
_FLUSH_SECONDS = 0.25
_FLUSH_ROWS = 64
# After this many calls in a row without an answer no more are made: each would be another unknown outcome.
_SILENT_CALLS = 24
_RANK = {Outcome.UNKNOWN: 0, Outcome.DECLINED: 1, Outcome.SUCCEEDED: 2}


@dataclass(slots=True)
class Collected:
    """What a batch's calls came to."""

    succeeded: int = 0
    unknown: int = 0
    declined: Counter[str] = field(default_factory=Counter)

    def add(self, result: ChargeResult) -> None:
        """Count one answer."""
        if result.outcome is Outcome.DECLINED:
            self.declined[str(classify(result.decline_code, result.advice_code))] += 1
        elif result.outcome is Outcome.SUCCEEDED:
            self.succeeded += 1
        else:
            self.unknown += 1

    @property
    def total(self) -> int:
        """How many calls were answered, or known not to be."""
        return self.succeeded + self.unknown + self.declined.total()

    def as_dict(self) -> dict[str, Any]:
        """{"succeeded", "unknown", "declined": {class: count}}."""
        return {"succeeded": self.succeeded, "unknown": self.unknown, "declined": dict(self.declined)}


def collect(
    services: Services,
    gateway: Gateway,
    batch: str,
    *,
    workers: int = WORKERS,
    lease_seconds: float = LEASE_SECONDS,
    is_looked_at: bool = False,
) -> Collected:
    """Send the batch's pending attempts and record what became of them; returns the count of answers.

    `is_looked_at`: the caller has just found out that charges may be made.

    Raises `BadInput` if the gateway refuses our key, `NotReady` while charging is on hold, `TransientError` if the
    gateway stops answering: what was not sent then stays pending, and the same call goes on with it.
    """
    collected = Collected()
    with services.warehouse() as connection:
        # Only if there is something to send: a month without a debt needs no gateway.
        if not attempts.count_waiting(connection, batch):
            return collected
        if not is_looked_at:
            # It asks the gateway, so it also finds out whether that takes our key.
            require_charging(services, gateway)
        installation = str(connection.execute("select installation_id from billing.installation").fetchone()[0])  # type: ignore[index]
        connection.commit()
        with ThreadPoolExecutor(workers, thread_name_prefix="charge") as pool:
            _Sender(services, connection, gateway, batch, installation, pool, workers, lease_seconds, collected).run()
    log.info(
        "%s: %s collected, %s declined%s, %s unknown",
        batch,
        collected.succeeded,
        collected.declined.total(),
        f" ({', '.join(f'{n} {c}' for c, n in sorted(collected.declined.items()))})" if collected.declined else "",
        collected.unknown,
    )
    return collected


@dataclass(slots=True)
class _Sender:
    services: Services
    connection: psycopg.Connection[Any]
    gateway: Gateway
    batch: str
    installation: str
    pool: ThreadPoolExecutor
    workers: int
    lease_seconds: float
    collected: Collected
    _calls: dict[Future[ChargeResult | None], Claimed] = field(default_factory=dict)
    _answers: list[tuple[int, ChargeResult]] = field(default_factory=list)
    _silent: int = 0
    _flushed: float = 0.0

    def run(self) -> None:
        self._flushed = time.monotonic()
        try:
            self._send_all()
        except BaseException:
            self._record_remaining()
            raise

    def _send_all(self) -> None:
        while self._claim() or self._calls or self._wait_for_lapsed_claims():
            self._take_answers()
            self._flush(at_once=not self._calls)
            self._stop_if_silent()

    def _record_remaining(self) -> None:
        """After an error, record the answers of the calls that were already made.

        It uses a new connection, since the first may be what failed. If that fails too, no harm is done: the
        attempts stay pending, and sent again with the same key they are answered the same.
        """
        # Its open transaction, if any, would keep the new one waiting.
        self.connection.close()
        for call in self._calls:
            call.cancel()
        wait(self._calls)
        for call, attempt in self._calls.items():
            if not call.cancelled() and not call.exception() and (result := call.result()):
                self._answers.append((attempt.attempt_id, result))
        self._calls.clear()
        try:
            with self.services.warehouse() as connection:
                self._record(connection)
        except Exception:
            log.exception(
                "%s: %s answers could not be recorded; they are asked for again", self.batch, len(self._answers)
            )

    def _claim(self) -> bool:
        free = self.workers - len(self._calls)
        # Claim when half of the workers are free: one transaction for many attempts, and none waits for the slowest.
        if free < max(1, self.workers // 2):
            return False
        lease = Lease(self.lease_seconds)
        claimed = attempts.claim(self.connection, self.batch, free, self.lease_seconds)
        for attempt in claimed:
            self._calls[self.pool.submit(self._send, attempt, lease)] = attempt
        return bool(claimed)

    def _send(self, attempt: Claimed, lease: Lease) -> ChargeResult | None:
        charge = Charge(
            idempotency_key=attempt.idempotency_key,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            customer=attempt.customer,
            payment_method=attempt.payment_method,
            description=f"Connector statement {attempt.statement_id}",
            metadata={
                "evbilling_installation": self.installation,
                "evbilling_statement": attempt.statement_id,
                "evbilling_attempt": str(attempt.attempt_id),
            },
            lease=lease,
        )
        try:
            return self.gateway.charge(charge)
        except NotSentError:
            # It stays pending, and is claimed anew.
            return None

    def _take_answers(self) -> None:
        if not self._calls:
            return
        done, _ = wait(self._calls, timeout=_FLUSH_SECONDS, return_when=FIRST_COMPLETED)
        for call in done:
            # Taken out of the calls only with its answer in hand: what fails in between must lose none.
            if result := call.result():
                self._answers.append((self._calls[call].attempt_id, result))
                is_silent = result.outcome is Outcome.UNKNOWN and not result.gateway_payment_id
                self._silent = self._silent + 1 if is_silent else 0
            del self._calls[call]

    def _flush(self, *, at_once: bool) -> None:
        is_due = len(self._answers) >= _FLUSH_ROWS or time.monotonic() - self._flushed >= _FLUSH_SECONDS
        if self._answers and (at_once or is_due):
            self._record(self.connection)
        if at_once or is_due:
            self._flushed = time.monotonic()

    def _record(self, connection: psycopg.Connection[Any]) -> None:
        answers: dict[int, ChargeResult] = {}
        for attempt_id, result in self._answers:
            # Of two answers to one attempt (sent again after its claim lapsed) the one with a known outcome counts, and
            # of those the success.
            before = answers.get(attempt_id)
            if before is None or _RANK[result.outcome] > _RANK[before.outcome]:
                answers[attempt_id] = result
        for attempt_id, _, outcome in attempts.record(connection, list(answers.items())):
            self.collected.add(replace(answers[attempt_id], outcome=Outcome(outcome)))
        for answer in self._answers:
            # A second payment of one attempt is a break.
            if answer[1].outcome is Outcome.SUCCEEDED and answer[1] != answers[answer[0]]:
                attempts.record(connection, [answer])
        self._answers.clear()

    def _stop_if_silent(self) -> None:
        if self._silent >= _SILENT_CALLS:
            self.gateway.check()
            raise TransientError(
                f"the payment gateway gave no clear answer to the last {self._silent} charges",
                where=self.batch,
                fix="try again: what was not sent goes on then; payment_reconciliation asks what became of these",
            )

    def _wait_for_lapsed_claims(self) -> bool:
        """True while attempts are claimed by a sender that may be gone; sleeps a little."""
        if not attempts.count_waiting(self.connection, self.batch):
            return False
        time.sleep(min(1.0, self.lease_seconds / 4))
        return True
